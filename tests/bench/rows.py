"""What a part of the bench says: rows, a table for people, a JSON file for machines."""

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import median
from time import perf_counter

_BEGUN = perf_counter()


@dataclass(frozen=True)
class Row:
    """One figure; None where there is none, or no answer came.

    `floor` is the least that the machine needs for the same work, `peer` another program doing it,
    `ratio` our value by the floor.
    """

    name: str
    value: float | None
    unit: str
    floor: float | None
    peer: float | None
    ratio: float | None
    aim: str
    reached: bool | None


def row(
    name: str,
    values: Sequence[float],
    unit: str,
    *,
    floor: Sequence[float] = (),
    peer: Sequence[float] = (),
    at_most: float | None = None,
    at_least: float | None = None,
    times_floor: float | None = None,
) -> Row:
    """Make a row of the medians over the rounds, with an aim for the value or for the ratio.

    Without values, as the work did not end in its time, an aim is missed.
    """
    value, least, other = (_median(found) for found in (values, floor, peer))
    ratio = value / least if value is not None and least else None
    if at_most is not None:
        aim, reached = f"<= {at_most:g} {unit}", value is not None and value <= at_most
    elif at_least is not None:
        aim, reached = f">= {at_least:g} {unit}", value is not None and value >= at_least
    elif times_floor is not None:
        aim, reached = f"<= {times_floor:g} x floor", ratio is not None and ratio <= times_floor
    else:
        return Row(name, value, unit, least, other, ratio, "", None)
    return Row(name, value, unit, least, other, ratio, aim, reached)


def quantile(values: Iterable[float], share: float) -> float:
    """Return the least value that at least `share` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]


def table(rows: Sequence[Row]) -> str:
    """Return the rows as aligned text."""
    heads = [field.name for field in fields(Row)]
    lines = [heads, *([_cell(cell) for cell in asdict(one).values()] for one in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    words = {heads.index(name) for name in ("name", "unit", "aim", "reached")}
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column in words else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def save(rows: Sequence[Row], file: Path) -> None:
    """Write the rows as JSON."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps([asdict(one) for one in rows], indent=2) + "\n")


def progress(text: str) -> None:
    """Say on standard error what is being measured now."""
    sys.stderr.write(f"[{perf_counter() - _BEGUN:6.1f} s] {text}\n")
    sys.stderr.flush()


def _median(values: Sequence[float]) -> float | None:
    return median(values) if values else None


def _cell(value: float | str | None) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "NO"
        case str():
            return value
        case _:
            return f"{value:.2f}"
