"""One active sender for each bot, on a real NATS."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry, Gauge

from chassis.lease import Lease
from chassis.topology import ensure_bucket
from contracts.streams import SENDER_LEASE, SENDER_SPENDING
from harness.logs import Log
from harness.waiting import until
from sender.purse import Purse

BOT = 42


class Clock:
    """It stands still: however slow the machine is, what is held is held on."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def lease(log: Log, bot_id: int, instance: str, **fields: Clock) -> Lease:
    active = Gauge("active", "1 while active", registry=CollectorRegistry())
    return Lease(log.js, SENDER_LEASE, str(bot_id), instance, active=active, **fields)


@pytest_asyncio.fixture
async def bucketed(log: Log) -> AsyncIterator[Log]:
    for bucket in (SENDER_LEASE, SENDER_SPENDING):
        await ensure_bucket(log.js, bucket, replicas=1)
    yield log


async def taken(lease: Lease, seconds: float = 30) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await lease.acquire()
    except TimeoutError:
        return False
    return True


def standing(lease: Lease) -> Callable[[], Awaitable[str]]:
    async def said() -> str:
        return lease.standing

    return said


async def test_one_holds_it_and_another_says_who(bucketed: Log) -> None:
    one, two = lease(bucketed, BOT, "one", now=Clock()), lease(bucketed, BOT, "two")
    assert await taken(one)
    asking = asyncio.create_task(two.acquire())

    await until(standing(two), lambda said: said == "standing by: one is active")

    assert (one.held, two.held) == (True, False)
    assert one.standing == "active"
    assert not asking.done()
    asking.cancel()


async def test_bots_do_not_disturb_each_other(bucketed: Log) -> None:
    assert await taken(lease(bucketed, 1, "one"))
    assert await taken(lease(bucketed, 2, "two"))


async def test_one_that_was_given_back_is_taken_at_once(bucketed: Log) -> None:
    one, two = lease(bucketed, BOT, "one", now=Clock()), lease(bucketed, BOT, "two")
    assert await taken(one)
    await taken(two, 0.2)

    await one.release()

    assert await taken(two)
    assert not one.held
    # Taken, given back, taken: the end of one that ran out leaves no word, and has no number.
    bucket = await bucketed.js.key_value(SENDER_LEASE.name)
    assert (await bucket.get(str(BOT))).revision > 2


async def test_one_that_is_not_renewed_runs_out_in_its_time(bucketed: Log) -> None:
    one, two = lease(bucketed, BOT, "one"), lease(bucketed, BOT, "two")
    loop = asyncio.get_running_loop()
    begun = loop.time()
    assert await taken(one)

    assert await taken(two)

    assert not one.held
    lasts = SENDER_LEASE.lifetime.total_seconds()
    assert loop.time() - begun > lasts - 1
    assert lasts < 10  # who waits looks each half second: so it is replaced within ten


async def test_one_that_is_renewed_does_not_run_out(bucketed: Log) -> None:
    one, two = lease(bucketed, BOT, "one"), lease(bucketed, BOT, "two")
    assert await taken(one)
    keeping = asyncio.create_task(one.keep())

    assert not await taken(two, 10)

    assert one.held
    keeping.cancel()


async def test_a_holder_that_was_frozen_may_not_send_and_cannot_renew(bucketed: Log) -> None:
    clock = Clock()
    one = lease(bucketed, BOT, "one", now=clock)
    two = lease(bucketed, BOT, "two", now=Clock())
    assert await taken(one)
    assert await taken(two)
    assert one.held  # its clock stood still

    clock.now += 6.1
    assert not one.held

    clock.now -= 6.1
    async with asyncio.timeout(30):
        await one.keep()
    assert not one.held
    assert two.held


async def test_a_word_that_was_taken_although_its_answer_was_lost_is_its_own(
    bucketed: Log,
) -> None:
    one = lease(bucketed, BOT, "one", now=Clock())
    assert await taken(one)
    bucket = await bucketed.js.key_value(SENDER_LEASE.name)
    unheard = await bucket.put(str(BOT), one._value())

    keeping = asyncio.create_task(one.keep())
    await until(lambda: bucket.get(str(BOT)), lambda entry: (entry.revision or 0) > unheard)

    assert one.held
    assert not keeping.done()
    keeping.cancel()


async def test_a_bucket_of_another_lifetime_is_changed(log: Log) -> None:
    await log.js.create_key_value(bucket=SENDER_LEASE.name, ttl=60)

    await ensure_bucket(log.js, SENDER_LEASE, replicas=1)

    info = await log.js.stream_info(f"KV_{SENDER_LEASE.name}")
    assert info.config.max_age == SENDER_LEASE.lifetime.total_seconds()


async def test_stars_are_counted_over_all_processes_of_a_day(
    bucketed: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sender.purse._ANSWER_SECONDS", 30.0)
    now = datetime(2026, 5, 1, 23, tzinfo=UTC)

    def purse() -> Purse:
        return Purse(bucketed.js, BOT, stars=25, clock=lambda: now)

    one, two = purse(), purse()

    assert [await one.take(), await two.take(), await one.take()] == [100, 100, 50]
    assert [await one.take(), await two.take(), await purse().take()] == [0, 0, 0]

    now += timedelta(hours=2)
    assert await one.take() == 100
