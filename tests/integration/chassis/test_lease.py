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

SHORT = Bucket("short_lease", timedelta(seconds=3))


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
    for bucket in (CLICKS_LEASE, SHORT):
        await ensure_bucket(log.js, bucket, replicas=1)
    yield log


async def taken(lease: Lease, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await lease.acquire()
    except TimeoutError:
        return False
    return True


async def test_one_holds_it_and_another_says_who(bucketed: Log) -> None:
    one, two = lease(bucketed, "one"), lease(bucketed, "two")

    assert await taken(one, 5)
    assert not await taken(two, 2)

    assert (one.standing, two.standing) == ("active", "standing by: one is active")
    assert await taken(lease(bucketed, "three", key="43"), 5)


async def test_one_that_was_given_back_is_taken_at_once(bucketed: Log) -> None:
    one, two = lease(bucketed, "one"), lease(bucketed, "two")
    await taken(one, 5)

    await one.release()

    assert await taken(two, 2)
    assert not one.held


async def test_one_whose_holder_died_runs_out(bucketed: Log) -> None:
    one, two = lease(bucketed, "one", bucket=SHORT), lease(bucketed, "two", bucket=SHORT)
    await taken(one, 5)

    assert await taken(two, 10)


async def test_a_holder_that_was_frozen_finds_its_time_over(bucketed: Log) -> None:
    clock = Clock()
    one = lease(bucketed, "one", now=clock)
    await taken(one, 5)

    clock.now += 7

    assert not one.held


async def test_a_holder_keeps_it_by_renewing(bucketed: Log) -> None:
    one, two = lease(bucketed, "one"), lease(bucketed, "two")
    await taken(one, 5)
    keeping = asyncio.create_task(one.keep())

    assert not await taken(two, 10)

    assert one.held
    keeping.cancel()
