"""How long a sender needs until it is ready, and the memory it takes."""

import asyncio
import sys
from collections import defaultdict
from time import perf_counter

from bench.rows import Row, progress, row
from bench.sending.scene import scene

READY = "start until ready"


async def measure(rounds: int) -> list[Row]:
    """Return the start beside the import of aiogram alone (floor), and the memory."""
    found = defaultdict[str, list[float]](list)
    for number in range(1, rounds + 1):
        progress(f"start of the sender, round {number} of {rounds}")
        async with scene(1) as here, here.sender() as running:
            found[READY].append(running.seconds_to_ready)
            found["cpu"].append(running.cpu())
            found["resident"].append(running.resident())
            found["peak"].append(running.peak())
        begun = perf_counter()
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", "import aiogram")
        await process.wait()
        found["import"].append(perf_counter() - begun)
    return [
        row(READY, found[READY], "s", floor=found["import"]),
        row("processor time of a start", found["cpu"], "s"),
        row("resident memory when ready", found["resident"], "MB"),
        row("peak memory of a start", found["peak"], "MB"),
    ]
