"""Looks at the clock, and has each slot said when its time has come, or why it was missed.

Every replica does all of this: what another one said already is refused by the log, and counts as
done. So there is no leader, and losing a replica loses nothing. Each campaign goes its own way:
one with much to catch up on does not delay the others.
"""

import asyncio
import heapq
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta

import nats.errors
from nats.js.errors import Error as JetStreamError

from chassis.cancellation import heed_cancellation
from chassis.clock import Clock
from chassis.log import Publisher, Reader
from chassis.logs import logger
from contracts.ids import CampaignId
from scheduler.catalogue import Catalogue
from scheduler.clock_watch import ClockWatch
from scheduler.domain.requests import answer
from scheduler.domain.slots import events, settle
from scheduler.lanes import Lane, recover
from scheduler.speaker import Speaker

_LONGEST_SLEEP = timedelta(seconds=1)
"""The wall clock may jump while we sleep by the monotonic one."""

_STALE = timedelta(seconds=1)
"""How long a verdict about what is due stands."""

_RECOVER_AT_ONCE = 64
_PAUSE = 1.0

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
        self._recover_at_once = asyncio.Semaphore(_RECOVER_AT_ONCE)

    async def run(self, reader: Reader, publisher: Publisher) -> None:
        """Tick by the campaigns of the catalogue, which is followed from now on."""
        for name in self._catalogue.campaigns:
            self._changed(name)
        self._catalogue.tell(self._changed)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._catalogue.follow(reader))
            group.create_task(self._tick(reader, Speaker(publisher, self._clock), group))

    def _changed(self, name: CampaignId) -> None:
        state = self._catalogue.campaigns[name]
        lane = self._lanes.setdefault(name, Lane(state))
        lane.changed(state)
        self._plan(name, self._clock())
        self._woken.set()

    def _plan(self, name: CampaignId, at: datetime) -> None:
        self._lanes[name].planned_at = at
        heapq.heappush(self._agenda, (at, name))

    async def _tick(self, reader: Reader, speaker: Speaker, group: asyncio.TaskGroup) -> None:
        while True:
            heed_cancellation()
            delay = _LONGEST_SLEEP
            if not self._watch.hindrance():
                for name, lane in self._due_lanes():
                    group.create_task(self._settle(reader, speaker, group, name, lane))
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
        self,
        reader: Reader,
        speaker: Speaker,
        group: asyncio.TaskGroup,
        name: CampaignId,
        lane: Lane,
    ) -> None:
        """Say all that the campaign has to say until now, and plan when to look again."""
        if not lane.recovered:
            lane.recover(await self._recovered(reader, lane))
        # Each time anew: the clock may have jumped while the log kept us waiting.
        while not (held := self._watch.hindrance()):
            state = lane.state
            if await self._say_passed(speaker, group, lane):
                break
        for request in () if held else lane.requests():
            said = answer(state, request, self._clock())
            group.create_task(speaker.say(said, late=True))
        lane.busy = False
        if held or lane.state is not state:
            self._plan(name, self._clock())
        elif lane.next_at:
            self._plan(name, lane.next_at)
        self._woken.set()

    async def _say_passed(self, speaker: Speaker, group: asyncio.TaskGroup, lane: Lane) -> bool:
        """Say what is due; False where what is left has to be judged again."""
        state, now = lane.state, self._clock()
        for verdict in settle(state, lane.passed(now), now):
            # A slot is begun when all before it are in the log: so a start finds where to go on.
            if verdict.batch.slot.at != lane.slot_at:
                await lane.silence()
                if lane.state is not state or abs(self._clock() - now) > _STALE:
                    lane.changed(lane.state)
                    return False
            late = verdict.trigger != "schedule"
            said = group.create_task(speaker.say(events(state, verdict), late=late))
            lane.saying(verdict.batch, said)
        return True

    async def _recovered(self, reader: Reader, lane: Lane) -> datetime | None:
        while True:
            heed_cancellation()
            try:
                async with self._recover_at_once:
                    return await recover(reader, lane.state, self._clock())
            except (JetStreamError, nats.errors.Error, TimeoutError, OSError) as error:
                log.warning("asking the log failed; will repeat", problem=repr(error))
                await asyncio.sleep(_PAUSE)
