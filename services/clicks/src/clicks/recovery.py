"""Finds payments and refunds that Telegram told nobody of, as clicks was away for too long.

Telegram keeps updates for a day; the list of a bot's Star transactions it keeps. It is in
chronological order (Bot API docs), so what was compared with the log once is not read again: how
far that is stands in a bucket. Any number of replicas may compare: each conversion is recorded
once, whoever comes first, an update or one of them.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

import nats.errors
from nats.js.errors import Error as JetStreamError
from nats.js.errors import KeyNotFoundError
from nats.js.kv import KeyValue

from chassis.cancellation import heed_cancellation
from chassis.clock import Clock
from chassis.log import Entry, LogUnavailableError, handling
from chassis.logs import logger
from chassis.service import Connection
from clicks.domain.stars import (
    PAID,
    Place,
    Transaction,
    date_of,
    mark_of,
    paid_by,
    recovered,
    transaction,
)
from clicks.journal import Journal
from clicks.metrics import COMPARED, RECOVERED, REFUSED
from clicks.stars import FOREIGN, believed
from clicks.telegram import Telegram, TelegramError
from contracts.events import ConversionRecorded
from contracts.streams import CLICKS_STARS
from contracts.token import TokenSigner, has_shape

LOOK_BACK = timedelta(days=30)
"""How old a payment may be that the very first comparison finds."""

SETTLED = timedelta(minutes=1)
"""Younger transactions wait for the next comparison: their updates are still under way."""

_PAGE = 100
"""As many as Telegram returns at once (Bot API docs)."""
_SKEW = timedelta(hours=1)
_RETRY_SECONDS = 60.0
_AWAY = (JetStreamError, nats.errors.Error, TimeoutError, OSError)

log = logger(__name__)


class Listing:
    """A bot's Star transactions, oldest first, as Telegram lists them; raises TelegramError."""

    def __init__(self, telegram: Telegram) -> None:
        self._telegram = telegram

    async def after(self, place: Place) -> list[Any] | None:
        """Return a page of what comes after `place`; None where the list is not the same any more.

        The last row before it is read again: by that the list says whether it is the same.
        """
        if not place.read:
            return await self._page(0, _PAGE)
        rows = await self._page(place.read - 1, _PAGE)
        return rows[1:] if rows and mark_of(rows[0]) == place.last else None

    async def place_at(self, since: datetime) -> Place:
        """Return the place before the first row that is not older than `since`."""
        low, high = 0, 1
        while not await self._has_reached(high, since):
            low, high = high + 1, high * 2
        while low < high:
            middle = (low + high) // 2
            if await self._has_reached(middle, since):
                high = middle
            else:
                low = middle + 1
        before = await self._page(low - 1, 1) if low else []
        return Place(low, mark_of(before[0])) if before else Place()

    async def _has_reached(self, number: int, since: datetime) -> bool:
        rows = await self._page(number, 1)
        made = date_of(rows[0]) if rows else None
        return not rows or (made is not None and made >= since)

    async def _page(self, offset: int, limit: int) -> list[Any]:
        parameters = {"offset": offset, "limit": limit}
        match await self._telegram.call("getStarTransactions", parameters):
            case {"transactions": list(rows)}:
                return rows
        raise TelegramError("getStarTransactions: the answer lists nothing")


class Recovery:
    """Compares the Star transactions of one bot with the log."""

    def __init__(
        self, listing: Listing, signer: TokenSigner, journal: Journal, clock: Clock
    ) -> None:
        self._listing = listing
        self._signer = signer
        self._journal = journal
        self._clock = clock

    async def run(self, connection: Connection, bot_id: int, *, every: float) -> None:
        """Compare now and every so many seconds, for ever."""
        while True:
            heed_cancellation()
            pause = every
            try:
                await self.compare(connection, bot_id)
            except (TelegramError, LogUnavailableError, *_AWAY) as error:
                pause = min(every, _RETRY_SECONDS)
                problem = error.explanation() if isinstance(error, TelegramError) else repr(error)
                log.warning("transactions were not compared; will repeat", problem=problem)
            await asyncio.sleep(pause)

    async def compare(self, connection: Connection, bot_id: int) -> None:
        """Record what is missing in the log; where nothing is new, it is one call of Telegram."""
        bucket, key = await connection.js.key_value(CLICKS_STARS.name), str(bot_id)
        place, known = await _kept(bucket, key), None
        while True:
            rows = await self._listing.after(place) if place else None
            if place is None or rows is None:
                place = await self._listing.place_at(self._clock() - LOOK_BACK)
                log.info("comparing transactions", after=place.read)
            elif settled := list(takewhile(self._is_settled, rows)):
                paid = [found for row in settled if (found := transaction(row))]
                if known is None and paid:
                    known = await _known(connection, paid[0].at)
                await self._recover_all(connection, paid, known or set())
                place = Place(place.read + len(settled), mark_of(settled[-1]))
            else:
                break
            await bucket.put(key, place.text())
        COMPARED.set(self._clock().timestamp())

    def _is_settled(self, row: object) -> bool:
        made = date_of(row)
        return made is None or made <= self._clock() - SETTLED

    async def _recover_all(
        self, connection: Connection, paid: Sequence[Transaction], known: set[str]
    ) -> None:
        for found in paid:
            if not has_shape(found.payload):
                REFUSED.labels(FOREIGN.replace(" ", "_")).inc()
            elif found.source_id not in known:
                await self._recover(connection, found)

    async def _recover(self, connection: Connection, found: Transaction) -> None:
        ref = believed(self._signer, found.payload, found.charge)
        due = await self._journal.due(ref.delivery) if ref else None
        earlier = await _paid_before(connection, found) if found.period else ()
        event = recovered(found, ref, earlier)
        with handling(due) if due else nullcontext():
            stored = await connection.publisher.publish_once(event, over=event.once_over)
        if stored:
            RECOVERED.labels(event.kind).inc()
            log.warning(
                "found what Telegram had not told",
                kind=event.kind,
                id=event.source_id,
                correlation_id=due.correlationid if due else event.correlation,
            )


async def _kept(bucket: KeyValue, key: str) -> Place | None:
    try:
        return Place.of((await bucket.get(key)).value or b"")
    except KeyNotFoundError:
        return None


async def _known(connection: Connection, since: datetime) -> set[str]:
    """Return the `source_id` of all that the log has since then; it may have more by now."""
    known = set()
    # One after the other: an hour's events take 5 kB each, and their room stays with the process.
    async for entry in connection.reader.follow(PAID, since=since - _SKEW, stop_at_end=True):
        known |= {fact.source_id for fact in _conversions((entry,))}
    return known


async def _paid_before(connection: Connection, found: Transaction) -> list[ConversionRecorded]:
    return list(_conversions(await connection.reader.replay((paid_by(found.user_id),))))


def _conversions(entries: Iterable[Entry]) -> Iterator[ConversionRecorded]:
    facts = (entry.envelope.data for entry in entries)
    return (fact for fact in facts if isinstance(fact, ConversionRecorded))
