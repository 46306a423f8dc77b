"""Says events of slots to the log, many on their way at once, and counts what the log took."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import get_args

from prometheus_client import Counter, Histogram

from chassis.clock import Clock
from chassis.log import Publisher
from chassis.logs import logger
from contracts.events import Due, SlotMissed
from contracts.events.slot import MissedReason
from contracts.subjects import due_of, slot_of

_AT_ONCE = 1024
_LATE_AT_ONCE = 64
"""What comes late leaves room for what is due now."""

_BREATH = 32
_NAMED_AT_ONCE = 100
_OF_OUTAGES = {"catchup_window", "superseded", "skipped", "limit"}

SLOTS_SAID = Counter(
    "fingerpost_scheduler_slots_total",
    "Slots said by this replica (outcome due or the reason why not), or said before by another.",
    ["campaign", "kind", "outcome"],
)
EMITTED = Counter(
    "fingerpost_scheduler_emitted_total",
    "Due events that this replica brought into the log, by what they were emitted for.",
    ["kind", "trigger"],
)
emitted = cache(EMITTED.labels)
"""The counter of a kind and a trigger: finding it anew each time costs more than counting."""
MISSED = Counter(
    "fingerpost_scheduler_missed_total",
    "Slots that this replica said were missed, a channel each, by why.",
    ["reason"],
)
for reason in get_args(MissedReason):
    MISSED.labels(reason)  # there from the start: of a series that begins at 1 no rise is seen
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
        outcome = _outcome(event) if new else "said_before"
        SLOTS_SAID.labels(event.campaign, event.kind, outcome).inc()
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
    if isinstance(event, SlotMissed):
        MISSED.labels(event.reason).inc()
        return
    emitted(event.kind, event.trigger).inc()
    LATENESS.observe((now - event.planned_at).total_seconds())


def _report(taken: Sequence[Due | SlotMissed]) -> None:
    """Log one line for each outcome of a slot: with many channels, one for each is too much.

    Every delivery is named all the same, so that whoever looks for one finds its line.
    """
    by_outcome: dict[str, list[Due | SlotMissed]] = {}
    for event in taken:
        by_outcome.setdefault(_outcome(event), []).append(event)
    for outcome, events in by_outcome.items():
        for first in range(0, len(events), _NAMED_AT_ONCE):
            _report_alike(outcome, events[first : first + _NAMED_AT_ONCE])


def _report_alike(outcome: str, events: Sequence[Due | SlotMissed]) -> None:
    event = events[0]
    names = {**_names(events), "channels": len(events)}
    if isinstance(event, Due):
        log.info("slot due", **names, trigger=event.trigger)
    else:
        say = log.warning if outcome in _OF_OUTAGES else log.info
        say("slot missed", **names, reason=outcome)


def _names(events: Sequence[Due | SlotMissed]) -> dict[str, object]:
    event = events[0]
    slot = {"campaign": event.campaign, "scheduled_for": event.scheduled_for.isoformat()}
    if len(events) == 1:
        return {"correlation_id": event.delivery, "channel": event.channel, **slot}
    return {"correlation_ids": [event.delivery for event in events], **slot}
