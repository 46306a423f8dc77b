"""Measure how costs grow: `make growth SIZE=small`; `full` is the size of the results.

Each growth runs as a process of its own and is kept in `.fingerpost/growth`, so that one that
fails loses no other. `python -m bench.growth full taps` measures one; `python -m bench.growth page
[FOLDER]` writes GROWTH.md anew from what is kept.
"""

import json
import logging
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import Any

import structlog
import uvloop

from bench import machine
from bench.growth import curves, page
from bench.report import BUSY
from bench.rows import progress

PARTS = ("channels", "taps", "replicas", "brokers", "subjects")
"""Each is a module with `async def measure(size) -> Growth`."""

SIZES = ("small", "full")
FOLDER = Path(".fingerpost/growth")


def main(words: list[str]) -> int:
    """Exit status 1 where a growth failed, 2 where the words are wrong."""
    match words:
        case ["page"]:
            return write(FOLDER)
        case ["page", folder]:
            return write(Path(folder))
        case [size] if size in SIZES:
            return everything(size)
        case [size, part] if size in SIZES and part in PARTS:
            return measure(size, part)
    sys.stderr.write(f"SIZE is one of {', '.join(SIZES)}, a part one of {', '.join(PARTS)}\n")
    return 2


def everything(size: str) -> int:
    """Measure all, each in a process of its own, and write the page."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.glob("*.json"):
        old.unlink()
    about = {
        "size": size,
        "machine": machine.machine(),
        "date": datetime.now(UTC).isoformat(" ", "minutes"),
        "commit": machine.commit(),
        "versions": ", ".join(f"{name} {number}" for name, number in machine.versions().items()),
        "busy": _busy(machine.busy()),
    }
    (FOLDER / "about.json").write_text(json.dumps(about, indent=2) + "\n")
    failed = [part for part in PARTS if _apart(size, part)]
    write(FOLDER)
    for part in failed:
        progress(f"{part} failed; it is not on the page")
    return 1 if failed else 0


def measure(size: str, part: str) -> int:
    """Measure one growth, keep it and print its table."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    begun = perf_counter()
    found = uvloop.run(import_module(f"bench.growth.{part}").measure(size))
    found = replace(found, seconds=perf_counter() - begun)
    curves.save(found, FOLDER / f"{part}.json")
    sys.stdout.write(f"{curves.table(found)}\n")
    progress(f"{part}: {found.seconds:.0f} s")
    return 0


def write(folder: Path) -> int:
    """Write GROWTH.md and its pictures from what is kept."""
    kept = [FOLDER / f"{part}.json" for part in PARTS]
    found = [curves.load(file) for file in kept if file.exists()]
    if not (FOLDER / "about.json").exists():
        sys.stderr.write("nothing was measured yet: make growth\n")
        return 2
    about: dict[str, Any] = json.loads((FOLDER / "about.json").read_text())
    folder.mkdir(parents=True, exist_ok=True)
    page.write(folder, found, **about)
    progress(f"written to {folder}/GROWTH.md")
    return 0


def _apart(size: str, part: str) -> int:
    command = [sys.executable, "-m", "bench.growth", size, part]
    return subprocess.run(command, check=False).returncode


def _busy(programs: float) -> str:
    return f", on a loaded machine ({programs:.1f} programs a core)" if programs > BUSY else ""


sys.exit(main(sys.argv[1:]))
