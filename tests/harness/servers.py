"""Real servers for tests: `NATS_URL` and `POSTGRES_DSN` where set, else the embedded binaries.

`TEST_SERVERS=containers` asks for servers in containers instead of the binaries.

Each test has a log of its own (a fresh nats-server, or a stream that is deleted first) and a
database of its own.
"""

import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import asyncpg
import nats
from nats.aio.client import Client
from nats.js.errors import NotFoundError

from contracts.streams import BUCKETS, EVENTS
from stack.nats_server import NatsServer
from stack.ports import free_port
from stack.postgres_server import PostgresServer

if IN_CONTAINERS := os.environ.get("TEST_SERVERS") == "containers":
    from harness import containers  # slow to import


@asynccontextmanager
async def nats_url(folder: Path) -> AsyncIterator[str]:
    """Yield the URL of a NATS server whose log is empty."""
    external = os.environ.get("NATS_URL") or (containers.nats_url() if IN_CONTAINERS else None)
    if external:
        await _forget_log(external)
        yield external
        return
    async with nats_server(folder) as server:
        yield server.url


@asynccontextmanager
async def nats_server(folder: Path) -> AsyncIterator[NatsServer]:
    """Yield a nats-server that a test may stop, kill and start again; none is left behind."""
    server = embedded_nats(folder)
    try:
        await server.start()
        yield server
    finally:
        await server.process.kill()


def embedded_nats(folder: Path) -> NatsServer:
    """Return a nats-server that a test starts, kills and starts again, and ends."""
    return NatsServer(folder / "nats", port=free_port(), monitor_port=free_port())


async def _forget_log(url: str) -> None:
    client = await nats.connect(url)
    try:
        for name in (EVENTS.name, *(f"KV_{bucket.name}" for bucket in BUCKETS)):
            with suppress(NotFoundError):
                await client.jetstream().delete_stream(name)
    finally:
        await client.close()


@asynccontextmanager
async def postgres_dsn(folder: Path) -> AsyncIterator[str]:
    """Yield the DSN of a PostgreSQL server, for the whole session."""
    external = os.environ.get("POSTGRES_DSN")
    if external or IN_CONTAINERS:
        yield external or containers.postgres_dsn()
        return
    server = PostgresServer(folder / "postgres", port=free_port(), password="tests")
    await server.start()
    try:
        yield server.dsn
    finally:
        await server.process.stop()
        server.remove()


@asynccontextmanager
async def database(server_dsn: str) -> AsyncIterator[str]:
    """Yield the DSN of a new, empty database; it is dropped afterwards."""
    name = f"test_{uuid.uuid4().hex}"
    await _execute(server_dsn, f"CREATE DATABASE {name}")
    try:
        yield server_dsn.rsplit("/", 1)[0] + f"/{name}"
    finally:
        await _execute(server_dsn, f"DROP DATABASE {name} WITH (FORCE)")


async def _execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Client]:
    """Yield a client connected to `url`."""
    client = await nats.connect(url)
    try:
        yield client
    finally:
        await client.close()
