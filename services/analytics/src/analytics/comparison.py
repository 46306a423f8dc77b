"""Compares the tables of two versions, row by row, in the columns that both have.

Postgres adds up hashes of the rows first; only tables whose sums differ are read, key by key.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from analytics.domain.differences import Difference, differences
from analytics.postgres import Postgres
from analytics.schema import name_of
from analytics.schema.tables import QUARANTINE, TABLES, Table

_MOST = 20
_COLUMNS = """
SELECT a.attname FROM pg_attribute a
WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped
"""


@dataclass(frozen=True)
class TableComparison:
    """One table in both versions; `differences` are the first ones only."""

    table: str
    rows: int
    differences: tuple[Difference, ...]


async def compare(
    one: Postgres, version: int, other: Postgres, other_version: int
) -> list[TableComparison]:
    """Compare two versions that stand at the same place, each as its connection sees it."""
    found = []
    for table in TABLES:
        shared = await _shared(one, version, other, other_version, table)
        if table is QUARANTINE or len(shared) <= table.keys:
            continue
        sums = [
            await _sum(connection, number, table, shared)
            for connection, number in ((one, version), (other, other_version))
        ]
        unequal: tuple[Difference, ...] = ()
        if sums[0] != sums[1]:
            left = rows(one, version, table, shared)
            right = rows(other, other_version, table, shared)
            unequal = tuple(
                [d async for d in differences(table.name, shared, table.keys, left, right, _MOST)]
            )
        found.append(TableComparison(table.name, sums[0][0], unequal))
    return found


async def rows(
    connection: Postgres, version: int, table: Table, columns: tuple[str, ...]
) -> AsyncIterator[tuple[Any, ...]]:
    """Yield the rows of a table by its key, in the order of its bytes; within a transaction."""
    names = ", ".join(columns)
    order = ", ".join(f'{column.name}::text COLLATE "C"' for column in table.columns[: table.keys])
    query = f"SELECT {names} FROM {name_of(version)}.{table.name} ORDER BY {order}"  # noqa: S608
    async for record in connection.cursor(query, prefetch=1_000, timeout=None):
        yield tuple(record)


async def _shared(
    one: Postgres, version: int, other: Postgres, other_version: int, table: Table
) -> tuple[str, ...]:
    """Return the columns that both have, the key first."""
    names = [
        {row[0] for row in await connection.fetch(_COLUMNS, f"{name_of(number)}.{table.name}")}
        for connection, number in ((one, version), (other, other_version))
    ]
    return tuple(column.name for column in table.columns if column.name in names[0] & names[1])


async def _sum(
    connection: Postgres, version: int, table: Table, columns: tuple[str, ...]
) -> tuple[int, Any]:
    row = ", ".join(columns)
    found = await connection.fetchrow(
        f"SELECT count(*), sum(hashtextextended(({row})::text, 0)::numeric)"  # noqa: S608
        f" FROM {name_of(version)}.{table.name}",
        timeout=None,
    )
    return found[0], found[1]
