"""Connections that read what analysts read, the views of the schema `fingerpost`; never write."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, TypeAlias

import asyncpg

from chassis.service import Connection

Row = Mapping[str, Any]

_CONNECTIONS = 8
_CONNECT_SECONDS = 2
QUERY_SECONDS = 32
_COUNTING, _WAITING = 2, 20
_SESSION = {
    "application_name": "fingerpost-analytics-dashboard",
    "default_transaction_read_only": "on",
    "statement_timeout": "30000",
    "search_path": "fingerpost",
    # People are told apart in memory; a plan fits the values that were asked for; and compiling
    # takes longer than what it speeds up.
    "work_mem": "64MB",
    "plan_cache_mode": "force_custom_plan",
    "jit": "off",
}
Pooled: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"


class BusyError(RuntimeError):
    """So many ask already that this one is not taken on; says of what."""


class SlowError(TimeoutError):
    """An answer took longer than anybody waits for it."""


class Reports:
    """Queries of the dashboard; connects when first asked, and again after every fault."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        # One is left for the check: who asks much must not make the service seem away.
        self._room = asyncio.Semaphore(_CONNECTIONS - 1)
        # Counting acts takes memory and a processor: more at once would be no faster.
        self._counting = asyncio.Semaphore(_COUNTING)
        self._taken = 0
        self._opened: asyncpg.Pool[asyncpg.Record] | None = None

    async def keep(self, _: Connection) -> None:
        """Keep the connections until cancelled, then close them: a part of the service."""
        try:
            await asyncio.Event().wait()
        finally:
            await self.close()

    async def close(self) -> None:
        """Close the connections at once; whoever asks again opens new ones."""
        opened, self._opened = self._opened, None
        if opened:
            opened.terminate()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Pooled]:
        """Lend a connection for as long as the context lasts."""
        async with admitted(self._room), self._lent() as connection:
            yield connection

    @asynccontextmanager
    async def _lent(self) -> AsyncIterator[Pooled]:
        if self._opened is None:
            self._opened = asyncpg.create_pool(
                self._dsn,
                min_size=0,
                max_size=_CONNECTIONS,
                timeout=_CONNECT_SECONDS,
                command_timeout=QUERY_SECONDS,
                server_settings=_SESSION,
                init=_read_json,
            )
        await self._opened
        async with self._opened.acquire(timeout=QUERY_SECONDS) as connection:
            yield connection

    @asynccontextmanager
    async def instant(self) -> AsyncIterator[Pooled]:
        """Lend a connection whose queries all see the tables as they stand at one instant."""
        async with (
            self.connection() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            yield connection

    @asynccontextmanager
    async def counting(self) -> AsyncIterator[Pooled]:
        """Lend such a connection to who counts acts: to two at once, while 20 wait for theirs.

        Raises BusyError where so many wait, or nobody is done for long. Who waits holds nothing.
        """
        if self._taken >= _COUNTING + _WAITING:
            raise BusyError(f"{_WAITING} pages wait already to be drawn")
        self._taken += 1
        try:
            async with _turn(self._counting), self.instant() as connection:
                yield connection
        finally:
            self._taken -= 1

    async def check(self) -> None:
        """Raise what keeps Postgres from answering."""
        async with self._lent() as connection:
            await connection.fetchval("SELECT 1")


@asynccontextmanager
async def _turn(room: asyncio.Semaphore) -> AsyncIterator[None]:
    """Take a place for as long as the context lasts; raises BusyError where none gets free."""
    try:
        async with asyncio.timeout(QUERY_SECONDS):
            await room.acquire()
    except TimeoutError:
        raise BusyError(f"no page was done for {QUERY_SECONDS} s") from None
    try:
        yield
    finally:
        room.release()


@asynccontextmanager
async def admitted(room: asyncio.Semaphore) -> AsyncIterator[None]:
    """Take a place for as long as the context lasts; raises TimeoutError where none gets free."""
    async with asyncio.timeout(QUERY_SECONDS):
        await room.acquire()
    try:
        yield
    finally:
        room.release()


async def _read_json(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=json.dumps,
        decoder=lambda text: json.loads(text, parse_float=Decimal),
    )
