"""The scheduler as it ships: the process `python -m scheduler`, driven through the log alone."""

import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from time import perf_counter

import psutil

from bench.scheduling.stored import Log, Message
from stack.ports import free_port
from stack.process import Process

_MEGABYTE = 1024 * 1024


@dataclass(frozen=True)
class Running:
    """One replica that says that it is ready."""

    pid: int
    seconds_to_ready: float
    log_file: Path

    def resident(self) -> float:
        """Return the resident memory now, in MB."""
        return float(psutil.Process(self.pid).memory_info().rss) / _MEGABYTE

    def peak(self) -> float:
        """Return the highest resident memory so far, in MB."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024

    def acknowledged(self) -> dict[str, float]:
        """Return when each delivery was acknowledged, where the process says so in its log."""
        found = {}
        for line in self.log_file.read_text().splitlines():
            if '"slot due"' in line:
                entry = json.loads(line)
                moment = datetime.fromisoformat(entry["timestamp"])
                found[entry["correlation_id"]] = moment.timestamp()
        return found


@asynccontextmanager
async def scheduler(
    log: Log, *, file: Path | None = None, ready: float, name: str = "scheduler"
) -> AsyncIterator[Running]:
    """Run one replica, ready; raises StartError where it is not within `ready` seconds."""
    port = free_port()
    kept = {n: v for n, v in os.environ.items() if not n.startswith("FINGERPOST_")}
    process = Process(
        name,
        [sys.executable, "-m", "scheduler"],
        log=log.folder / f"{name}.log",
        environment={
            **kept,
            "NATS_URL": log.url,
            "FINGERPOST_HTTP_PORT": str(port),
            "FINGERPOST_CAMPAIGNS": str(file or ""),
        },
    )
    begun = perf_counter()
    process.start()
    try:
        await process.answers(f"http://127.0.0.1:{port}/readyz", ready)
        yield Running(process.pid, perf_counter() - begun, log.folder / f"{name}.log")
    finally:
        await process.stop()


def acknowledgements(running: Running, messages: Sequence[Message]) -> list[float]:
    """Return by how many seconds each acknowledgement was late; empty where they are not seen."""
    moments = running.acknowledged()
    seen = [moments[m.delivery] - m.due for m in messages if m.delivery in moments]
    return seen if len(seen) == len(messages) else []
