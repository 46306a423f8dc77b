"""What a due event costs: one publish for each replica, one event in the log."""

import math
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

from bench.counting.broker import Broker
from bench.counting.counts import Count
from bench.scheduling import ours
from bench.scheduling.plans import defined
from bench.scheduling.stored import fresh_log

CHANNELS = 400
_LEAD_SECONDS = 4
_READY_SECONDS = 60
_STORE_SECONDS = 60
_EVERY = timedelta(hours=1)
_BESIDES = 0.5
"""Clocks are compared, and the plan is followed, however much is due."""


async def count() -> list[Count]:
    """Count one slot in many channels, said by one replica and by two."""
    return [*await _by(1), *await _by(2)]


async def _by(replicas: int) -> list[Count]:
    async with fresh_log() as log, AsyncExitStack() as stack:
        for number in range(replicas):
            replica = ours.scheduler(log, ready=_READY_SECONDS, name=f"replica-{number}")
            await stack.enter_async_context(replica)
        async with Broker.observed(log.url, log.monitor) as broker:
            before = await broker.traffic()
            at = datetime.fromtimestamp(math.ceil(time.time()) + _LEAD_SECONDS, UTC)
            await log.define([defined("counted", every=_EVERY, at=at, channels=CHANNELS)])
            await log.holds(1 + CHANNELS, seconds=_LEAD_SECONDS + _STORE_SECONDS)
            told = await broker.settled("guide.due", replicas * CHANNELS, _STORE_SECONDS)
            found = told.since(before)
        stored = len(await log.dues())
    words = f"a due event, {replicas} replica{'s' if replicas > 1 else ''}"
    sent = found.sent["scheduler-0"] / CHANNELS
    return [
        Count(f"publishes for {words}", found.kinds["guide.due"] / CHANNELS, "publishes", replicas),
        Count(f"events in the log for {words}", stored / CHANNELS, "events", 1),
        Count(f"messages to NATS for {words}", sent, "messages", replicas + _BESIDES, replicas),
    ]
