"""Says each slot when its time has come, and what was missed and why.

Every replica does all of this: what another one said already is refused by the log, and counts as
done. So there is no leader, and losing a replica loses nothing. Each campaign goes its own way:
one with much to catch up on does not delay the others.
"""

import asyncio
import heapq
from collections import Counter as Counted
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

import nats.errors
from nats.js.errors import Error as JetStreamError
from prometheus_client import Counter, Histogram

from chassis.cancellation import heed_cancellation
from chassis.clock import Clock
from chassis.log import Publisher, Reader
from chassis.logs import logger
from contracts.events import Due, SlotMissed
from contracts.ids import CampaignId
from contracts.subjects import due_of, slot_of
from scheduler.catalogue import Catalogue
from scheduler.clock_watch import ClockWatch
from scheduler.domain.requests import answer
from scheduler.domain.slots import Cursor, events, settle
from scheduler.lanes import Lane, recover

_AT_ONCE = 1024
_LATE_AT_ONCE = 64
"""What comes late leaves room for what is due now."""

_LONGEST_SLEEP = timedelta(seconds=1)
"""The wall clock may jump while we sleep by the monotonic one."""

_PAUSE = 1.0
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


class Ticker:
    """Emits the events of all campaigns at their time, for ever."""

    def __init__(self, catalogue: Catalogue, clock: Clock, watch: ClockWatch) -> None:
        self._catalogue = catalogue
        self._clock = clock
        self._watch = watch
        self._lanes: dict[CampaignId, Lane] = {}
        self._agenda: list[tuple[datetime, CampaignId]] = []
        self._woken = asyncio.Event()
        self._at_once = asyncio.Semaphore(_AT_ONCE)
        self._late_at_once = asyncio.Semaphore(_LATE_AT_ONCE)

    async def run(self, reader: Reader, publisher: Publisher) -> None:
        """Tick by the campaigns of the catalogue, which is followed from now on."""
        for name in self._catalogue.campaigns:
            self._changed(name)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow(reader))
            group.create_task(self._tick(reader, publisher, group))

    async def _follow(self, reader: Reader) -> None:
        async for name in self._catalogue.follow(reader):
            self._changed(name)

    def _changed(self, name: CampaignId) -> None:
        state = self._catalogue.campaigns[name]
        lane = self._lanes.setdefault(name, Lane(state))
        lane.changed(state)
        self._plan(name, self._clock())
        self._woken.set()

    def _plan(self, name: CampaignId, at: datetime) -> None:
        self._lanes[name].planned_at = at
        heapq.heappush(self._agenda, (at, name))

    async def _tick(self, reader: Reader, publisher: Publisher, group: asyncio.TaskGroup) -> None:
        while True:
            heed_cancellation()
            delay = _LONGEST_SLEEP
            if not self._watch.hindrance():
                for name, lane in self._due_lanes():
                    group.create_task(self._settle(reader, publisher, name, lane))
                if self._agenda:
                    delay = min(delay, self._agenda[0][0] - self._clock())
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, delay.total_seconds())):
                    await self._woken.wait()
            self._woken.clear()

    def _due_lanes(self) -> Iterator[tuple[CampaignId, Lane]]:
        now = self._clock()
        while self._agenda and self._agenda[0][0] <= now:
            at, name = heapq.heappop(self._agenda)
            lane = self._lanes[name]
            if at == lane.planned_at and not lane.busy:
                lane.busy = True
                yield name, lane

    async def _settle(
        self, reader: Reader, publisher: Publisher, name: CampaignId, lane: Lane
    ) -> None:
        """Say all that the campaign has to say until now, and plan when to look again."""
        if lane.cursor is None:
            lane.cursor = await self._recovered(reader, lane)
        state, now = lane.state, self._clock()
        for verdict in settle(state, lane.passed(now), now):
            late = verdict.trigger != "schedule"
            await self._say(publisher, events(state, verdict), late=late)
            lane.cursor = verdict.batch.settled
        for request in lane.requests():
            await self._say(publisher, answer(state, request, now), late=True)
            lane.answered.add(request.id)
        lane.busy = False
        if lane.state is not state or lane.requests():
            self._plan(name, now)
        elif lane.next_at:
            self._plan(name, lane.next_at)
        self._woken.set()

    async def _recovered(self, reader: Reader, lane: Lane) -> Cursor | None:
        while True:
            heed_cancellation()
            try:
                async with self._late_at_once:
                    return await recover(reader, lane.state, self._clock())
            except (JetStreamError, nats.errors.Error, TimeoutError, OSError) as error:
                log.warning("asking the log failed; will repeat", problem=repr(error))
                await asyncio.sleep(_PAUSE)

    async def _say(
        self, publisher: Publisher, said: Iterable[Due | SlotMissed], *, late: bool
    ) -> None:
        """Say the events of one slot, all on their way at once, and log what the log took."""
        places = self._late_at_once if late else self._at_once
        taken: list[Due | SlotMissed] = []

        async def publish(event: Due | SlotMissed) -> None:
            try:
                if await publisher.publish_once(event, over=_scope(event)):
                    taken.append(event)
                    _count(event, self._clock())
                else:
                    SLOTS_SAID.labels(event.campaign, "said_before").inc()
            finally:
                places.release()

        async with asyncio.TaskGroup() as group:
            for number, event in enumerate(said):
                await places.acquire()
                group.create_task(publish(event))
                if number % _BREATH == 0:
                    await asyncio.sleep(0)  # what was built is sent while the rest is built
        _report(taken)


def _scope(event: Due | SlotMissed) -> str:
    # A slot that was missed may still be posted when an operator asks for it, once.
    backfilled = isinstance(event, Due) and event.trigger == "backfill"
    return due_of(event.delivery) if backfilled else slot_of(event.delivery)


def _outcome(event: Due | SlotMissed) -> str:
    return event.reason if isinstance(event, SlotMissed) else "due"


def _count(event: Due | SlotMissed, now: datetime) -> None:
    SLOTS_SAID.labels(event.campaign, _outcome(event)).inc()
    if isinstance(event, Due):
        LATENESS.observe((now - event.planned_at).total_seconds())
    log.debug("said", outcome=_outcome(event), **_names(event))


def _report(taken: Sequence[Due | SlotMissed]) -> None:
    """Log one line for a slot and each of its outcomes: with many channels, one each is too much.

    Where a slot has one channel only, it is named.
    """
    for outcome, number in Counted(map(_outcome, taken)).items():
        event = next(event for event in taken if _outcome(event) == outcome)
        names = _names(event) if number == 1 else _slot(event)
        level = "warning" if outcome in _OF_OUTAGES else "info"
        if isinstance(event, Due):
            log.info("slot due", **names, channels=number, trigger=event.trigger)
        else:
            getattr(log, level)("slot missed", **names, channels=number, reason=outcome)


def _names(event: Due | SlotMissed) -> dict[str, str]:
    return {"correlation_id": event.delivery, "channel": event.channel, **_slot(event)}


def _slot(event: Due | SlotMissed) -> dict[str, str]:
    return {"campaign": event.campaign, "scheduled_for": event.scheduled_for.isoformat()}
