"""One active process of several, on a real NATS."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest_asyncio
from prometheus_client import CollectorRegistry, Gauge

from chassis.lease import Lease
from chassis.topology import ensure_bucket
from contracts.streams import CLICKS_LEASE, Bucket
from harness.logs import Log
from harness.waiting import until

SHORT = Bucket("short_lease", timedelta(seconds=3))
LONG = Bucket("long_lease", timedelta(hours=1))
"""Runs out in no test, however slow the machine."""


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def lease(log: Log, instance: str, **fields) -> Lease:
    active = Gauge("active", "1 while active", registry=CollectorRegistry())
    bucket = fields.pop("bucket", CLICKS_LEASE)
    return Lease(log.js, bucket, fields.pop("key", "42"), instance, active=active, **fields)


@pytest_asyncio.fixture
async def bucketed(log: Log) -> AsyncIterator[Log]:
    for bucket in (CLICKS_LEASE, SHORT, LONG):
        await ensure_bucket(log.js, bucket, replicas=1)
    yield log


async def taken(lease: Lease, seconds: float = 30) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await lease.acquire()
    except TimeoutError:
        return False
    return True


async def test_one_holds_it_and_another_says_who(bucketed: Log) -> None:
    one, two = (lease(bucketed, name, bucket=LONG) for name in ("one", "two"))

    async def standing() -> str:
        return two.standing

    assert await taken(one)
    asking = asyncio.create_task(two.acquire())
    await until(standing, lambda said: said != "standing by")
    await asyncio.sleep(1)

    assert not asking.done()
    assert (one.standing, two.standing) == ("active", "standing by: one is active")
    asking.cancel()
    assert await taken(lease(bucketed, "three", bucket=LONG, key="43"))


async def test_one_that_was_given_back_is_taken_at_once(bucketed: Log) -> None:
    one, two = (lease(bucketed, name, bucket=LONG) for name in ("one", "two"))
    assert await taken(one)

    await one.release()

    assert await taken(two)
    assert not one.held


async def test_one_whose_holder_died_runs_out(bucketed: Log) -> None:
    one, two = lease(bucketed, "one", bucket=SHORT), lease(bucketed, "two", bucket=SHORT)
    assert await taken(one)

    assert await taken(two)


async def test_a_holder_that_was_frozen_finds_its_time_over(bucketed: Log) -> None:
    clock = Clock()
    one = lease(bucketed, "one", now=clock)
    assert await taken(one)
    assert one.held

    clock.now += 7

    assert not one.held


async def test_a_holder_keeps_it_by_renewing(bucketed: Log) -> None:
    one, two = lease(bucketed, "one"), lease(bucketed, "two")
    assert await taken(one)
    keeping = asyncio.create_task(one.keep())

    assert not await taken(two, 10)

    assert one.held
    # Else it had not to be renewed; and who is killed is to be replaced within ten seconds.
    assert CLICKS_LEASE.lifetime < timedelta(seconds=10)
    keeping.cancel()
