"""Says events of slots to the log, many on their way at once, and counts what the log took."""

import asyncio
from collections import Counter as Counted
from collections.abc import Iterable, Sequence
from datetime import datetime

from prometheus_client import Counter, Histogram

from chassis.clock import Clock
from chassis.log import Publisher
from chassis.logs import logger
from contracts.events import Due, SlotMissed
from contracts.subjects import due_of, slot_of

_AT_ONCE = 1024
_LATE_AT_ONCE = 64
"""What comes late leaves room for what is due now."""

_BREATH = 32
_OF_OUTAGES = {"catchup_window", "superseded", "skipped", "limit"}

SLOTS_SAID = Counter(
    "fingerpost_scheduler_slots_total",
    "Slots said by this replica (outcome due or the reason why not), or said before by another.",
    ["campaign", "outcome"],
)
LATENESS = Histogram(
    "fingerpost_scheduler_lateness_seconds",
    "Time from a slot's planned instant until the log acknowledged its due event.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5, 60, 600, 7200),
)

log = logger(__name__)


class Speaker:
    """Publishes events about slots; each is in the log when `say` returns."""

    def __init__(self, publisher: Publisher, clock: Clock) -> None:
        self._publisher = publisher
        self._clock = clock
        self._at_once = asyncio.Semaphore(_AT_ONCE)
        self._late_at_once = asyncio.Semaphore(_LATE_AT_ONCE)

    async def say(self, events: Iterable[Due | SlotMissed], *, late: bool) -> None:
        """Say the events of one slot, each once over all replicas; log what the log took."""
        places = self._late_at_once if late else self._at_once
        taken: list[Due | SlotMissed] = []
        async with asyncio.TaskGroup() as group:
            for number, event in enumerate(events):
                await places.acquire()
                group.create_task(self._publish(event, places, taken))
                if number % _BREATH == _BREATH - 1:
                    await asyncio.sleep(0)  # what was built is sent while the rest is built
        _report(taken)

    async def _publish(
        self, event: Due | SlotMissed, places: asyncio.Semaphore, taken: list[Due | SlotMissed]
    ) -> None:
        try:
            new = await self._publisher.publish_once(event, over=_scope(event))
        finally:
            places.release()
        SLOTS_SAID.labels(event.campaign, _outcome(event) if new else "said_before").inc()
        if new:
            taken.append(event)
            _observe(event, self._clock())


def _scope(event: Due | SlotMissed) -> str:
    # A slot that was missed may still be posted when an operator asks for it, once.
    backfilled = isinstance(event, Due) and event.trigger == "backfill"
    return due_of(event.delivery) if backfilled else slot_of(event.delivery)


def _outcome(event: Due | SlotMissed) -> str:
    return event.reason if isinstance(event, SlotMissed) else "due"


def _observe(event: Due | SlotMissed, now: datetime) -> None:
    if isinstance(event, Due):
        LATENESS.observe((now - event.planned_at).total_seconds())


def _report(taken: Sequence[Due | SlotMissed]) -> None:
    """Log one line for each outcome of a slot: with many channels, one for each is too much.

    Where a slot has one channel only, it is named.
    """
    for outcome, number in Counted(map(_outcome, taken)).items():
        event = next(event for event in taken if _outcome(event) == outcome)
        names = _names(event) if number == 1 else _slot(event)
        if isinstance(event, Due):
            log.info("slot due", **names, channels=number, trigger=event.trigger)
        else:
            say = log.warning if outcome in _OF_OUTAGES else log.info
            say("slot missed", **names, channels=number, reason=outcome)


def _names(event: Due | SlotMissed) -> dict[str, str]:
    return {"correlation_id": event.delivery, "channel": event.channel, **_slot(event)}


def _slot(event: Due | SlotMissed) -> dict[str, str]:
    return {"campaign": event.campaign, "scheduled_for": event.scheduled_for.isoformat()}
