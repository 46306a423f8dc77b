"""What a thousand waiting events cost: transactions of Postgres and messages to NATS."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import httpx

from bench.counting.broker import Broker
from bench.counting.counts import Count
from bench.projecting.scene import Log, filled_log, new_database, scene, taps
from stack.ports import free_port
from stack.process import Process

EVENTS = 10_000
_THOUSANDS = EVENTS / 1_000
_SECONDS = 120
_READY_SECONDS = 60
_LOOK_SECONDS = 0.1
_WRITES = """
SELECT n_tup_upd FROM pg_stat_user_tables
WHERE schemaname = 'fingerpost_v1' AND relname = 'checkpoint'
"""
_COMMITS = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"


async def count() -> list[Count]:
    """Count a fold of what waits in the log, up to the stop of the process."""
    async with scene() as postgres, new_database(postgres) as dsn, filled_log(taps(EVENTS)) as log:
        async with Broker.observed(log.url, log.monitor) as broker, _analytics(dsn, log) as here:
            await _folded(*here)
            found = await broker.traffic()
        writes, commits = await _asked(dsn, _WRITES), await _asked(dsn, _COMMITS)
    of = "for 1,000 waiting events"
    return [
        Count(f"writing transactions {of}", writes / _THOUSANDS, "transactions", 2, 0.4),
        Count(f"all transactions {of}", commits / _THOUSANDS, "transactions", 12, 1),
        Count(f"acknowledgements {of}", found.kinds["ack"] / _THOUSANDS, "acks", 2, 0.5),
        Count(f"pulls {of}", found.kinds["pull"] / _THOUSANDS, "requests", 2, 0.5),
        Count(f"reads of single events {of}", found.kinds["read"] / _THOUSANDS, "reads", 1, 0),
    ]


@asynccontextmanager
async def _analytics(dsn: str, log: Log) -> AsyncIterator[tuple[int, Process]]:
    port = free_port()
    environment = {"NATS_URL": log.url, "POSTGRES_DSN": dsn, "FINGERPOST_HTTP_PORT": str(port)}
    process = Process(
        "analytics",
        [sys.executable, "-m", "analytics"],
        log=log.folder / "analytics.log",
        environment={**os.environ, **environment},
    )
    process.start()
    try:
        await process.answers(f"http://127.0.0.1:{port}/healthz", _READY_SECONDS)
        yield port, process
    finally:
        await process.stop()  # what a connection counted is told at its end, at the latest


async def _folded(port: int, process: Process) -> None:
    """Wait by the metrics, which ask Postgres nothing."""
    async with asyncio.timeout(_SECONDS), httpx.AsyncClient() as client:
        while await _checkpoint(client, port) < EVENTS:
            if not process.running:
                raise RuntimeError(f"analytics ended\n{process.tail()}")
            await asyncio.sleep(_LOOK_SECONDS)


async def _checkpoint(client: httpx.AsyncClient, port: int) -> float:
    page = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
    return float(page.partition("\nfingerpost_projection_checkpoint ")[2].split("\n")[0])


async def _asked(dsn: str, question: str) -> int:
    connection = await asyncpg.connect(dsn)
    try:
        return int(await connection.fetchval(question))
    finally:
        await connection.close()
