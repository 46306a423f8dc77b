"""One to eight replicas of clicks, the scheduler and analytics, on this one machine.

What more replicas cost is seen here, not what they bring: they share the machine's cores. The
processor time of a tap, which must not grow, is what tells how many taps more cores would take.
"""

import asyncio
import math
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from time import perf_counter

import asyncpg
import httpx

from bench.clicks import load, scene, taps
from bench.growth.curves import Figure, Growth
from bench.projecting.scene import Log, filled_log, new_database
from bench.projecting.scene import mixed as events
from bench.projecting.scene import scene as postgres
from bench.rows import progress
from bench.scheduling import ours
from bench.scheduling.plans import defined
from bench.scheduling.stored import Log as FreshLog
from bench.scheduling.stored import fresh_log
from chassis.log import Publisher
from contracts.events import CtaClicked
from contracts.examples import example
from contracts.streams import EVENTS
from stack.ports import free_port
from stack.process import Process

SIZES = {"small": (1, 2), "full": (1, 2, 4, 8)}
TAPS = {"small": 1_000, "full": 6_000}
RATE, COST = "taps a second, all replicas", "processor time of a tap"
_CONNECTIONS = 32
_CHANNELS = 500
_EVERY = timedelta(seconds=5)
_LEAD_SECONDS = 6
_READY_SECONDS = 120
_SECONDS = 60
_LOOK_SECONDS = 0.02
_WAITING = 1_000


async def measure(size: str) -> Growth:
    """Measure each of the three at each number of replicas."""
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}

    def keep(name: str, unit: str, replicas: int, value: float) -> None:
        found.setdefault((name, unit), []).append((replicas, value))

    for replicas in SIZES[size]:
        progress(f"{replicas} of clicks")
        rate, cost = await _clicks(replicas, TAPS[size])
        keep(RATE, "taps/s", replicas, rate)
        keep(COST, "us", replicas, cost)
        progress(f"{replicas} of the scheduler")
        whole, one_less = await _scheduler(replicas)
        keep(f"{_CHANNELS} due events in the log after their instant", "ms", replicas, whole)
        if one_less is not None:
            keep("the same, one replica killed just before", "ms", replicas, one_less)
        progress(f"{replicas} of analytics")
        keep(
            "analytics: row after the folding one was killed", "s", replicas, await _fold(replicas)
        )
    return Growth(
        "replicas",
        "Replicas on one machine",
        "replicas",
        "All share this machine's cores with the log and the load. The killed one of analytics is"
        " started again at once where it is the only one.",
        tuple(Figure(name, unit, tuple(points)) for (name, unit), points in found.items()),
    )


async def _clicks(replicas: int, count: int) -> tuple[float, float]:
    """Return the taps a second over all replicas, and the processor time of one in microseconds."""
    async with scene.replicas(replicas) as servers:
        each, wires = count // replicas, _CONNECTIONS // replicas
        for number, server in enumerate(servers):
            warm = taps.taps(200, first=10_000_000 + number * 1_000)
            await load.closed(server.port, warm, connections=wires)
        before = sum(server.cpu() for server in servers)
        requests = [taps.taps(each, first=number * each) for number in range(replicas)]
        begun = perf_counter()
        seen = await asyncio.gather(
            *(
                load.closed(server.port, asked, connections=wires)
                for server, asked in zip(servers, requests, strict=True)
            )
        )
        seconds = perf_counter() - begun
        for one in seen:
            one.all_ended(200)
        taken = replicas * each
        return taken / seconds, (sum(s.cpu() for s in servers) - before) / taken * 1e6


async def _scheduler(replicas: int) -> tuple[float, float | None]:
    """Return by how many milliseconds the last of a slot is late, and of one after a kill."""
    async with fresh_log() as log, AsyncExitStack() as stack:
        running = [
            await stack.enter_async_context(
                ours.scheduler(log, ready=_READY_SECONDS, name=f"replica-{number}")
            )
            for number in range(replicas)
        ]
        first = math.ceil(time.time()) + _LEAD_SECONDS
        at = datetime.fromtimestamp(first, UTC)
        last = at + (2 if replicas > 1 else 1) * _EVERY
        await log.define([defined("grown", every=_EVERY, at=at, channels=_CHANNELS, end=last)])
        whole = await _lateness(log, 2)
        if replicas == 1:
            return whole, None
        os.kill(running[0].pid, 9)
        return whole, await _lateness(log, 3)


async def _lateness(log: FreshLog, slots: int) -> float:
    """Wait until so many slots are said; return the lateness of the last event of the last."""
    await log.holds(1 + slots * _CHANNELS, seconds=_SECONDS)
    messages = await log.dues()
    newest = max(message.due for message in messages)
    return 1000 * max(message.late for message in messages if message.due == newest)


async def _fold(replicas: int) -> float:
    """Return the seconds from the kill -9 of the process that folds to the row of a new event."""
    async with (
        postgres() as here,
        new_database(here) as dsn,
        filled_log(events(_WAITING)) as log,
        AsyncExitStack() as stack,
    ):
        found = [
            await stack.enter_async_context(_analytics(dsn, log, number))
            for number in range(replicas)
        ]
        ports = [port for port, _ in found]
        await _folded(dsn, _WAITING)
        leader = await _leader(ports)
        await found[leader][1].kill()
        begun = perf_counter()
        if replicas == 1:
            found[leader][1].start()
        await Publisher(log.js, source="bench").publish(example(CtaClicked))
        await _folded(dsn, (await log.js.stream_info(EVENTS.name)).state.last_seq)
        return perf_counter() - begun


@asynccontextmanager
async def _analytics(dsn: str, log: Log, number: int) -> AsyncIterator[tuple[int, Process]]:
    port = free_port()
    environment = {"NATS_URL": log.url, "POSTGRES_DSN": dsn, "FINGERPOST_HTTP_PORT": str(port)}
    process = Process(
        "analytics",
        [sys.executable, "-m", "analytics"],
        log=log.folder / f"analytics-{number}.log",
        environment={**os.environ, **environment},
    )
    process.start()
    try:
        await process.answers(f"http://127.0.0.1:{port}/readyz", _READY_SECONDS)
        yield port, process
    finally:
        await process.kill()


async def _leader(ports: list[int]) -> int:
    """Return which of the replicas folds; the others say that they stand by."""
    async with httpx.AsyncClient(timeout=5) as client:
        for number, port in enumerate(ports):
            said = (await client.get(f"http://127.0.0.1:{port}/readyz")).text
            if "standing by" not in said:
                return number
    raise RuntimeError("every replica stands by")


async def _folded(dsn: str, sequence: int) -> None:
    connection = await asyncpg.connect(dsn)
    question = "SELECT sequence FROM fingerpost_v1.checkpoint"
    try:
        async with asyncio.timeout(_SECONDS):
            while await connection.fetchval(question) < sequence:
                await asyncio.sleep(_LOOK_SECONDS)
    finally:
        await connection.close()
