"""What is unequal between two tables that are read by their keys, side by side."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

Row = tuple[Any, ...]


@dataclass(frozen=True)
class Difference:
    """One row that is not the same on both sides; `here` or `there` None: it is missing there.

    Both hold the unequal columns only.
    """

    table: str
    key: tuple[Any, ...]
    here: dict[str, Any] | None
    there: dict[str, Any] | None


async def differences(
    table: str,
    columns: tuple[str, ...],
    keys: int,
    here: AsyncIterator[Row],
    there: AsyncIterator[Row],
    most: int,
) -> AsyncIterator[Difference]:
    """Yield at most so many differences of two sides that come in the order of their keys."""
    found = 0
    left, right = await anext(here, None), await anext(there, None)
    while found < most and (left is not None or right is not None):
        order = _order(left, right, keys)
        if order or (left and right and left != right):
            difference = _difference(table, columns, keys, left, right, order)
            if difference:
                found += 1
                yield difference
        if order <= 0:
            left = await anext(here, None)
        if order >= 0:
            right = await anext(there, None)


def _order(left: Row | None, right: Row | None, keys: int) -> int:
    """Return -1 where the left row comes first, 1 where the right one does, else 0."""
    if left is None or right is None:
        return 1 if left is None else -1
    one, other = _bytes(left[:keys]), _bytes(right[:keys])
    return (one > other) - (one < other)


def _bytes(key: Row) -> tuple[bytes, ...]:
    return tuple(str(part).encode() for part in key)


def _difference(
    table: str,
    columns: tuple[str, ...],
    keys: int,
    left: Row | None,
    right: Row | None,
    order: int,
) -> Difference | None:
    if order < 0 and left:
        return Difference(table, left[:keys], _shown(columns, left), None)
    if order > 0 and right:
        return Difference(table, right[:keys], None, _shown(columns, right))
    if left is None or right is None:
        return None
    unequal = [n for n in range(len(columns)) if not _same(left[n], right[n])]
    if not unequal:
        return None
    return Difference(
        table,
        left[:keys],
        _shown([columns[n] for n in unequal], [left[n] for n in unequal]),
        _shown([columns[n] for n in unequal], [right[n] for n in unequal]),
    )


def _shown(columns: Sequence[str], values: Sequence[Any]) -> dict[str, Any]:
    """Return the values by column; of bytes their number and a hash, which people can compare."""
    return {
        name: f"{len(value)} bytes, SHA-256 {sha256(value).hexdigest()[:8]}"
        if isinstance(value, bytes)
        else value
        for name, value in zip(columns, values, strict=True)
    }


def _same(one: Any, other: Any) -> bool:
    """Whether two values are the same; JSON may be written in several ways."""
    if one == other:
        return True
    if not (isinstance(one, str) and isinstance(other, str) and one[:1] in "[{" and one):
        return False
    try:
        return bool(json.loads(one) == json.loads(other))
    except ValueError:
        return False
