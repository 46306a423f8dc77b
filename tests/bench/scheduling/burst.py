"""10,000 slots due in one instant: the time from the instant to the last stored message.

The floor of a round is the fastest of the raw ways; the rows name each.
"""

import math
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta

from bench.rows import Row, progress, row
from bench.scheduling import floor, ours, peer
from bench.scheduling.plans import defined, moved
from bench.scheduling.stored import Message, fresh_log

SLOTS = 10_000
SHAPES = {"1 campaign": 1, "100 campaigns": 100}
AIM_TIMES_FLOOR = 2
_EVERY = timedelta(hours=1)
_LEAD_SECONDS = 5
_READY_SECONDS = 30
_STORE_SECONDS = 60


async def measure(rounds: int) -> list[Row]:
    """Return a row for each shape of our plan, and one for each raw way."""
    times: dict[str, list[float]] = defaultdict(list)
    for number in range(1, rounds + 1):
        messages: list[Message] = []
        for shape, campaigns in SHAPES.items():
            progress(f"{SLOTS:,} slots at once, round {number} of {rounds}: ours, {shape}")
            messages = await _ours(campaigns)
            times[shape].append(_span(messages))
        ways: list[float] = []
        for name, way in floor.WAYS.items():
            progress(f"the floor: the same messages by {name}")
            ways.append(await _others(messages, _raw(way)))
            times[name].append(ways[-1])
        times["floor"].append(min(ways))
        progress("the peer: the same messages by APScheduler 3")
        times["peer"].append(await _others(messages, peer.by_date))
    least, other = times["floor"], times["peer"]
    at_once = f"{SLOTS:,} slots at once"
    return [
        *(
            row(
                f"{at_once}, {shape}",
                times[shape],
                "s",
                floor=least,
                peer=other,
                times_floor=AIM_TIMES_FLOOR,
            )
            for shape in SHAPES
        ),
        *(row(f"{at_once}, raw by {name}", times[name], "s", floor=least) for name in floor.WAYS),
    ]


Publishing = Callable[[str, Sequence[Message]], Awaitable[object]]


def _raw(way: floor.Way) -> Publishing:
    return lambda url, messages: floor.publish(way, url, messages)


async def _ours(campaigns: int) -> list[Message]:
    async with fresh_log() as log, ours.scheduler(log, ready=_READY_SECONDS):
        at = datetime.fromtimestamp(math.ceil(time.time()) + _LEAD_SECONDS, UTC)
        channels = SLOTS // campaigns
        plans = [
            defined(f"c{number}", every=_EVERY, at=at, channels=channels)
            for number in range(campaigns)
        ]
        await log.define(plans)
        if time.time() > at.timestamp() - 1:
            raise TimeoutError("the campaigns were not defined a second before their slot")
        await log.holds(campaigns + SLOTS, seconds=_LEAD_SECONDS + _STORE_SECONDS)
        return await log.dues()


async def _others(messages: Sequence[Message], publish: Publishing) -> float:
    async with fresh_log() as log:
        planned = moved(messages, math.ceil(time.time()) + _LEAD_SECONDS)
        await publish(log.url, planned)
        first = planned[0].due
        stored = await log.dues()
        if len(stored) != len(planned):
            raise RuntimeError(f"{len(stored)} of {len(planned)} messages are in the log")
        return max(message.stored for message in stored) - first


def _span(messages: Sequence[Message]) -> float:
    if len(messages) != SLOTS:
        raise RuntimeError(f"{len(messages)} slots were said, not {SLOTS}")
    return max(message.stored for message in messages) - messages[0].due
