"""`python -m analytics rebuild` of a long log: its rate, and its memory halfway and at the end."""

import asyncio
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import psutil

from bench.projecting.scene import Log, Scene, filled_log, mixed, new_database
from bench.rows import Row, progress, row
from stack.process import Process

EVENTS = 1_000_000
AIM = 30_000
_LOOK_SECONDS = 0.2
_MEGABYTE = 1024 * 1024


@dataclass(frozen=True)
class Rebuild:
    """How long it took, and the resident memory over its run, in MB."""

    seconds: float
    memory: list[float]


async def measure(here: Scene) -> list[Row]:
    """Rebuild once from the whole log, and once from a tenth of it for the memory."""
    progress(f"filling a log with {EVENTS:,} mixed events")
    async with filled_log(mixed(EVENTS)) as log, filled_log(mixed(EVENTS // 10)) as tenth:
        whole = await _rebuild(here, log)
        part = await _rebuild(here, tenth)
    return [
        row(
            f"rebuild of {EVENTS:,} mixed events, indexes and swap included",
            [EVENTS / whole.seconds],
            "events/s",
            at_least=AIM,
        ),
        row(
            "its peak memory, floor: of a tenth of the events",
            [max(whole.memory)],
            "MB",
            floor=[max(part.memory)],
            times_floor=1.2,
        ),
    ]


async def _rebuild(here: Scene, log: Log) -> Rebuild:
    async with new_database(here) as dsn:
        environment = {**os.environ, "NATS_URL": log.url, "POSTGRES_DSN": dsn}
        command = (sys.executable, "-m", "analytics", "rebuild")
        told = here.folder / "rebuild.log"
        process = Process("rebuild", command, log=told, environment=environment)
        memory: list[float] = []
        begun = perf_counter()
        process.start()
        while process.running:
            memory.append(_resident(process.pid))
            await asyncio.sleep(_LOOK_SECONDS)
        seconds = perf_counter() - begun
        if process.exit_status:
            raise RuntimeError(f"the rebuild failed\n{process.tail()}")
        _tell(told, seconds)
        return Rebuild(seconds, memory)


def _resident(pid: int) -> float:
    try:
        return float(psutil.Process(pid).memory_info().rss) / _MEGABYTE
    except psutil.NoSuchProcess:
        return 0.0


def _tell(told: Path, seconds: float) -> None:
    last = [line for line in told.read_text().splitlines() if "copying" in line][-1:]
    progress(f"rebuilt in {seconds:.1f} s; {''.join(last)}")
