"""A projector over real servers, and the tables as it leaves them."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import asyncpg
import pytest
import pytest_asyncio
from nats.js.errors import NotFoundError

from analytics.projector import Projector
from analytics.schema.tables import TABLES
from chassis.service import Connection
from contracts.streams import EVENTS, analytics_consumer
from harness.logs import Log
from harness.plain_fold import Rows
from harness.waiting import until
from harness.warm import Warm
from stack.ports import free_port
from stack.process import Process

Running: TypeAlias = "asyncio.Task[None]"
CaughtUp = Callable[[], Awaitable[int]]
Following = Callable[[], AbstractAsyncContextManager[Running]]

SHOWN = ("campaigns", "variants", "deliveries", "clicks", "starts", "conversions", "stretches")


@asynccontextmanager
async def running(projector: Projector, connection: Connection) -> AsyncIterator[Running]:
    """Run `projector` as a part of a service; what it raises comes out at the end."""
    task = asyncio.create_task(projector.run(connection))
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@dataclass
class Database:
    """The analysts' side: reads the views, each time on a connection of its own."""

    dsn: str

    async def fetch(self, query: str, *values: Any) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.dsn)
        try:
            rows: list[asyncpg.Record] = await connection.fetch(query, *values)
            return rows
        finally:
            await connection.close()

    async def value(self, query: str, *values: Any) -> Any:
        return (await self.fetch(query, *values))[0][0]

    async def tables(self) -> dict[str, Rows]:
        """Return every row of every table that analysts read."""
        found = {}
        for table in TABLES:
            if table.name in SHOWN:
                rows = await self.fetch(f"SELECT * FROM fingerpost.{table.name}")  # noqa: S608
                found[table.name] = comparable(table.name, {tuple(row) for row in rows})
                assert len(rows) == len(found[table.name])
        return found

    async def checkpoint(self) -> int:
        with suppress(asyncpg.InvalidSchemaNameError, asyncpg.UndefinedTableError):
            return int(await self.value("SELECT checkpoint FROM fingerpost.projection_status"))
        return -1


def comparable(name: str, rows: Rows) -> Rows:
    """Return rows whose JSON is written in one way."""
    if name != "variants":
        return rows
    return {(*row[:3], json.dumps(json.loads(row[3]), sort_keys=True), row[4]) for row in rows}


@pytest.fixture
def database(postgres_dsn: str) -> Database:
    return Database(postgres_dsn)


@pytest.fixture
def caught_up(log: Log, database: Database) -> CaughtUp:
    async def both() -> tuple[int, int]:
        checkpoint = await database.checkpoint()
        # Read each time: of a process that was killed a last event may come in only now.
        return checkpoint, (await log.js.stream_info("EVENTS")).state.last_seq

    async def known() -> bool:
        # The log hears of it a moment later; until then it seems to be read, and is not moved.
        version = await database.value("SELECT version FROM fingerpost.projection_status")
        with suppress(NotFoundError):
            durable = analytics_consumer(version).durable
            info = await log.js.consumer_info(EVENTS.name, durable)
            return not (info.num_pending or info.num_ack_pending)
        return True

    async def wait() -> int:
        checkpoint, _ = await until(both, lambda seen: seen[0] == seen[1], seconds=60)
        await until(known, bool, seconds=60)
        return checkpoint

    return wait


@pytest.fixture
def following(log: Log, postgres_dsn: str) -> Following:
    """Return what runs a new projector for as long as its context lasts."""
    return lambda: running(Projector(postgres_dsn), log.connection)


@dataclass
class Analytics:
    """The service as a process."""

    process: Process
    url: str


@pytest_asyncio.fixture
async def analytics(nats_url: str, postgres_dsn: str, tmp_path: Path) -> AsyncIterator[Analytics]:
    port = free_port()
    environment = {
        **os.environ,
        "NATS_URL": nats_url,
        "POSTGRES_DSN": postgres_dsn,
        "FINGERPOST_HTTP_PORT": str(port),
    }
    log = tmp_path / "analytics.log"
    process = Warm("analytics", "analytics", log=log, environment=environment)
    process.start()
    yield Analytics(process, f"http://127.0.0.1:{port}")
    await process.stop()
