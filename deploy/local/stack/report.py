"""Reads the conversion tables as an analyst does, and prints them."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import asyncpg

from stack.tally import Key

Row = Mapping[str, object]
Table = Mapping[Key, Row]

_COUNTS = "sent, clicks, unique_clickers, starts, conversions, converters, revenue"
_RATES = "conversion_rate, conversion_rate_low, conversion_rate_high"
_QUERY = f"""
    SELECT campaign, variant, channel, day, {_COUNTS}, {_RATES} FROM fingerpost.promo_conversion
    UNION ALL
    SELECT campaign, variant, channel, day, {_COUNTS}, {_RATES} FROM fingerpost.guide_engagement
"""  # noqa: S608  constants only
_LOOK_SECONDS = 0.2


async def read_table(dsn: str) -> Table:
    """Return `promo_conversion` and `guide_engagement`, by campaign, variant, channel and day."""
    connection = await asyncpg.connect(dsn)
    try:
        records = await connection.fetch(_QUERY)
    finally:
        await connection.close()
    return {_key(record): _row(record) for record in records}


async def settled_table(
    dsn: str, differences: Callable[[Table], Awaitable[Sequence[str]]], seconds: float
) -> Table:
    """Return the table once it shows no `differences`, or as it stands after `seconds`."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        table = await read_table(dsn)
        if not await differences(table) or asyncio.get_running_loop().time() > deadline:
            return table
        await asyncio.sleep(_LOOK_SECONDS)


def show(table: Table) -> str:
    """Return the table as text."""
    heads = ("campaign", "variant", "sent", "clicks", "people", "starts", "paid", "Stars", "rate")
    lines = [heads, *(_line(key, table[key]) for key in sorted(table))]
    widths = [max(len(line[place]) for line in lines) for place in range(len(heads))]
    return "\n".join(_aligned(line, widths) for line in lines)


def _key(record: Mapping[str, Any]) -> Key:
    return record["campaign"], record["variant"], record["channel"], str(record["day"])


def _row(record: Mapping[str, Any]) -> Row:
    revenue = json.loads(record["revenue"])
    return {**record, "revenue": Decimal(str(revenue.get("XTR", 0)))}


def _line(key: Key, row: Row) -> tuple[str, ...]:
    numbers = ("sent", "clicks", "unique_clickers", "starts", "conversions", "revenue")
    return (key[0], key[1], *(str(row[name]) for name in numbers), _rate(row))


def _rate(row: Row) -> str:
    if row["conversion_rate"] is None:
        return "-"
    low, high = row["conversion_rate_low"], row["conversion_rate_high"]
    return f"{row['conversion_rate']:.0%} ({low:.0%}-{high:.0%})"


def _aligned(line: Sequence[str], widths: Sequence[int]) -> str:
    names = [cell.ljust(width) for cell, width in zip(line[:2], widths[:2], strict=True)]
    numbers = [cell.rjust(width) for cell, width in zip(line[2:], widths[2:], strict=True)]
    return "  ".join((*names, *numbers)).rstrip()
