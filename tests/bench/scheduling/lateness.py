"""Lateness at 1,000 slots a second: from the planned instant to the log, and to the answer.

Two campaigns of 1,000 channels take turns, a second each; a channel is due 1 ms after the one
before it. The first seconds are a warm-up for all three.
"""

import asyncio
import math
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bench.rows import Row, progress, quantile, row
from bench.scheduling import floor, ours, peer
from bench.scheduling.plans import defined, moved
from bench.scheduling.stored import Log, Message, fresh_log

CHANNELS = 1_000
SECONDS = 10
AIM_MILLISECONDS = 10
_WARM_SECONDS = 2
_EVERY = timedelta(seconds=2)
_LEAD_SECONDS = 4
_READY_SECONDS = 30
_QUANTILES = {"p50": 0.5, "p99": 0.99, "max": 1.0}


@dataclass(frozen=True)
class Run:
    """Seconds by which one contestant was late in one round; `answered` is empty if not seen."""

    stored: list[float]
    answered: list[float]


async def measure(rounds: int) -> list[Row]:
    """Return p50, p99 and the maximum, medians over the rounds."""
    runs: dict[str, list[Run]] = defaultdict(list)
    for number in range(1, rounds + 1):
        progress(f"lateness at {CHANNELS:,} slots a second, round {number} of {rounds}: ours")
        messages, run = await _ours()
        runs["ours"].append(run)
        progress("the floor: the same messages, raw")
        runs["floor"].append(await _floor(messages))
        progress("the peer: the same messages by APScheduler 3")
        runs["peer"].append(await _peer(messages))
    return [*_rows(runs, "stored", "to the log"), *_rows(runs, "answered", "to the answer")]


def _rows(runs: dict[str, list[Run]], what: str, words: str) -> list[Row]:
    rows = []
    for name, share in _QUANTILES.items():
        by = {
            who: [quantile(seen, share) * 1000 for run in found if (seen := getattr(run, what))]
            for who, found in runs.items()
        }
        aim = AIM_MILLISECONDS if name == "p99" else None
        title = f"lateness {words} at {CHANNELS:,}/s, {name}"
        rows.append(row(title, by["ours"], "ms", floor=by["floor"], peer=by["peer"], at_most=aim))
    return rows


async def _ours() -> tuple[list[Message], Run]:
    """Return the messages of the measured seconds and those before them, and our lateness."""
    async with fresh_log() as log, ours.scheduler(log, ready=_READY_SECONDS) as running:
        first = _next_turn()
        end = first + _WARM_SECONDS + SECONDS
        last = datetime.fromtimestamp(end - 1, UTC)
        for name, wait in (("even", 0), ("odd", 1)):
            at = datetime.fromtimestamp(first + wait, UTC)
            offset = timedelta(seconds=1) / CHANNELS
            plan = defined(name, every=_EVERY, at=at, channels=CHANNELS, offset=offset, end=last)
            await log.define([plan])
        if time.time() > first - 1:
            raise TimeoutError("the campaigns were not defined a second before their first slot")
        await asyncio.sleep(end + 1 - time.time())
        await log.holds(2 + int(end - first) * CHANNELS, seconds=30)
        messages = await log.dues()
        if len({round(m.due * CHANNELS) for m in messages}) != (end - first) * CHANNELS:
            raise RuntimeError("the slots do not lie 1 ms apart")
        measured = _measured(messages)
        return messages, Run([m.late for m in measured], ours.acknowledgements(running, measured))


async def _floor(messages: Sequence[Message]) -> Run:
    async with fresh_log() as log:
        planned = moved(messages, _next_turn())
        answered = await floor.publish_in_time(log.url, planned)
        return Run(await _stored(log, planned), answered[-SECONDS * CHANNELS :])


async def _peer(messages: Sequence[Message]) -> Run:
    async with fresh_log() as log:
        planned = moved(messages, _next_turn())
        answered = await peer.by_interval(log.url, planned, _EVERY)
        return Run(await _stored(log, planned), answered[-SECONDS * CHANNELS :])


async def _stored(log: Log, planned: Sequence[Message]) -> list[float]:
    due = {message.subject: message.due for message in _measured(planned)}
    return [m.stored - due[m.subject] for m in await log.dues() if m.subject in due]


def _measured(messages: Sequence[Message]) -> list[Message]:
    begin = min(message.due for message in messages) + _WARM_SECONDS
    return [message for message in messages if message.due > begin - 1e-6]


def _next_turn() -> float:
    """Return an even second some seconds from now."""
    return float(math.ceil((time.time() + _LEAD_SECONDS) / 2) * 2)
