"""The scheduler with more and more channels in one campaign, all due in one instant."""

import math
import time
from datetime import UTC, datetime, timedelta

from bench.growth.curves import Figure, Growth
from bench.rows import progress
from bench.scheduling import ours
from bench.scheduling.plans import defined
from bench.scheduling.stored import Log, fresh_log

SIZES = {"small": (10, 100, 1_000), "full": (10, 100, 1_000, 10_000)}
EMITTED = "all due events in the log after their instant"
_EVERY = timedelta(hours=1)
_LEAD_SECONDS = 6
_READY_SECONDS = 60
_STORE_SECONDS = 120


async def measure(size: str) -> Growth:
    """Emit one slot at each size, and start once more on the log that holds it."""
    emitted, memory, start = [], [], []
    for channels in SIZES[size]:
        progress(f"the scheduler with {channels:,} channels")
        async with fresh_log() as log:
            async with ours.scheduler(log, ready=_READY_SECONDS) as running:
                emitted.append((channels, await _emitted(log, channels)))
                memory.append((channels, running.resident()))
            async with ours.scheduler(log, ready=_READY_SECONDS, name="again") as running:
                start.append((channels, running.seconds_to_ready))
    return Growth(
        "channels",
        "The scheduler by channels",
        "channels",
        "One campaign, all channels due in one instant, one replica, a log that syncs each event.",
        (
            Figure(EMITTED, "s", tuple(emitted)),
            Figure("memory", "MB", tuple(memory)),
            Figure("start until ready, the slot said", "s", tuple(start)),
        ),
    )


async def _emitted(log: Log, channels: int) -> float:
    at = datetime.fromtimestamp(math.ceil(time.time()) + _LEAD_SECONDS, UTC)
    await log.define([defined("grown", every=_EVERY, at=at, channels=channels)])
    if time.time() > at.timestamp() - 1:
        raise TimeoutError("the campaign was not defined a second before its slot")
    await log.holds(1 + channels, seconds=_LEAD_SECONDS + _STORE_SECONDS)
    return max(message.late for message in await log.dues())
