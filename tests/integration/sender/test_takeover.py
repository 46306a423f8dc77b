"""Two senders for one bot, at a sandbox with Telegram's flood limits: one of them is active."""

import asyncio
import itertools
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio

from contracts.events import MessageClaimed, MessageSent, MessageUncertain
from harness.logs import Log
from harness.sandboxes import Stage, open_sandbox
from harness.senders import Sender, open_channels, posts, promos, sends
from harness.waiting import until
from sender.lane import WORKERS

CHANNELS, EACH = 60, 14
SETTINGS = {"FINGERPOST_SEND_TIMEOUT": "6s", "FINGERPOST_QUARANTINE": "9s"}
FREE_PER_SECOND = 30
A_SECOND = 0.95
A_FEW = 60
"""Refused where a machine that stood still for seconds has many sends arrive at once."""
REPLACED = 15
"""Within ten seconds a killed sender is replaced, in 8 as measured; and a machine may be slow."""
pytestmark = pytest.mark.timeout(400)


@dataclass(frozen=True)
class Pair:
    active: Sender
    standby: Sender
    stage: Stage
    log: Log
    channels: list[int]

    async def count(self) -> int:
        return len(await sends(self.stage))

    async def reached(self, count: int) -> int:
        return await until(self.count, lambda seen: seen >= count, seconds=120)

    async def told(self) -> int:
        """Return of how many deliveries the log says how they ended."""
        ended = await self.log.reader.replay(
            (f"{MessageSent.fact()}.>", f"{MessageUncertain.fact()}.>")
        )
        return len({entry.envelope.correlationid for entry in ended})

    async def all_told(self, uncertain: int) -> None:
        """Wait until the log says of each how it ended: at most so many are uncertain."""
        await self.reached(CHANNELS * EACH - uncertain)
        await until(self.told, lambda told: told == CHANNELS * EACH, seconds=60)

    async def all_posted_once_within_the_limits(self, uncertain: int = 0) -> None:
        unknown = {event.delivery for event in await self.log.events(MessageUncertain)}
        found = await posts(self.stage, self.channels)
        assert max(found.values()) == 1
        assert len(unknown) <= uncertain
        assert CHANNELS * EACH - len(unknown) <= len(found) <= CHANNELS * EACH
        # By when they were claimed: when they arrive is also the machine's business.
        claims = await self.log.events(MessageClaimed)
        times = sorted(claim.claimed_at.timestamp() for claim in claims)
        assert shortest(times, FREE_PER_SECOND) > A_SECOND
        for channel in self.channels:
            mine = (claim for claim in claims if claim.channel == str(channel))
            assert shortest(sorted(claim.claimed_at.timestamp() for claim in mine), 1) > A_SECOND
        refused = [status for _, status in await sends(self.stage) if status != 200]
        assert len(refused) < A_FEW

    async def longest_gap(self) -> float:
        times = sorted(at for at, _ in await sends(self.stage))
        return max(after - before for before, after in itertools.pairwise(times))


def shortest(times: list[float], steps: int) -> float:
    """Return the shortest time from one of `times` to the one so many steps later."""
    return min(last - first for first, last in zip(times, times[steps:], strict=False))


async def first_active(senders: list[Sender]) -> Sender | None:
    for sender in senders:
        if await sender.active():
            return sender
    return None


@pytest_asyncio.fixture
async def pair(nats_url: str, log: Log, tmp_path: Path) -> AsyncIterator[Pair]:
    async with AsyncExitStack() as stack:
        stage = await stack.enter_async_context(open_sandbox(tmp_path))
        channels = await open_channels(stage, CHANNELS)
        senders = [Sender(tmp_path, f"s{n}", nats_url, stage.api, SETTINGS) for n in range(2)]
        for sender in senders:
            await stack.enter_async_context(sender)
        for sender in senders:
            await sender.ready()
        first = await until(partial(first_active, senders), bool, seconds=60)
        (second,) = (sender for sender in senders if sender is not first)
        await until(second.standing, lambda said: "is active" in said[1])
        batch = promos(channels, EACH)
        await asyncio.gather(*(log.publisher.publish_once(due) for due in batch))
        yield Pair(first, second, stage, log, channels)


async def test_a_standby_is_ready_and_says_so(pair: Pair) -> None:
    name = pair.active.name

    await until(pair.active.standing, lambda said: said == (200, "active"))
    told = (200, f"standing by: {name} is active")
    await until(pair.standby.standing, lambda said: said == told)
    assert not await pair.standby.active()


async def test_killed_it_is_replaced_within_ten_seconds_and_within_the_limits(pair: Pair) -> None:
    await pair.reached(120)

    await pair.active.process.kill()
    # What was claimed and not recorded waits for its quarantine, and is then uncertain.
    await pair.all_told(uncertain=WORKERS)
    await asyncio.sleep(3)

    assert await pair.standby.active()
    assert await pair.longest_gap() < REPLACED
    await pair.all_posted_once_within_the_limits(uncertain=WORKERS)


async def test_stopped_cleanly_it_is_replaced_at_once(pair: Pair) -> None:
    await pair.reached(120)

    pair.active.process.send(signal.SIGTERM)
    await pair.all_told(uncertain=0)
    await pair.active.process.ended(60)

    assert pair.active.process.exit_status == 0
    assert await pair.longest_gap() < 5  # a lease that is not given back lasts longer
    await pair.all_posted_once_within_the_limits()


async def test_frozen_and_back_it_posts_nothing_twice_and_no_limit_is_broken(pair: Pair) -> None:
    await pair.reached(120)

    pair.active.process.send(signal.SIGSTOP)
    await asyncio.sleep(15)
    pair.active.process.send(signal.SIGCONT)
    await pair.all_told(uncertain=WORKERS)
    await asyncio.sleep(3)

    assert not await pair.active.active()
    assert await pair.standby.active()
    assert await pair.longest_gap() < REPLACED
    await pair.all_posted_once_within_the_limits(uncertain=WORKERS)


async def test_frozen_and_back_it_takes_over_again_when_the_other_is_killed(pair: Pair) -> None:
    await pair.reached(60)
    pair.active.process.send(signal.SIGSTOP)
    await until(pair.standby.active, bool, seconds=60)
    pair.active.process.send(signal.SIGCONT)
    await until(pair.active.standing, lambda said: "is active" in said[1])

    await pair.standby.process.kill()
    await until(pair.active.active, bool, seconds=60)
    await pair.all_told(uncertain=2 * WORKERS)
    await asyncio.sleep(3)

    await pair.all_posted_once_within_the_limits(uncertain=2 * WORKERS)
