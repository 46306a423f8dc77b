"""Clicks and NATS are killed while people tap: each tap counts once, none is lost.

The sandbox keeps what was not taken and delivers it again, as Telegram does. `FINGERPOST_TEST_SEED`
repeats a run; it is printed.
"""

import asyncio
import os
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field

import httpx
import pytest

from contracts.events import CtaClicked, GuideDue, PromoDue
from contracts.examples import example
from harness.logs import open_log
from harness.waiting import until
from stack.nats_server import NatsServer
from stack.ports import free_port
from stack.process import Process

PEOPLE = 64
FIRST_PERSON = 9_100_001
DEAD_SECONDS = (0.1, 1.0)
PROGRESS_SECONDS = 300
CATCH_UP_SECONDS = 60
ANSWER_SECONDS = 12
"""A person waits so long before the next tap, lest more wait than Telegram keeps for 150 s."""
TARGETS = ("clicks", "nats", "both")


@dataclass
class Tappers:
    """People who tap one button as long as taps are left, each again when it was answered."""

    stage: object
    left: int
    answered: list[str] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)

    async def reach(self, taps: int) -> None:
        """Return when so many were answered, or waited for long enough."""

        async def over() -> int:
            return len(self.answered) + len(self.unanswered)

        await until(over, lambda number: number >= taps, seconds=PROGRESS_SECONDS)

    async def run(self, message: int) -> None:
        people = range(FIRST_PERSON, FIRST_PERSON + PEOPLE)
        for person in people:
            await self.stage.sandbox.put_person(person, "Ann")
        await asyncio.gather(*(self._tap(person, message) for person in people))

    async def _tap(self, person: int, message: int) -> None:
        sandbox, channel = self.stage.sandbox, self.stage.channel
        while self.left > 0:
            self.left -= 1
            tap = await sandbox.tap(
                person, channel, message, row=1, wait=ANSWER_SECONDS, follow=False
            )
            (self.answered if tap.answered else self.unanswered).append(tap.callback_query_id)


@dataclass
class Killer:
    """Kills one of the victims, or all of them at once, and starts them again."""

    dice: random.Random
    clicks: Process
    nats: NatsServer
    tappers: Tappers
    kills: Counter[str] = field(default_factory=Counter)

    async def run(self, times: int) -> None:
        """Kill so often in the course of all taps, and leave everything running.

        Each kill waits for its share of the taps: it hits what works, on however slow a machine.
        """
        share, waiting = self.tappers.left // (times + 1), list[str]()
        for number in range(times):
            await self.tappers.reach(int(share * (number + self.dice.uniform(0.5, 1.5))))
            waiting = waiting or self.dice.sample(TARGETS, len(TARGETS))
            await self._kill(waiting.pop())

    async def _kill(self, target: str) -> None:
        self.kills[target] += 1
        if target != "nats":
            await self.clicks.kill()
        if target != "clicks":
            await self.nats.process.kill()
        await asyncio.sleep(self.dice.uniform(*DEAD_SECONDS))
        if target != "clicks":
            await self.nats.start()
        if target != "nats":
            self.clicks.start()


@pytest.mark.timeout(1800)  # minutes, where others load the machine
@pytest.mark.parametrize(("mode", "taps", "kills"), [("webhook", 5_000, 6), ("polling", 1_000, 3)])
async def test_every_tap_is_in_the_log_exactly_once_whoever_is_killed(
    mode, taps, kills, stage, own_nats, process
):
    seed = int(os.environ.get("FINGERPOST_TEST_SEED", time.time_ns() % 10_000))
    sys.stderr.write(f"FINGERPOST_TEST_SEED={seed}\n")
    port = free_port()
    environment = (
        stage.webhook_environment(own_nats.url, port)
        if mode == "webhook"
        else stage.environment(own_nats.url)
    )
    settings = {"FINGERPOST_TAPS_PER_MINUTE": "100000", "FINGERPOST_LOG_LEVEL": "info"}
    clicks = process({**environment, **settings}, port)
    async with open_log(own_nats.url) as log:
        await log.say(example(GuideDue), example(PromoDue))
        clicks.start()
        await clicks.answers(f"http://127.0.0.1:{port}/readyz", 60)
        tappers = Tappers(stage, taps)
        killer = Killer(random.Random(seed), clicks, own_nats, tappers)
        message = await stage.post_promo()

        await asyncio.gather(killer.run(kills), tappers.run(message))
        await until(lambda: waiting(stage), lambda left: left == 0, seconds=CATCH_UP_SECONDS)
        expired = (await stage.sandbox.updates(stage.bot_id))["expired_count"]
        recorded = Counter(click.source_id for click in await log.events(CtaClicked))
        await clicks.stop()

    tapped = {*tappers.answered, *tappers.unanswered}
    lost, more_than_once = tapped - recorded.keys(), {i for i, n in recorded.items() if n > 1}
    sys.stderr.write(
        f"{mode}: {len(tappers.answered)} of {taps} taps answered in time,"
        f" killed: {dict(killer.kills)}\n"
    )
    assert len(tapped) == taps
    assert expired == 0, "taps waited for 150 s, and Telegram forgot them: the machine is too slow"
    assert (lost, more_than_once, recorded.keys() - tapped) == (set(), set(), set())
    assert set(killer.kills) == set(TARGETS)


@pytest.mark.timeout(300)  # two processes that import all anew
async def test_a_stand_by_says_so_and_takes_over_from_a_killed_poller(
    stage, dues, nats_url, tmp_path
):
    ports = {"one": free_port(), "two": free_port()}
    replicas = {
        name: Process(
            name,
            [sys.executable, "-m", "clicks"],
            log=tmp_path / f"{name}.log",
            environment={
                **os.environ,
                **stage.environment(nats_url),
                "FINGERPOST_INSTANCE": name,
                "FINGERPOST_HTTP_PORT": str(port),
            },
        )
        for name, port in ports.items()
    }
    message = await stage.post_promo()
    await stage.sandbox.set_limits(callback_window=60)  # who takes over may answer all the same
    try:
        replicas["one"].start()
        await until(lambda: standing(ports["one"]), lambda said: said == "active", seconds=60)
        replicas["two"].start()
        await until(
            lambda: standing(ports["two"]),
            lambda said: said == "standing by: one is active",
            seconds=60,
        )
        await stage.sandbox.tap(stage.person, stage.channel, message, row=1, follow=False)

        await replicas["one"].kill()
        begun = time.monotonic()
        tapping = asyncio.create_task(
            stage.sandbox.tap(stage.person, stage.channel, message, wait=28, follow=False)
        )
        await until(lambda: standing(ports["two"]), lambda said: said == "active", seconds=28)
        seconds = time.monotonic() - begun

        assert (await tapping).answered
        assert seconds < 25, seconds  # 10 s on a machine at rest
        assert [click.cta for click in await dues.events(CtaClicked)] == [1, 0]
        assert "terminated by other getUpdates" not in replicas["two"].tail(1_000)
    finally:
        await stage.sandbox.set_limits(callback_window=15)
        for replica in replicas.values():
            await replica.kill()


async def waiting(stage) -> int:
    return (await stage.sandbox.updates(stage.bot_id))["pending_count"]


async def standing(port: int) -> str:
    """Return what a ready replica says of its part in polling, else why it is not ready."""
    async with httpx.AsyncClient() as client:
        try:
            answer = await client.get(f"http://127.0.0.1:{port}/readyz")
        except httpx.TransportError as error:
            return repr(error)
    checks = answer.json()["checks"]
    return checks["poller"] if answer.status_code == 200 else str(checks)
