"""Finds the due event of a delivery, which never changes and so is remembered; and last words."""

import asyncio
from collections import OrderedDict

import nats.errors
from nats.js.errors import Error as JetStreamError

from chassis.log import Entry, LogUnavailableError, Reader
from chassis.logs import logger
from contracts.envelope import Envelope, UnreadableEventError
from contracts.ids import Channel, DeliveryId
from contracts.subjects import channel_of, due_of

_REMEMBERED = 10_000

log = logger(__name__)


class Catalogue:
    """The due event of every delivery in the log; keeps the 10,000 that were asked for last."""

    def __init__(self, reader: Reader, *, patience: float) -> None:
        self._reader = reader
        self._patience = patience
        self._dues: OrderedDict[DeliveryId, Envelope] = OrderedDict()

    async def due(self, delivery: DeliveryId) -> Envelope | None:
        """Return the due event, None where the log has none; raises LogUnavailableError."""
        due = self._dues.get(delivery) or await self._look_up(delivery)
        if due:
            self._remember(delivery, due)
        return due

    def _remember(self, delivery: DeliveryId, due: Envelope) -> None:
        self._dues[delivery] = due
        self._dues.move_to_end(delivery)
        if len(self._dues) > _REMEMBERED:
            self._dues.popitem(last=False)

    async def last_word(self, channel: Channel, bot_id: int) -> Entry | None:
        """Return the newest fact about a bot in a channel; raises LogUnavailableError."""
        return await self._last(channel_of(channel, bot_id))

    async def _look_up(self, delivery: DeliveryId) -> Envelope | None:
        entry = await self._last(due_of(delivery))
        return entry.envelope if entry else None

    async def _last(self, subject: str) -> Entry | None:
        try:
            async with asyncio.timeout(self._patience):
                return await self._reader.last(subject)
        except UnreadableEventError as error:
            # One line says it all: a traceback would add nothing.
            log.error("an event cannot be read", subject=subject, problem=str(error))  # noqa: TRY400
            return None
        except (JetStreamError, nats.errors.Error, TimeoutError, OSError) as error:
            raise LogUnavailableError(f"the log was not read: {error!r}") from error
