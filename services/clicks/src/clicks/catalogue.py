"""Finds what a delivery is: its due event and the bot that posted it, which are remembered.

That a delivery has none is not remembered: tokens are signed, so nobody can ask for deliveries at
will, and one that is not there yet may be there in a moment.
"""

import asyncio
from collections import OrderedDict
from typing import NamedTuple

import nats.errors
from nats.js.errors import Error as JetStreamError

from chassis.log import Entry, LogUnavailableError, Reader
from chassis.logs import logger
from clicks.metrics import LOOK_UPS
from contracts.campaign import Variant
from contracts.envelope import Envelope, UnreadableEventError
from contracts.events import ConversionRecorded, GuideDue, MessageClaimed, PromoDue
from contracts.ids import Channel, DeliveryId
from contracts.subjects import channel_of, claims_of, due_of

_REMEMBERED = 10_000
"""At 3.5 kB each, without its variant."""
_VARIANTS = 1_000

log = logger(__name__)


class Posted(NamedTuple):
    """A delivery as the log knows it; `bot_id` is None where no claim names a bot."""

    due: Envelope
    bot_id: int | None


class Catalogue:
    """Every delivery in the log; keeps the 10,000 that were asked for last.

    However many ask for one delivery at once, the log is asked once.
    """

    def __init__(self, reader: Reader, *, patience: float) -> None:
        self._reader = reader
        self._patience = patience
        self._known: OrderedDict[DeliveryId, Posted] = OrderedDict()
        self._variants: dict[str, Variant] = {}
        self._asking: dict[DeliveryId, asyncio.Task[Posted | None]] = {}

    async def posted(self, delivery: DeliveryId) -> Posted | None:
        """Return a delivery, None where the log has none; raises LogUnavailableError."""
        posted = self._known.get(delivery)
        if posted is None:
            # Shielded: one who goes away takes nothing from the others who wait for the same.
            return await asyncio.shield(self._asked(delivery))
        self._known.move_to_end(delivery)
        return posted

    async def conversion(self, subject: str) -> ConversionRecorded | None:
        """Return the conversion on `subject`, None where there is none; asks each time."""
        found = await self._last(subject)
        return found.data if found and isinstance(found.data, ConversionRecorded) else None

    def _asked(self, delivery: DeliveryId) -> asyncio.Task[Posted | None]:
        task = self._asking.get(delivery)
        if task is None:
            task = self._asking[delivery] = asyncio.create_task(self._ask(delivery))
            # Read, lest asyncio complain of it where all who asked have gone away meanwhile.
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return task

    async def _ask(self, delivery: DeliveryId) -> Posted | None:
        try:
            posted = await self._look_up(delivery)
        finally:
            del self._asking[delivery]
        if posted:
            self._remember(delivery, posted)
        return posted

    def _remember(self, delivery: DeliveryId, posted: Posted) -> None:
        self._known[delivery] = posted
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)

    async def _look_up(self, delivery: DeliveryId) -> Posted | None:
        LOOK_UPS.inc()
        # The claim was in the log before anybody could see a button.
        due, claim = await asyncio.gather(
            self._last(due_of(delivery)), self._last(claims_of(delivery))
        )
        claimed = claim.data if claim else None
        bot_id = claimed.bot_id if isinstance(claimed, MessageClaimed) else None
        return Posted(self._sharing(due), bot_id) if due else None

    def _sharing(self, due: Envelope) -> Envelope:
        """Keep the variant, which many deliveries show, once: it is more than half of an event."""
        planned = due.data
        if not isinstance(planned, GuideDue | PromoDue):
            return due
        if len(self._variants) >= _VARIANTS:
            self._variants.clear()
        variant = planned.variant
        kept = self._variants.setdefault(variant.model_dump_json(), variant)
        return due.model_copy(update={"data": planned.model_copy(update={"variant": kept})})

    async def last_word(self, channel: Channel, bot_id: int) -> Entry | None:
        """Return the newest fact about a bot in a channel; asks each time."""
        return await self._entry(channel_of(channel, bot_id))

    async def _last(self, subject: str) -> Envelope | None:
        entry = await self._entry(subject)
        return entry.envelope if entry else None

    async def _entry(self, subject: str) -> Entry | None:
        try:
            async with asyncio.timeout(self._patience):
                return await self._reader.last(subject)
        except UnreadableEventError as error:
            # One line says it all: a traceback would add nothing.
            problem = str(error)
            log.error("an event of the log cannot be read", subject=subject, problem=problem)  # noqa: TRY400
            return None
        except (JetStreamError, nats.errors.Error, TimeoutError, OSError) as error:
            raise LogUnavailableError(f"{subject} was not read: {error!r}") from error
