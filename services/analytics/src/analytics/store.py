"""Writes the projection: rows and the checkpoint that covers them, in one transaction.

Two fences, either of which is enough: the advisory lock of the connection that also writes, and
the checkpoint, which moves only from where this writer left it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg

from analytics.domain.fold import Tables, Touched, fold, touched
from analytics.domain.guard import Checkpoint
from analytics.domain.messages import Decoded, quarantined
from analytics.domain.rows import CampaignRow, DeliveryRow
from analytics.schema import CREATE, DEFINITION, SCHEMA
from analytics.schema.tables import (
    CAMPAIGNS,
    CLICKS,
    CONVERSIONS,
    DELIVERIES,
    FORGOTTEN,
    QUARANTINE,
    STARTS,
    TABLES,
    VARIANTS,
    Table,
)

GONE = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)
"""What is raised while Postgres is out of reach, or refuses."""

UNFIT = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
    ArithmeticError,
    LookupError,
    ValueError,
)
"""What is raised for what stands in an event: by Postgres, or by the fold, which is pure."""

WRITE_SECONDS = 20
"""No write takes longer: the consumer hands over again what waits longer than its `ack_wait`."""

_CONNECT_SECONDS = 5
_CLOSE_SECONDS = 2
_STATEMENT_SECONDS = 60
# A host that vanished must not hold the lock for the two hours of the system's default.
_KEEPALIVE = {
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}

_MOVE_CHECKPOINT = f"""
UPDATE {SCHEMA}.checkpoint
SET sequence = $2, identity = $3, stream_created = $4, updated_at = clock_timestamp()
WHERE sequence = $1
"""  # noqa: S608  names of our own


class CheckpointMovedError(RuntimeError):
    """Somebody else folded the same messages; nothing of this batch was written."""


class Store:
    """One connection that writes; not for concurrent use."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._connection = connection

    @classmethod
    @asynccontextmanager
    async def open(cls, dsn: str) -> AsyncIterator["Store"]:
        """Connect for as long as the context lasts."""
        connection = await asyncpg.connect(
            dsn,
            timeout=_CONNECT_SECONDS,
            command_timeout=_STATEMENT_SECONDS,
            server_settings={"application_name": "fingerpost-analytics-projector", **_KEEPALIVE},
        )
        try:
            yield cls(connection)
        finally:
            with suppress(*GONE):
                await connection.close(timeout=_CLOSE_SECONDS)

    def on_lost(self, tell: Callable[[str], None]) -> None:
        """Call `tell` as soon as the connection, and with it the lock, is gone."""
        self._connection.add_termination_listener(lambda _: tell("Postgres ended the connection"))

    async def lead(self) -> bool:
        """Become the one who folds, until the connection ends; False: somebody else is."""
        locked: bool = await self._connection.fetchval(
            "SELECT pg_try_advisory_lock(hashtextextended($1, 0))", SCHEMA
        )
        return locked

    async def prepare(self) -> None:
        """Create what is missing of the schema. Views are left alone where nothing changed."""
        existing = await self._connection.fetchval(
            "SELECT obj_description(to_regnamespace($1), 'pg_namespace')", SCHEMA
        )
        if existing != DEFINITION:
            async with self._connection.transaction():
                await self._connection.execute(CREATE)
                await self._connection.execute(f"COMMENT ON SCHEMA {SCHEMA} IS '{DEFINITION}'")

    async def checkpoint(self) -> Checkpoint:
        """Return how far the log was folded."""
        row = await self._connection.fetchrow(
            f"SELECT sequence, identity, stream_created FROM {SCHEMA}.checkpoint"  # noqa: S608
        )
        return Checkpoint(*row)

    async def write(self, batch: Sequence[Decoded], before: Checkpoint, after: Checkpoint) -> None:
        """Fold `batch` and move the checkpoint, or neither.

        Raises CheckpointMovedError, one of UNFIT where an event cannot be folded, and TimeoutError
        after WRITE_SECONDS.
        """
        async with asyncio.timeout(WRITE_SECONDS), self._connection.transaction():
            # First, so that its row lock keeps out whoever would change what is read next.
            moved = await self._connection.execute(
                _MOVE_CHECKPOINT,
                *(before.sequence, after.sequence, after.identity, after.stream_created),
            )
            if moved != "UPDATE 1":
                raise CheckpointMovedError(f"the checkpoint is no longer {before.sequence}")
            events = [decoded.event for decoded in batch if decoded.event]
            await self._save(fold(await self._present(touched(events)), events))
            unread = [quarantined(d.message, d.problem) for d in batch if not d.event]
            await self._insert(QUARANTINE, unread)

    async def _present(self, keys: Touched) -> Tables:
        present = Tables()
        if keys.campaigns:
            rows = await self._rows(CAMPAIGNS, keys.campaigns)
            present.campaigns = {row["campaign"]: CampaignRow(*row) for row in rows}
        if keys.deliveries:
            rows = await self._rows(DELIVERIES, keys.deliveries)
            present.deliveries = {row["delivery"]: DeliveryRow(*row) for row in rows}
        return present

    async def _rows(self, table: Table, keys: Iterable[str]) -> list[asyncpg.Record]:
        rows: list[asyncpg.Record] = await self._connection.fetch(_SELECT[table], list(keys))
        return rows

    async def _save(self, tables: Tables) -> None:
        await self._insert(CAMPAIGNS, tables.campaigns.values())
        await self._insert(VARIANTS, tables.variants.values())
        await self._insert(DELIVERIES, tables.deliveries.values())
        await self._insert(CLICKS, tables.clicks.values())
        await self._insert(STARTS, tables.starts.values())
        await self._insert(CONVERSIONS, tables.conversions.values())
        await self._insert(FORGOTTEN, tables.forgotten.values())

    async def _insert(self, table: Table, rows: Collection[tuple[Any, ...]]) -> None:
        if rows:
            await self._connection.execute(_INSERT[table], *zip(*rows, strict=True))


def _select(table: Table) -> str:
    columns = ", ".join(column.name for column in table.columns)
    return f"SELECT {columns} FROM {SCHEMA}.{table.name} WHERE {table.key} = ANY($1)"  # noqa: S608


def _insert(table: Table) -> str:
    names = ", ".join(column.name for column in table.columns)
    arrays = ", ".join(f"${n}::{column.type}[]" for n, column in enumerate(table.columns, start=1))
    values = table.columns[table.keys :]
    replaced = ", ".join(f"{column.name} = excluded.{column.name}" for column in values)
    action = f"UPDATE SET {replaced}" if table.changes else "NOTHING"
    return (
        f"INSERT INTO {SCHEMA}.{table.name} ({names})"  # noqa: S608  names of our own
        f" SELECT * FROM unnest({arrays}) ON CONFLICT ({table.key}) DO {action}"
    )


_SELECT = {table: _select(table) for table in (CAMPAIGNS, DELIVERIES)}
_INSERT = {table: _insert(table) for table in TABLES}
