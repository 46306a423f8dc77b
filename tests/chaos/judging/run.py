"""Reads a run folder: what the world wrote down, as it wrote it. README.md has its format."""

import base64
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

Json = Mapping[str, Any]

STRANGERS = frozenset({"forged", "stale", "malformed"})
"""Routes of requests that nobody may believe."""


class UnreadableRunError(ValueError):
    """The folder is no run, or was not written to its end."""


CLOCK_NOISE = 2.0
"""Clocks may differ by a second, and asking the log for its time may leave one more in doubt."""


@dataclass(frozen=True)
class Message:
    """One message of the log as it stands there; `document` None: its bytes are no JSON."""

    sequence: int
    subject: str
    headers: Mapping[str, str]
    stored_at: float
    document: Any
    raw: bytes = b""

    @property
    def is_garbage(self) -> bool:
        """Whether the world put it in, to be undecodable."""
        return self.headers.get("Chaos") == "garbage"


@dataclass(frozen=True)
class Request:
    """What came from outside, and what clicks answered; `status` None: no answer was seen."""

    id: int
    at: float
    route: str
    payload: Any
    expects: str
    marker: str | None
    status: int | None = None
    body: str = ""
    click_id: str | None = None

    @property
    def answered(self) -> bool:
        """Whether somebody was told that it is done."""
        if self.route == "follow":
            return self.status == 302
        if self.status != 200:
            return False
        return not (self.route == "convert" and '"refused"' in self.body)


@dataclass(frozen=True)
class Shown:
    """All tables and views at one moment."""

    tables: Mapping[str, Sequence[Json]]
    views: Mapping[str, Sequence[Json]]


@dataclass(frozen=True)
class Forgotten:
    """What was left of `people` who asked to be forgotten: in the log, and in what was shown.

    It was shown as soon as that was done, and again after the tables were built anew.
    """

    people: Sequence[int]
    log: Sequence[Message]
    shown: Sequence[Shown]


@dataclass(frozen=True)
class Run:
    """One run."""

    about: Json
    history: Sequence[Json]
    log: Sequence[Message]
    posts: Sequence[Json]
    tables: Mapping[str, Sequence[Json]]
    views: Mapping[str, Sequence[Json]] = field(default_factory=dict)
    truncation: Json | None = None
    forgotten: Forgotten | None = None

    def of(self, what: str) -> Iterator[Json]:
        """Yield the records of one kind, in their order."""
        return (record for record in self.history if record["what"] == what)

    @cached_property
    def requests(self) -> Sequence[Request]:
        """All requests with their answers."""
        answers = {record["id"]: record for record in self.of("answer")}
        return [_request(asked, answers.get(asked["id"], {})) for asked in self.of("request")]

    @property
    def checkpoint(self) -> int:
        """The sequence up to which the tables hold the log."""
        rows = self.tables.get("checkpoint", ())
        return int(rows[0]["sequence"]) if rows else 0


def clock_noise(run: Run, service: str, at: float) -> float:
    """Return by how much a replica of `service` may have been wrong about the log's time `at`."""
    wrong = any(
        jump["target"].startswith(service) and jump["from"] <= at <= jump["to"] + CLOCK_NOISE
        for jump in run.about.get("clock_jumps") or ()
    )
    return CLOCK_NOISE if wrong else 0.0


def clock_error(run: Run, service: str, since: float, until: float) -> float:
    """Return by how much the own clock of a replica of `service` was wrong then, at most."""
    return max(
        (
            abs(jump["seconds"])
            for jump in run.about.get("clock_jumps") or ()
            if jump["target"].startswith(service)
            and jump["from"] <= until
            and since <= jump["to"] + CLOCK_NOISE
        ),
        default=0.0,
    )


def _request(asked: Json, answer: Json) -> Request:
    return Request(
        id=asked["id"],
        at=asked["at"],
        route=asked["route"],
        payload=asked["payload"],
        expects=asked["expects"],
        marker=asked.get("marker"),
        status=answer.get("status"),
        body=str(answer.get("body") or ""),
        click_id=answer.get("click_id"),
    )


def read(folder: Path) -> Run:
    """Read a run folder; raises UnreadableRunError, which says what it lacks."""
    try:
        truncation, forgotten = folder / "truncate.json", folder / "forgotten"
        return Run(
            about=_document(folder / "run.json"),
            history=_lines(folder / "history.jsonl"),
            log=_log(folder),
            posts=_lines(folder / "posts.jsonl"),
            tables=_tables(folder / "tables"),
            views=_tables(folder / "tables/views"),
            truncation=_document(truncation) if truncation.exists() else None,
            forgotten=_forgotten(forgotten) if forgotten.exists() else None,
        )
    except (OSError, KeyError, ValueError) as error:
        raise UnreadableRunError(f"{folder}: {error!r}") from error


def _forgotten(folder: Path) -> Forgotten:
    shown = (folder / "tables", folder / "rebuilt")
    return Forgotten(
        people=_document(folder / "people.json")["people"],
        log=_log(folder),
        shown=[Shown(_tables(tables), _tables(tables / "views")) for tables in shown],
    )


def _log(folder: Path) -> list[Message]:
    return [_message(line) for line in _lines(folder / "log.jsonl")]


def _tables(folder: Path) -> dict[str, Sequence[Json]]:
    # Amounts of money are compared exactly.
    return {path.stem: _lines(path, number=Decimal) for path in sorted(folder.glob("*.jsonl"))}


def _document(path: Path) -> Json:
    document: Json = json.loads(path.read_text())
    return document


def _lines(path: Path, *, number: Callable[[str], object] = float) -> list[Json]:
    # Not `splitlines`: a text may hold what Unicode takes for the end of a line.
    lines = path.read_text(encoding="utf-8").split("\n")
    return [json.loads(line, parse_float=number) for line in lines if line]


def _message(line: Json) -> Message:
    raw = base64.b64decode(line["raw"]) if "raw" in line else b""
    return Message(
        line["seq"], line["subject"], line["headers"], line["time"], line.get("data"), raw
    )
