"""Figures of the whole walk on this machine: `.venv/bin/python tests/bench/walk.py`.

Start to ready, resident memory of each service, and the time from a person's tap to the row that an
analyst can read (the Telegram sandbox, the webhook, the log and the projection lie between).
"""

import asyncio
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import asyncpg

from sandbox.client import Sandbox
from stack.local import LocalStack, Options
from stack.scene import PROMOS, YOU

TAPS = 200
PAUSE_SECONDS = 0.02


async def main() -> None:
    """Run everything once and print the figures."""
    folder = Path(tempfile.mkdtemp())
    stack = LocalStack(Options(folder=folder, environment=dict(os.environ), every="10s"))
    begun = perf_counter()
    await stack.start()
    try:
        show("start to ready", f"{perf_counter() - begun:.1f} s")
        times = await tap_to_row(stack)
        for name, service in stack.services.items():
            show(f"resident memory of {name}", f"{resident(service.pid):.0f} MB")
    finally:
        await stack.stop()
        if stack.postgres:
            stack.postgres.remove()
        shutil.rmtree(folder)
    times.sort()
    show(f"tap to row, median of {TAPS}", f"{statistics.median(times) * 1000:.1f} ms")
    show(f"tap to row, p99 of {TAPS}", f"{times[int(TAPS * 0.99) - 1] * 1000:.1f} ms")


async def tap_to_row(stack: LocalStack) -> list[float]:
    """Return the seconds from each tap until its row was visible."""
    chat = PROMOS[0].chat_id
    connection = await asyncpg.connect(stack.postgres_dsn)
    async with Sandbox(stack.urls["sandbox"]) as sandbox:
        while not (messages := await sandbox.messages(chat)):
            await asyncio.sleep(0.1)
        message = messages[0]["message_id"]
        times = [await one(connection, sandbox, chat, message, n) for n in range(TAPS)]
    await connection.close()
    return times


async def one(
    connection: asyncpg.Connection, sandbox: Sandbox, chat: int, message: int, before: int
) -> float:
    """Tap once; return the seconds until there is one row more than `before`."""
    await asyncio.sleep(PAUSE_SECONDS)
    begun = perf_counter()
    tapping = asyncio.create_task(sandbox.tap(YOU, chat, message, follow=False))
    while await connection.fetchval("SELECT count(*) FROM fingerpost.clicks") == before:
        await asyncio.sleep(0.001)
    seconds = perf_counter() - begun
    await tapping
    return seconds


def resident(pid: int) -> float:
    """Return the resident memory of a process, in MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


def show(name: str, value: str) -> None:
    """Print one figure."""
    sys.stdout.write(f"{name:<34}{value:>10}\n")


if __name__ == "__main__":
    asyncio.run(main())
