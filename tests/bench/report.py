"""All parts as one report: kept as JSON, told as text. A part that failed says so, with no figures.

Each part has its own date, commit and load of the machine: parts may be measured one by one.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.rows import Row, table

BUSY = 2.0
"""More programs than this that want a core, for each core, are not the bench's own."""


@dataclass(frozen=True)
class Part:
    """What one part found, and when."""

    name: str
    rows: tuple[Row, ...] = ()
    date: str = ""
    commit: str = ""
    seconds: float = 0.0
    busy: float = 0.0
    failure: str = ""


@dataclass(frozen=True)
class Report:
    """The parts in the order in which they are told, and on what they were measured."""

    machine: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    parts: tuple[Part, ...] = ()

    def having(self, part: Part, order: Iterable[str]) -> "Report":
        """Return it with `part` in place of what it had of that name."""
        parts = {one.name: one for one in self.parts} | {part.name: part}
        names = [name for name in order if name in parts]
        return replace(self, parts=tuple(parts[name] for name in names))

    @property
    def failures(self) -> list[Part]:
        return [part for part in self.parts if part.failure]

    @property
    def missed(self) -> list[tuple[str, Row]]:
        """Return the figures that did not reach their aim, with their parts."""
        return [
            (part.name, row) for part in self.parts for row in part.rows if row.reached is False
        ]


def text(report: Report, order: Iterable[str] = ()) -> str:
    """Return the report for people; a part of `order` that it lacks is named."""
    aims = [row.reached for part in report.parts for row in part.rows if row.reached is not None]
    versions = ", ".join(f"{name} {number}" for name, number in report.versions.items())
    head = [report.machine, versions, "", f"{sum(aims)} of {len(aims)} aims reached"]
    head += [f"missed: {part}: {row.name}" for part, row in report.missed]
    head += [f"failed: {part.name}: {part.failure}" for part in report.failures]
    missing = set(order) - {part.name for part in report.parts}
    head += [f"not measured: {', '.join(sorted(missing))}"] if missing else []
    told = [f"{_title(part)}\n{table(part.rows)}" for part in report.parts if part.rows]
    return "\n\n".join(["\n".join(head), *told]) + "\n"


def _title(part: Part) -> str:
    loaded = f", on a loaded machine ({part.busy:.1f} programs a core)" if part.busy > BUSY else ""
    return f"{part.name}: {part.date}, commit {part.commit}, {part.seconds:.0f} s{loaded}"


def save(report: Report, file: Path) -> None:
    """Write the report as JSON; a crash leaves the one before or this one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(".draft")
    draft.write_text(json.dumps(asdict(report), indent=2) + "\n")
    draft.replace(file)


def load(file: Path) -> Report:
    """Read a report; an empty one where there is none yet."""
    if not file.exists():
        return Report()
    said: dict[str, Any] = json.loads(file.read_text())
    parts = [
        Part(**{**part, "rows": tuple(Row(**row) for row in part["rows"])})
        for part in said["parts"]
    ]
    return Report(said["machine"], said["versions"], tuple(parts))
