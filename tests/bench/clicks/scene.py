"""What takes the taps: clicks with its log and Telegram, or the peer; each server on one core.

Core 0 is that of the program which is measured. The log, Telegram and the load share the others,
where there are any.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import (
    AbstractContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
    nullcontext,
)
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import psutil

from bench.clicks.taps import KEY, SECRET
from bench.scheduling.stored import Log, fresh_log
from chassis.log import Publisher
from contracts.events import GuideDue, PromoDue
from contracts.examples import example
from harness.sandboxes import BOT_TOKEN, Stage, open_sandbox
from harness.servers import database, postgres_dsn
from stack.ports import free_port
from stack.process import Process

_READY_SECONDS = 40
_LIMIT_SECONDS = 120
_NO_LIMIT = "1000000000"
_CORES = sorted(os.sched_getaffinity(0))


@dataclass(frozen=True)
class Server:
    """A running server on a core of its own, and the log that it records in."""

    log: Log
    port: int
    process: Process
    stage: Stage | None = None

    def cpu(self) -> float:
        """Return the processor time so far, in seconds."""
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)

    async def calls(self) -> int:
        """Return how often Telegram was called so far."""
        return len(await self.stage.people.calls()) if self.stage else 0

    async def counts(self, *names: str) -> list[float]:
        """Return what its metrics say of these counters, labels added up."""
        async with httpx.AsyncClient() as client:
            page = (await client.get(f"http://127.0.0.1:{self.port}/metrics")).text
        lines = [line for line in page.splitlines() if not line.startswith("#")]
        return [
            sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))
            for name in names
        ]


@asynccontextmanager
async def ours() -> AsyncIterator[Server]:
    """Run clicks behind its webhook; two deliveries are due."""
    with beside():
        async with replicas(1, place=_alone) as [server]:
            yield server


@asynccontextmanager
async def replicas(
    count: int, *, place: Callable[[], AbstractContextManager[None]] = nullcontext
) -> AsyncIterator[list[Server]]:
    """Run so many clicks at one log, each behind a webhook of its own; two deliveries are due."""
    async with (
        fresh_log() as log,
        open_sandbox(log.folder, "--no-floods") as stage,
        AsyncExitStack() as stack,
    ):
        publisher = Publisher(log.js, source="bench")
        for due in (example(GuideDue), example(PromoDue)):
            await publisher.publish_once(due)
        servers = []
        for number in range(count):
            port = free_port()
            environment = _environment(log.url, stage.api, port)
            running = _running(f"clicks-{number}", ["-m", "clicks"], log, environment, port, place)
            servers.append(replace(await stack.enter_async_context(running), stage=stage))
        for server in servers:
            ready = f"http://127.0.0.1:{server.port}/readyz"
            await server.process.answers(ready, _READY_SECONDS)
        yield servers


@asynccontextmanager
async def peer() -> AsyncIterator[Server]:
    """Run aiogram's webhook handler; it publishes to the same kind of log."""
    with beside():
        async with fresh_log() as log:
            port = free_port()
            command = ["-m", "bench.clicks.peer", log.url, str(port)]
            async with _running("peer", command, log, {}, port, _alone) as server:
                await server.process.answers(f"http://127.0.0.1:{port}/healthz", _READY_SECONDS)
                yield server


@asynccontextmanager
async def analytics(log: Log) -> AsyncIterator[str]:
    """Run the analytics process on a database of its own; yield the database's address."""
    async with postgres_dsn(log.folder) as server, database(server) as dsn:
        port = free_port()
        environment = {
            "NATS_URL": log.url,
            "POSTGRES_DSN": dsn,
            "FINGERPOST_HTTP_PORT": str(port),
        }
        process = Process(
            "analytics",
            [sys.executable, "-m", "analytics"],
            log=log.folder / "analytics.log",
            environment={**os.environ, **environment},
        )
        process.start()
        try:
            await process.answers(f"http://127.0.0.1:{port}/readyz", _READY_SECONDS)
            yield dsn
        finally:
            await process.stop()


async def raw(count: int, at_once: int) -> dict[str, Any]:
    """Publish so many events raw, from the core of the program that is measured."""
    with beside():
        async with fresh_log() as log:
            with _alone():
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "bench.clicks.bare", log.url, str(count), str(at_once)),
                    stdout=asyncio.subprocess.PIPE,
                )
            said, _ = await asyncio.wait_for(process.communicate(), _LIMIT_SECONDS)
            figures: dict[str, Any] = json.loads(said)
            return figures


@asynccontextmanager
async def _running(
    name: str,
    command: list[str],
    log: Log,
    environment: dict[str, str],
    port: int,
    place: Callable[[], AbstractContextManager[None]],
) -> AsyncIterator[Server]:
    process = Process(
        name,
        [sys.executable, *command],
        log=Path(log.folder) / f"{name}.log",
        environment={**os.environ, **environment},
    )
    with place():
        process.start()
    try:
        yield Server(log, port, process)
    finally:
        await process.kill()


@contextmanager
def beside() -> Iterator[None]:
    """Keep this process, and what it starts, off the measured program's core."""
    with _on(set(_CORES[1:]) or set(_CORES)):
        yield


def _alone() -> AbstractContextManager[None]:
    return _on({_CORES[0]})


@contextmanager
def _on(cores: set[int]) -> Iterator[None]:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _environment(nats_url: str, api: str, port: int) -> dict[str, str]:
    return {
        "NATS_URL": nats_url,
        "TELEGRAM_BOT_TOKEN": BOT_TOKEN,
        "FINGERPOST_CTA_KEYS": f"k1:{KEY}",
        "FINGERPOST_TELEGRAM_API": api,
        "FINGERPOST_HTTP_PORT": str(port),
        "FINGERPOST_CLICKS_MODE": "webhook",
        "FINGERPOST_WEBHOOK_SECRET": SECRET,
        "FINGERPOST_WEBHOOK_URL": f"http://127.0.0.1:{port}",
        "FINGERPOST_TAPS_PER_MINUTE": _NO_LIMIT,
        "FINGERPOST_LINKS_PER_MINUTE": _NO_LIMIT,
    }
