"""The ticker over a log in memory whose every answer takes time on the clock."""

import asyncio
import weakref
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from nats.js.api import RawStreamMsg
from nats.js.errors import NotFoundError

from chassis.log import Entry
from chassis.service import Connection
from contracts.campaign import Campaign
from contracts.envelope import Envelope
from contracts.events import CampaignDefined, Event, GuideDue, SlotMissed
from contracts.examples import example
from contracts.subjects import CAMPAIGNS
from harness import waiting
from harness.plans import campaign
from scheduler.ticker import PlanPendingError, Ticker

BEGIN = datetime(2026, 3, 1, 3, 59, 59, tzinfo=UTC)
SLOT = datetime(2026, 3, 1, 4, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class SlowLog:
    """The whole connection in one; an answer takes `cost` on the clock, and no time to wait."""

    def __init__(self, cost: timedelta) -> None:
        self.said: list[Envelope] = []
        self.cost = cost
        self._lost = timedelta(0)
        self._begun = asyncio.get_running_loop().time()

    def clock(self) -> datetime:
        passed = timedelta(seconds=asyncio.get_running_loop().time() - self._begun)
        return BEGIN + passed + self._lost

    async def publish_once(self, event: Event, *, over: str = "", after: int = 0) -> bool:
        envelope = Envelope.of(event, source="/test", now=self.clock(), cause=None)
        if not isinstance(event, CampaignDefined):
            self._lost += self.cost
        if event.id in {known.id for known in self.said}:
            return False
        self.said.append(envelope)
        return True

    async def get_last_msg(self, _stream: str, subject: str) -> RawStreamMsg:
        name = subject.rpartition(".")[2]
        found = [e.sequence for e in self._entries((CAMPAIGNS,)) if e.envelope.data.key == name]
        if not found:
            raise NotFoundError
        return RawStreamMsg(seq=found[-1])

    async def replay(self, subjects: Sequence[str], *, after: int = 0) -> list[Entry]:
        return [entry for entry in self._entries(subjects) if entry.sequence > after]

    async def follow(
        self, subjects: Sequence[str], *, stop_at_end: bool = False, **_: object
    ) -> AsyncIterator[Entry]:
        if stop_at_end:
            for entry in self._entries(subjects):
                yield entry
        else:
            await asyncio.Event().wait()

    def _entries(self, subjects: Sequence[str]) -> list[Entry]:
        entries = [Entry(number, said) for number, said in enumerate(self.said, start=1)]
        wanted = tuple(subject.split(".")[0] for subject in subjects)
        return [entry for entry in entries if entry.envelope.subject.startswith(wanted)]


class LongLog(SlowLog):
    """A log with many slots, which it makes as they are read; knows how many were held at once."""

    most_held = 0

    async def follow(
        self, subjects: Sequence[str], *, stop_at_end: bool = False, **_: object
    ) -> AsyncIterator[Entry]:
        if not stop_at_end:
            await asyncio.Event().wait()
        held: list[weakref.ref[Entry]] = []
        due = Envelope.of(example(GuideDue), source="/test", now=BEGIN, cause=None)
        for number in range(1, 101):
            entry = Entry(number, due)
            held = [ref for ref in held if ref()] + [weakref.ref(entry)]
            self.most_held = max(self.most_held, len(held))
            yield entry

    async def replay(self, subjects: Sequence[str], **options: Any) -> list[Entry]:
        if subjects == (CAMPAIGNS,):
            return await super().replay(subjects, **options)
        entries = []
        async for entry in self.follow(subjects, stop_at_end=True):
            entries.append(entry)
        return entries


class RefusingLog(SlowLog):
    """A log that takes no campaign."""

    def __init__(self, cost: timedelta) -> None:
        super().__init__(cost)
        self.refused: list[Event] = []

    async def publish_once(self, event: Event, *, over: str = "", after: int = 0) -> bool:
        self.refused.append(event)
        await asyncio.sleep(0.001)
        return False


@asynccontextmanager
async def running(log: SlowLog, *plan: Campaign) -> AsyncIterator[None]:
    async with running_ticker(log, Ticker(plan, log.clock)):
        yield


@asynccontextmanager
async def running_ticker(log: SlowLog, ticker: Ticker) -> AsyncIterator[None]:
    parts = {"js": log, "publisher": log, "reader": log}
    task = asyncio.create_task(ticker.run(cast("Connection", type("Fake", (), parts)())))
    yield
    assert not task.done(), task.exception()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_slot_that_comes_while_others_are_being_said_is_said_at_once() -> None:
    log = SlowLog(cost=timedelta(seconds=1))
    first = campaign("first", every=MINUTE)
    second = campaign("second", every=MINUTE, phase=timedelta(seconds=2))

    async with running(log, first, second):
        await until(lambda: len(log.said) >= 6)

    said = [(e.data.campaign, e.data.scheduled_for - SLOT) for e in log.said[2:6]]
    assert said == [("first", timedelta(0))] * 2 + [("second", timedelta(seconds=2))] * 2
    assert not [e for e in log.said if isinstance(e.data, SlotMissed)]


async def test_the_plan_is_said_before_any_slot_and_only_once() -> None:
    log = SlowLog(cost=timedelta(0))
    plan = campaign("first", every=MINUTE)

    async with running(log, plan):
        await until(lambda: len(log.said) == 3)
    async with running(log, plan):
        await asyncio.sleep(0.05)

    assert [type(e.data).__name__ for e in log.said] == ["CampaignDefined", "GuideDue", "GuideDue"]


async def test_the_slots_of_seven_days_are_folded_one_by_one() -> None:
    log = LongLog(cost=timedelta(0))

    async with running(log, campaign("first", every=MINUTE)):
        await until(lambda: len(log.said) >= 1)

    assert 1 <= log.most_held <= 2


async def test_it_is_not_ready_before_the_plan_is_in_the_log() -> None:
    log = SlowLog(cost=timedelta(0))
    ticker = Ticker([campaign("first", every=MINUTE)], log.clock)

    with pytest.raises(PlanPendingError, match="the log is not folded yet"):
        await ticker.plan_applied()
    async with running_ticker(log, ticker):
        await waiting.until(lambda: problem(ticker), lambda said: said == "")

    assert len(log.said) >= 1


async def test_a_refusal_that_nothing_explains_is_told_and_tried_again_without_haste() -> None:
    log = RefusingLog(cost=timedelta(0))
    ticker = Ticker([campaign("first", every=MINUTE)], log.clock)

    async with running_ticker(log, ticker):
        await waiting.until(lambda: problem(ticker), lambda said: "the plan of first" in said)
        await asyncio.sleep(0.5)

    assert len(log.refused) == 1


async def problem(ticker: Ticker) -> str:
    """Return what readiness says about the plan, nothing where it is applied."""
    try:
        await ticker.plan_applied()
    except PlanPendingError as error:
        return str(error)
    return ""
