"""The ticker over a log in memory whose every answer takes time."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from chassis.log import Entry, Publisher, Reader
from chassis.log_clock import LogClock
from contracts.campaign import Campaign
from contracts.envelope import Envelope
from contracts.events import CampaignDefined, Due, Event, SlotMissed
from contracts.ids import delivery_id
from harness.plans import campaign
from harness.stories import defined
from scheduler.catalogue import Catalogue
from scheduler.clock_watch import ClockNotBelievedError, ClockWatch
from scheduler.domain.campaigns import CampaignState
from scheduler.domain.slots import horizon
from scheduler.domain.timetable import INSTANT
from scheduler.lanes import recover
from scheduler.ticker import Ticker

BEGIN = datetime(2026, 3, 1, 3, 59, 59, 900_000, tzinfo=UTC)
SLOT = datetime(2026, 3, 1, 4, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


class MemoryLog:
    """Publisher, reader and clock in one; an answer takes `answer_seconds`, and may be lost."""

    def __init__(self, begin: datetime = BEGIN, *, answer_seconds: float = 0.0) -> None:
        self.said: list[Envelope] = []
        self.taken_at: dict[str, datetime] = {}
        self.asked = 0
        self.moved = timedelta(0)
        self._answer_seconds = answer_seconds
        self._begin = begin
        self._begun = asyncio.get_running_loop().time()

    def clock(self) -> datetime:
        return self.now() + self.moved

    def jump(self, by: timedelta) -> None:
        """Let the log's clock, and with it this machine's, go on by so much."""
        self._begin += by

    def now(self) -> datetime:
        return self._begin + timedelta(seconds=asyncio.get_running_loop().time() - self._begun)

    async def time(self) -> datetime:
        return self.now()

    def define(self, at: datetime, *plans: Campaign) -> None:
        for plan in plans:
            self.said.append(Envelope.of(defined(plan), source="/test", now=at, cause=None))

    async def publish_once(self, event: Event, *, over: str = "", after: int = 0) -> int:
        envelope = Envelope.of(event, source="/test", now=self.clock(), cause=None)
        await asyncio.sleep(self._answer_seconds)
        if event.id in {known.id for known in self.said}:
            return 0
        self.said.append(envelope)
        self.taken_at[envelope.id] = self.now()
        return len(self.said)

    async def replay(self, subjects: object, *, after: int = 0) -> list[Entry]:
        return [
            Entry(number, said, said.time)
            for number, said in enumerate(self.said, start=1)
            if number > after and isinstance(said.data, CampaignDefined)
        ]

    async def follow(self, subjects: object, *, after: int = 0) -> AsyncIterator[Entry]:
        await asyncio.Event().wait()
        yield Entry(0, self.said[0], BEGIN)

    async def last(self, subject: str) -> Entry | None:
        self.asked += 1
        wanted = subject.split(".")
        for number, said in enumerate(self.said, start=1):
            found = said.subject.split(".")
            if all(token in ("*", other) for token, other in zip(wanted, found, strict=False)):
                return Entry(number, said, said.time)
        return None

    def taken(self) -> list[tuple[Envelope, datetime]]:
        return [(e, self.taken_at[e.id]) for e in self.said if e.id in self.taken_at]

    def slots(self, campaign: str) -> list[Envelope]:
        return [
            e
            for e in self.said
            if isinstance(e.data, Due | SlotMissed) and e.data.campaign == campaign
        ]


@asynccontextmanager
async def ticking(
    log: MemoryLog,
    catalogue: Catalogue | None = None,
    *,
    compared: bool = False,
) -> AsyncIterator[ClockWatch]:
    """Run a ticker; `compared`: its clock goes on being compared with the log's."""
    catalogue = catalogue or Catalogue()
    await catalogue.catch_up(cast("Reader", log))
    clock = LogClock(log.clock, asyncio.get_running_loop().time)
    await clock.begin(cast("Reader", log))
    watch = ClockWatch(clock)
    ticker = Ticker(catalogue, clock, watch)
    task = asyncio.create_task(ticker.run(cast("Reader", log), cast("Publisher", log)))
    comparing = [asyncio.create_task(clock.run(cast("Reader", log)))] if compared else []
    yield watch
    assert not task.done(), task.exception()
    for running in (task, *comparing):
        running.cancel()
    await asyncio.gather(task, *comparing, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(15):
        while not condition():
            await asyncio.sleep(0.005)


async def test_a_slot_that_comes_while_others_are_being_said_is_said_at_once() -> None:
    log = MemoryLog(answer_seconds=0.5)
    later = timedelta(milliseconds=200)
    log.define(
        BEGIN - MINUTE,
        campaign("first", every=HOUR),
        campaign("second", every=HOUR, phase=later),
    )

    async with ticking(log):
        await until(lambda: len(log.slots("second")) == 2)

    assert len(log.slots("first")) == 2
    assert all(e.time - SLOT - later < timedelta(seconds=0.2) for e in log.slots("second"))


async def test_a_campaign_with_much_to_catch_up_on_does_not_delay_another() -> None:
    log = MemoryLog(answer_seconds=0.02)
    log.define(BEGIN - HOUR * 24, campaign("behind", every=MINUTE))
    log.define(BEGIN - MINUTE, campaign("prompt", every=HOUR))

    async with ticking(log):
        await until(lambda: len(log.slots("prompt")) == 2)

    assert all(e.time - SLOT < timedelta(seconds=0.2) for e in log.slots("prompt"))
    assert len(log.slots("behind")) < 1000


async def test_a_change_reaches_the_ticker_whoever_reads_it_first() -> None:
    log = MemoryLog()
    log.define(BEGIN - MINUTE, campaign("first", every=HOUR))
    catalogue = Catalogue()

    async with ticking(log, catalogue=catalogue):
        log.define(BEGIN - MINUTE, campaign("second", every=HOUR))
        await catalogue.catch_up(cast("Reader", log))  # as the planner does
        await until(lambda: len(log.slots("second")) == 2)

    assert len(log.slots("first")) == 2


async def test_a_slot_that_an_outage_held_up_is_judged_by_when_it_is_said() -> None:
    log = MemoryLog(answer_seconds=3)
    plan = campaign("first", every=timedelta(seconds=1), catch_up={"policy": "skip"})
    log.define(BEGIN - MINUTE / 60, plan)

    async with ticking(log):
        await until(lambda: len(log.slots("first")) >= 6)

    late = [e for e in log.slots("first") if isinstance(e.data, Due)]
    assert all(e.time - e.data.scheduled_for < timedelta(seconds=1) for e in late)  # type: ignore[union-attr]


async def test_while_the_clock_is_not_believed_nothing_is_said() -> None:
    log = MemoryLog(BEGIN - HOUR)
    log.define(BEGIN - HOUR * 2, campaign("first", every=HOUR))

    async with ticking(log) as watch:
        await until(lambda: len(log.slots("first")) == 2)
        log.moved = HOUR  # the wall clock alone goes on by an hour
        await asyncio.sleep(1.3)
        with pytest.raises(ClockNotBelievedError, match=r"jumped by \+3600\.\d s"):
            await watch.check()

        assert len(log.slots("first")) == 2


async def test_a_clock_that_jumped_and_is_set_right_is_believed_once_the_log_was_asked() -> None:
    log = MemoryLog()
    log.define(BEGIN, campaign("first", every=timedelta(seconds=1)))

    async with ticking(log, compared=True) as watch:
        await until(lambda: len(log.slots("first")) >= 2)
        log.moved = HOUR
        await until(lambda: watch.hindrance() is not None)
        log.moved = timedelta(0)
        said = len(log.slots("first"))
        await until(lambda: len(log.slots("first")) >= said + 2)


async def test_where_the_log_s_time_jumped_with_the_clock_nothing_is_said_for_a_minute() -> None:
    """On one machine they are the same clock, and agree at once."""
    log = MemoryLog()
    log.define(BEGIN, campaign("first", every=timedelta(seconds=1)))

    async with ticking(log, compared=True) as watch:
        await until(lambda: len(log.slots("first")) >= 2)
        log.jump(HOUR)
        await until(lambda: "the log's time jumped by +3600" in (watch.hindrance() or ""))
        said = len(log.slots("first"))
        await asyncio.sleep(1.5)
        with pytest.raises(ClockNotBelievedError, match=r"back, or at \d\d:\d\d:\d\d UTC"):
            await watch.check()
        assert len(log.slots("first")) == said

        log.jump(-HOUR)
        await until(lambda: len(log.slots("first")) >= said + 2)


async def test_a_clock_that_jumps_while_the_log_keeps_us_waiting_is_believed_no_more() -> None:
    log = MemoryLog(answer_seconds=1.2)
    log.define(BEGIN - MINUTE / 60, campaign("first", every=timedelta(seconds=1)))

    async with ticking(log) as watch:
        await until(lambda: len(log.slots("first")) >= 2)
        log.moved = HOUR
        await asyncio.sleep(3)
        said = len(log.slots("first"))
        await asyncio.sleep(2)
        with pytest.raises(ClockNotBelievedError):
            await watch.check()

    assert len(log.slots("first")) == said


@pytest.mark.parametrize("by", [9.5, -9.5, 59.0, 1.2])
async def test_slots_are_said_by_the_logs_time_when_the_clock_is_off_by_less(by: float) -> None:
    log = MemoryLog()
    log.define(BEGIN, campaign("first", every=timedelta(seconds=1)))

    async with ticking(log):
        await until(lambda: len(log.slots("first")) >= 2)
        log.moved = timedelta(seconds=by)
        jumped = len(log.slots("first"))
        await until(lambda: len(log.slots("first")) >= jumped + 4)

    said = [(e.data, taken) for e, taken in log.taken() if isinstance(e.data, Due)]
    assert len(said) == len(log.slots("first"))
    assert min(taken - due.scheduled_for for due, taken in said) >= timedelta(0)


@pytest.mark.parametrize("seed", range(20))
async def test_a_start_finds_the_newest_slot_in_the_log_with_few_questions(seed: int) -> None:
    chance = random.Random(seed)
    log = MemoryLog()
    plan = campaign("first", every=MINUTE, channels=("-1001",))
    log.define(BEGIN - HOUR * 12, plan)
    state = await folded(log)
    known = chance.randint(0, 719)
    for number in range(known):
        at = BEGIN.replace(second=0, microsecond=0) - HOUR * 12 + MINUTE * (number + 1)
        await log.publish_once(slot(plan, at, number))

    fired = await recover(cast("Reader", log), state, BEGIN)

    if known == 0:
        assert fired is None
        assert horizon(state, BEGIN) < BEGIN - HOUR * 11
    else:
        assert fired == at - INSTANT
    assert log.asked <= 2 * 13


async def folded(log: MemoryLog) -> CampaignState:
    catalogue = Catalogue()
    await catalogue.catch_up(cast("Reader", log))
    return catalogue.campaigns["first"]


def slot(plan: Campaign, at: datetime, ordinal: int) -> Event:
    return SlotMissed(
        delivery=delivery_id(plan.id, plan.channels[0], at),
        campaign=plan.id,
        revision=1,
        channel=plan.channels[0],
        scheduled_for=at,
        ordinal=ordinal,
        kind="guide",
        reason="skipped",
    )
