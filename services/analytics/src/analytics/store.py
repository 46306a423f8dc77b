"""Writes one version of the projection: rows and the checkpoint over them, in one transaction.

Two fences, either of which is enough: the advisory lock of the connection that also writes, and
the checkpoint, which moves only from where this writer left it, and not once it was replaced.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import asyncpg

from analytics.domain.fold import Entry, Tables, Touched, fold, touched
from analytics.domain.guard import Checkpoint
from analytics.domain.messages import Decoded, quarantined
from analytics.domain.packing import BITS
from analytics.domain.rows import CampaignRow, DeliveryRow
from analytics.postgres import Postgres, connect
from analytics.schema import name_of
from analytics.schema.stretches import repack
from analytics.schema.tables import (
    CAMPAIGNS,
    CLICKS,
    CONVERSIONS,
    DELIVERIES,
    FORGOTTEN,
    QUARANTINE,
    STARTS,
    STRETCHES,
    TABLES,
    VARIANTS,
    Table,
)

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


class CheckpointMovedError(RuntimeError):
    """Somebody else folded the same messages; nothing of this batch was written."""


class Store:
    """One connection that writes one version; not for concurrent use.

    `bulk`: rows that never change are copied, into tables that have no keys yet.
    """

    def __init__(self, connection: Postgres, version: int, *, bulk: bool = False) -> None:
        self.connection = connection
        self.version = version
        self._bulk = bulk
        self._schema = name_of(version)
        self._sql = _statements(version)

    @classmethod
    @asynccontextmanager
    async def open(cls, dsn: str, version: int, *, bulk: bool = False) -> AsyncIterator["Store"]:
        """Connect for as long as the context lasts."""
        async with connect(dsn, "projector") as connection:
            yield cls(connection, version, bulk=bulk)

    def on_lost(self, tell: Callable[[str], None]) -> None:
        """Call `tell` as soon as the connection, and with it the lock, is gone."""
        self.connection.add_termination_listener(lambda _: tell("Postgres ended the connection"))

    async def lead(self) -> bool:
        """Become the one who folds, until the connection ends; False: somebody else is."""
        return await lead(self.connection, self._schema)

    async def checkpoint(self) -> Checkpoint:
        """Return how far the log was folded."""
        row = await self.connection.fetchrow(self._sql.checkpoint)
        return Checkpoint(*row)

    async def write(self, batch: Sequence[Decoded], before: Checkpoint, after: Checkpoint) -> None:
        """Fold `batch` and move the checkpoint, or neither.

        Raises CheckpointMovedError, one of UNFIT where an event cannot be folded, and TimeoutError
        after WRITE_SECONDS.
        """
        async with asyncio.timeout(WRITE_SECONDS), self.connection.transaction():
            # First, so that its row lock keeps out whoever would change what is read next.
            moved = await self.connection.execute(
                self._sql.move,
                *(before.sequence, after.sequence, after.identity),
                *(after.stream_created, after.behind),
            )
            if moved != "UPDATE 1":
                raise CheckpointMovedError(
                    f"the checkpoint of version {self.version} is no longer {before.sequence},"
                    " or another version was given to analysts"
                )
            run = [Entry(item.message.sequence, item.event) for item in batch if item.event]
            tables = fold(await self._present(touched(run)), run)
            await self.save(tables)
            unread = [quarantined(d.message, d.problem) for d in batch if not d.event]
            kept = [row for row in unread if row.sequence not in tables.replaced]
            await self._insert(QUARANTINE, kept)

    async def save(self, tables: Tables) -> None:
        """Write rows: where one is there, it is replaced if it may change, else it stays.

        What a forgotten person did is removed first; in bulk only when the tables are finished.
        """
        if tables.replaced:
            await self._remove(list(tables.replaced))
        await self._insert(CAMPAIGNS, tables.campaigns.values())
        await self._insert(VARIANTS, tables.variants.values())
        await self._insert(DELIVERIES, tables.deliveries.values())
        await self._insert(CLICKS, tables.clicks.values())
        await self._insert(STARTS, tables.starts.values())
        await self._insert(CONVERSIONS, tables.conversions.values())
        await self._insert(FORGOTTEN, tables.forgotten.values())
        taps = {row.sequence for row in tables.clicks.values()}
        starts = {row.sequence for row in tables.starts.values()}
        turns = {row.sequence for row in tables.conversions.values()}
        places = tables.replaced | taps | starts | turns
        await self.repack(places, gone=bool(tables.replaced))

    async def repack(self, places: Collection[int], *, gone: bool) -> None:
        """Pack anew the stretches of these places of the log, in which acts are new, or `gone`.

        In bulk nothing is packed before the tables are finished.
        """
        stretches = sorted({place >> BITS for place in places})
        if self._bulk or not stretches:
            return
        if gone:
            await self.connection.execute(self._sql.unpack, stretches)
        await self.connection.execute(self._sql.repack, stretches)

    async def _remove(self, places: list[int]) -> None:
        await self.connection.execute(
            f"DELETE FROM {self._schema}.quarantine WHERE sequence = ANY($1)",  # noqa: S608
            places,
        )
        for table in () if self._bulk else (CLICKS, STARTS, CONVERSIONS):
            await self.connection.execute(self._sql.remove[table], places)

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
        rows: list[asyncpg.Record] = await self.connection.fetch(
            self._sql.select[table], list(keys)
        )
        return rows

    async def _insert(self, table: Table, rows: Collection[tuple[Any, ...]]) -> None:
        if not rows:
            return
        if self._bulk and table.copied:
            await self.connection.copy_records_to_table(
                table.name,
                schema_name=self._schema,
                columns=[column.name for column in table.columns],
                records=rows,
            )
        else:
            await self.connection.execute(self._sql.insert[table], *zip(*rows, strict=True))


async def lead(connection: Postgres, name: str) -> bool:
    """Take the lock of `name` until the connection ends; False: somebody else holds it."""
    locked: bool = await connection.fetchval(
        "SELECT pg_try_advisory_lock(hashtextextended($1, 0))", name
    )
    return locked


@dataclass(frozen=True)
class _Statements:
    checkpoint: str
    move: str
    select: dict[Table, str]
    insert: dict[Table, str]
    remove: dict[Table, str]
    repack: str
    unpack: str


@cache
def _statements(version: int) -> _Statements:
    schema = name_of(version)
    return _Statements(
        checkpoint=f"SELECT sequence, identity, stream_created FROM {schema}.checkpoint",  # noqa: S608
        move=(
            f"UPDATE {schema}.checkpoint SET sequence = $2, identity = $3, stream_created = $4,"  # noqa: S608
            " behind = $5, updated_at = clock_timestamp()"
            " WHERE sequence = $1 AND replaced_at IS NULL"
        ),
        select={table: _select(schema, table) for table in (CAMPAIGNS, DELIVERIES)},
        insert={table: _insert(schema, table) for table in TABLES},
        remove={
            table: f"DELETE FROM {schema}.{table.name} WHERE sequence = ANY($1) AND user_id > 0"  # noqa: S608
            for table in (CLICKS, STARTS, CONVERSIONS)
        },
        repack=repack(schema),
        unpack=f"DELETE FROM {schema}.{STRETCHES.name} WHERE stretch = ANY($1)",  # noqa: S608
    )


def _select(schema: str, table: Table) -> str:
    columns = ", ".join(column.name for column in table.columns)
    return f"SELECT {columns} FROM {schema}.{table.name} WHERE {table.key} = ANY($1)"  # noqa: S608


def _insert(schema: str, table: Table) -> str:
    names = ", ".join(column.name for column in table.columns)
    arrays = ", ".join(f"${n}::{column.type}[]" for n, column in enumerate(table.columns, start=1))
    values = table.columns[table.keys :]
    replaced = ", ".join(f"{column.name} = excluded.{column.name}" for column in values)
    action = f"UPDATE SET {replaced}" if table.changes else "NOTHING"
    return (
        f"INSERT INTO {schema}.{table.name} ({names})"  # noqa: S608  names of our own
        f" SELECT * FROM unnest({arrays}) ON CONFLICT ({table.key}) DO {action}"
    )
