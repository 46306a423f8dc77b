"""The ticker over a log in memory whose every answer takes time on the clock."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from chassis.log import Entry
from chassis.service import Connection
from contracts.campaign import Campaign
from contracts.envelope import Envelope
from contracts.events import CampaignDefined, Event, SlotMissed
from harness.plans import campaign
from scheduler.ticker import Ticker

BEGIN = datetime(2026, 3, 1, 3, 59, 59, 900_000, tzinfo=UTC)
SLOT = datetime(2026, 3, 1, 4, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class SlowLog:
    """Publisher and reader in one; an answer takes `cost` on the clock, and no time to wait."""

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

    async def replay(self, subjects: Sequence[str], *, after: int = 0, **_: Any) -> list[Entry]:
        entries = [Entry(number, said) for number, said in enumerate(self.said, start=1)]
        wanted = tuple(subject.split(".")[0] for subject in subjects)
        return [e for e in entries if e.sequence > after and e.envelope.subject.startswith(wanted)]

    async def follow(self, subjects: Sequence[str], *, after: int = 0) -> AsyncIterator[Entry]:
        await asyncio.Event().wait()
        yield Entry(0, self.said[0])


@asynccontextmanager
async def running(log: SlowLog, *plan: Campaign) -> AsyncIterator[None]:
    connection = cast("Connection", type("Fake", (), {"publisher": log, "reader": log})())
    task = asyncio.create_task(Ticker(plan, log.clock).run(connection))
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(3):
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
