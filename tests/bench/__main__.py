"""Measure the parts that are named (all without one): `make bench PART=scheduler`.

`python -m bench table [FOLDER]` measures nothing: it tells and draws anew what was measured last.
"""

import logging
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from time import perf_counter

import structlog
import uvloop

from bench import machine, pictures, report
from bench.report import Part
from bench.rows import progress, save, table

PARTS = {
    "scheduler": "bench.scheduling",
    "sender": "bench.sending",
    "clicks": "bench.clicks",
    "analytics": "bench.projecting",
    "log": "bench.storing",
    "counts": "bench.counting",
}
"""Each part is a module with `async def measure() -> list[Row]`."""

FOLDER = Path(".fingerpost/bench")
KEPT = FOLDER / "bench.json"


def main(words: list[str]) -> int:
    """Measure, tell and draw; exit status 1 where a part failed, 2 where the words are wrong."""
    if words[:1] == ["table"] and len(words) <= 2:
        return tell(Path(words[1]) if words[1:] else FOLDER)
    if unknown := sorted(set(words) - set(PARTS)):
        sys.stderr.write(f"no part {', '.join(unknown)}; there are: {', '.join(PARTS)}\n")
        return 2
    if len(words) == 1:
        measure(words[0])
        return 0
    # Each in a process of its own: one that fails, or is killed, takes no other with it.
    ended = {name: _apart(name) for name in words or PARTS}
    tell(FOLDER)
    return 1 if any(ended.values()) else 0


def measure(name: str) -> None:
    """Print the table of one part, and keep its rows in `.fingerpost/bench`."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    progress(f"measuring {name}")
    busy, begun = machine.busy(), perf_counter()
    rows = uvloop.run(import_module(PARTS[name]).measure())
    save(rows, FOLDER / f"{name}.json")
    _keep(Part(name, tuple(rows), seconds=perf_counter() - begun, busy=busy))
    sys.stdout.write(f"{table(rows)}\n")
    progress(f"written to {FOLDER / name}.json")


def tell(folder: Path) -> int:
    """Write all that was measured into `folder`, and print it; 1 where a part failed."""
    found = report.load(KEPT)
    folder.mkdir(parents=True, exist_ok=True)
    report.save(found, folder / KEPT.name)
    text = report.text(found, PARTS)
    (folder / "bench.txt").write_text(text)
    (folder / "bench.svg").write_text(pictures.bench(found))
    sys.stdout.write(text)
    progress(f"written to {folder}/bench.txt, bench.json and bench.svg")
    return 1 if found.failures else 0


def _apart(name: str) -> int:
    status = subprocess.run([sys.executable, "-m", "bench", name], check=False).returncode
    if status:
        progress(f"{name} failed: it ended with {status}")
        _keep(Part(name, failure=f"ended with {status}"))
    return status


def _keep(part: Part) -> None:
    now = datetime.now(UTC).isoformat(" ", "minutes")
    dated = replace(part, date=now, commit=machine.commit())
    kept = report.load(KEPT).having(dated, PARTS)
    report.save(report.Report(machine.machine(), machine.versions(), kept.parts), KEPT)


sys.exit(main(sys.argv[1:]))
