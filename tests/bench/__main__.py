"""Measure the parts that are named (all without one): `make bench PART=scheduler`."""

import logging
import sys
from importlib import import_module
from pathlib import Path

import structlog
import uvloop

from bench.rows import progress, save, table

PARTS = {
    "scheduler": "bench.scheduling",
    "sender": "bench.sending",
    "clicks": "bench.clicks",
    "analytics": "bench.projecting",
}
"""Each part is a module with `async def measure() -> list[Row]`."""

FOLDER = Path(".fingerpost/bench")


def main(names: list[str]) -> int:
    """Print one table a part, and write its rows to `.fingerpost/bench/<part>.json`."""
    if unknown := sorted(set(names) - set(PARTS)):
        sys.stderr.write(f"no part {', '.join(unknown)}; there are: {', '.join(PARTS)}\n")
        return 2
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    for name in names or PARTS:
        progress(f"measuring {name}")
        rows = uvloop.run(import_module(PARTS[name]).measure())
        save(rows, FOLDER / f"{name}.json")
        sys.stdout.write(f"{table(rows)}\n")
        progress(f"written to {FOLDER / name}.json")
    return 0


sys.exit(main(sys.argv[1:]))
