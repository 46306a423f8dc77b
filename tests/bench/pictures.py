"""The picture of a report: what has a peer, or an aim in floors, beside them."""

from bench.drawing import Bars, Group, bars
from bench.report import Part, Report
from bench.rows import Row

WORDS = ("ours", "peer", "floor (the least the machine needs)")
_LONGEST = 64


def bench(report: Report) -> str:
    """Draw what was compared, however it came out; figures of one part and unit share a scale."""
    groups = [group for part in report.parts for group in _groups(part)]
    return bars("Fingerpost beside its floors and peers (log scale)", WORDS, groups)


def _groups(part: Part) -> list[Group]:
    compared = [row for row in part.rows if _compared(row)]
    units = dict.fromkeys(row.unit for row in compared)
    return [
        Group(
            f"{part.name}, {_read(unit)}", tuple(_bars(row) for row in compared if row.unit == unit)
        )
        for unit in units
    ]


def _compared(row: Row) -> bool:
    return row.value is not None and (row.peer is not None or row.aim.endswith("floor"))


def _read(unit: str) -> str:
    return f"{unit} (more is better)" if unit.endswith("/s") else f"{unit} (less is better)"


def _bars(row: Row) -> Bars:
    name = row.name if len(row.name) <= _LONGEST else f"{row.name[: _LONGEST - 1]}…"
    return Bars(name, (row.value, row.peer, row.floor))
