"""The tables as they were read, against the fold of the log: invariants 5 and 7."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from chaos.judging.facts import Fact, Facts, instant
from chaos.judging.figures import VIEW_KEYS, VIEWS, figures_of
from chaos.judging.folding import KEYS, Key, Row, Rows, fold
from chaos.judging.run import Json, Run
from chaos.judging.verdict import Broken, Judged

FOLDED, SET_ASIDE = 5, 7


def judge_rows(run: Run, facts: Facts) -> Judged:
    """Compare every row, in every column that the fold knows, and every row of the figures."""
    folded = fold(_until(facts.all, run.checkpoint))
    broken: list[Broken] = []
    compared = 0
    for table, rows in folded.items():
        found = _keyed(run.tables.get(table, ()), KEYS[table])
        compared += len({*rows, *found})
        broken += _differences(table, rows, found)
    for view, kind in VIEWS.items():
        found = _keyed(run.views.get(view, ()), VIEW_KEYS)
        rows = figures_of(folded, kind)
        compared += len({*rows, *found})
        broken += _differences(view, rows, found)
    broken += _twice(run)
    return Judged(FOLDED, compared, "rows", tuple(broken))


def _until(facts: Sequence[Fact], checkpoint: int) -> list[Fact]:
    return [fact for fact in facts if fact.sequence <= checkpoint]


def _keyed(rows: Sequence[Json], key: tuple[str, ...]) -> Rows:
    return {tuple(row.get(name) for name in key): row for row in rows}


def _twice(run: Run) -> Iterator[Broken]:
    for table, key in KEYS.items():
        rows = run.tables.get(table, ())
        if len(_keyed(rows, key)) != len(rows):
            yield Broken(FOLDED, f"{table} has two rows of one key", ())


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
        if _plain(stands) != _plain(value):
            sentence = f"{table}.{name} is {stands!r}, and the log says {value!r}"
            yield Broken(FOLDED, sentence, (_named(key),))


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
        return Decimal(str(value))
    return _moment(str(value))


def _moment(text: str) -> datetime | Decimal | str:
    try:
        if "T" in text and ":" in text:
            return instant(text)
        return Decimal(text) if text.lstrip("-").replace(".", "", 1).isdecimal() else text
    except ValueError:
        return text


def judge_quarantine(run: Run, facts: Facts) -> Judged:
    """Set aside is what the world made unreadable, and nothing else."""
    garbage = {message.sequence: message for message in run.log if message.is_garbage}
    aside = {int(row["sequence"]): row for row in run.tables.get("quarantine", ())}
    broken = [
        Broken(SET_ASIDE, f"it {why}, and the world did not put it in", (f"#{m.sequence}",))
        for m, why in facts.unreadable
        if m.sequence not in garbage
    ]
    for sequence, message in garbage.items():
        if sequence > run.checkpoint:
            broken.append(Broken(SET_ASIDE, "the fold stopped before it", (f"#{sequence}",)))
        elif sequence not in aside:
            broken.append(Broken(SET_ASIDE, "it is not in quarantine", (f"#{sequence}",)))
        elif aside[sequence]["subject"] != message.subject:
            sentence = f"quarantine calls it {aside[sequence]['subject']}"
            broken.append(Broken(SET_ASIDE, sentence, (f"#{sequence}",)))
    for fault in run.of("fault"):
        if fault["kind"] == "garbage" and fault.get("sequence") not in {None, *garbage}:
            gone = f"#{fault['sequence']}"
            broken.append(Broken(SET_ASIDE, "the log took it, and does not have it", (gone,)))
    for sequence in aside.keys() - garbage.keys():
        why = str(aside[sequence].get("reason"))
        sentence = f"it is in quarantine ({why}), and the world did not make it unreadable"
        broken.append(Broken(SET_ASIDE, sentence, (f"#{sequence}",)))
    return Judged(SET_ASIDE, len(garbage), "undecodable messages", tuple(broken))
