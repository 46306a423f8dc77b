"""The tables and views as they were read, against the fold of the log: invariant 5."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from math import isclose
from typing import Any

from chaos.judging.facts import Fact, Facts, instant
from chaos.judging.folding import KEYS, Key, Row, Rows, fold
from chaos.judging.run import Json, Run
from chaos.judging.verdict import Broken, Judged
from chaos.judging.views import (
    CREDITS,
    FIGURES,
    credits_of,
    journey_of,
    stretches_of,
    views_of,
)

FOLDED = 5

_DIVIDING = 1e-9
"""Two machines may round a rate differently."""
_AS_IT_IS = (*KEYS, "stretches")
"""The views that show a table as it is."""


def judge_rows(run: Run, facts: Facts) -> Judged:
    """Compare every row, in every column that the fold knows, of tables and of views."""
    folded = fold(_until(facts.all, run.checkpoint))
    known = {
        **{name: (rows, run.tables.get(name, ()), KEYS[name]) for name, rows in folded.items()},
        **{
            name: (rows, run.views.get(name, ()), FIGURES[name])
            for name, rows in views_of(folded).items()
        },
    }
    broken: list[Broken] = []
    compared = 0
    for name, (rows, lines, key) in known.items():
        found = _keyed(lines, key)
        compared += len({*rows, *found})
        broken += _differences(name, rows, found)
        broken += _twice(name, lines, key)
    broken += [
        *_copies(run),
        *_attribution(run, folded),
        *_journey(run, folded),
        *_packed(run, folded),
        *_status(run),
    ]
    return Judged(FOLDED, compared, "rows", tuple(broken))


def _until(facts: Sequence[Fact], checkpoint: int) -> list[Fact]:
    return [fact for fact in facts if fact.sequence <= checkpoint]


def _keyed(rows: Sequence[Json], key: tuple[str, ...]) -> Rows:
    return {tuple(row.get(name) for name in key): row for row in rows}


def _twice(name: str, lines: Sequence[Json], key: tuple[str, ...]) -> Iterator[Broken]:
    if len(_keyed(lines, key)) != len(lines):
        yield Broken(FOLDED, f"{name} has two rows of one key", ())


def _copies(run: Run) -> Iterator[Broken]:
    """Compare the views that show a table as it is with that table."""
    for name in _AS_IT_IS:
        table, view = run.tables.get(name, ()), run.views.get(name, ())
        if bag(table) != bag(view):
            yield Broken(FOLDED, f"the view {name} does not show what its table has")


def bag(rows: Iterable[Row]) -> Counter[str]:
    """Return how often each row stands there, in whatever order."""
    return Counter(json.dumps(_plain(row), default=str, sort_keys=True) for row in rows)


def _attribution(run: Run, folded: Mapping[str, Rows]) -> Iterator[Broken]:
    lines = run.views.get("attribution", ())
    yield from _differences("attribution", credits_of(folded), _keyed(lines, CREDITS))
    yield from _twice("attribution", lines, CREDITS)


def _journey(run: Run, folded: Mapping[str, Rows]) -> Iterator[Broken]:
    steps, found = bag(journey_of(folded)), bag(run.views.get("user_journey", ()))
    for what, more in (("lacks", steps - found), ("has and must not", found - steps)):
        if more:
            yield Broken(FOLDED, f"user_journey {what} {more.total()} rows", tuple(more))


def _packed(run: Run, folded: Mapping[str, Rows]) -> Iterator[Broken]:
    """Count what is packed; what the dashboard reads of it is not unpacked here."""
    expected = stretches_of(folded)
    found = {int(row["stretch"]): _bytes_in(row["kinds"]) for row in run.tables["stretches"]}
    if found != expected or len(found) != len(run.tables["stretches"]):
        yield Broken(FOLDED, f"stretches hold {found} acts, and the log says {expected}")


def _bytes_in(text: str) -> int:
    return len(bytes.fromhex(text.removeprefix("\\x")))


def _status(run: Run) -> Iterator[Broken]:
    """The one row that tells of the projection tells what the tables hold."""
    aside = [row for row in run.tables.get("quarantine", ()) if row.get("dropped_at") is None]
    place = (run.tables.get("checkpoint") or [{}])[0]
    known = {
        "checkpoint": run.checkpoint,
        "last_event": place.get("identity"),
        "quarantined": len(aside),
    }
    rows = run.views.get("projection_status", ())
    if len(rows) != 1:
        yield Broken(FOLDED, f"projection_status has {len(rows)} rows")
    for row in rows:
        yield from _columns("projection_status", ("the only row",), known, row)


def _differences(table: str, rows: Rows, found: Rows) -> Iterator[Broken]:
    for key in rows.keys() | found.keys():
        if key not in found:
            yield Broken(FOLDED, f"{table} lacks a row that the log amounts to", (_named(key),))
        elif key not in rows:
            yield Broken(FOLDED, f"{table} has a row that the log does not have", (_named(key),))
        else:
            yield from _columns(table, key, rows[key], found[key])


def _columns(table: str, key: Key, row: Row, found: Row) -> Iterator[Broken]:
    for name, value in row.items():
        stands = found.get(name)
        if not _same(stands, value):
            sentence = f"{table}.{name} is {stands!r}, and the log says {value!r}"
            yield Broken(FOLDED, sentence, (_named(key),))


def _same(stands: Any, value: Any) -> bool:
    if isinstance(value, float) and isinstance(stands, int | float | Decimal):
        return isclose(stands, value, rel_tol=_DIVIDING)
    return bool(_plain(stands) == _plain(value))


def _named(key: Key) -> str:
    return " / ".join(str(part) for part in key)


def _plain(value: Any) -> Any:
    """Return a value as it compares: times and amounts are written in several ways."""
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float | Decimal):
        return Decimal(str(value)).normalize()
    return _moment(str(value))


def _moment(text: str) -> datetime | Decimal | str:
    try:
        if "T" in text and ":" in text:
            return instant(text)
        number = text.lstrip("-").replace(".", "", 1).isdecimal()
        return Decimal(text).normalize() if number else text
    except ValueError:
        return text
