"""From a tap to the row that an analyst reads: clicks, the log, analytics and PostgreSQL."""

import asyncio
from time import perf_counter

import asyncpg

from bench.clicks import load, scene, taps
from bench.rows import Row, progress, quantile, row

RATE = 200
SECONDS = 15
CONNECTIONS = 50
AIM_MS = 50
_WARM = 200
_LIMIT_SECONDS = 30
_LOOK_SECONDS = 0.001
_NEW_ROWS = """
SELECT user_id FROM fingerpost.clicks WHERE clicked_at > now() - interval '5 seconds'
"""


async def measure() -> list[Row]:
    """Return the quantiles of the time from the moment of a tap until its row can be read."""
    progress(f"{RATE} taps a second for {SECONDS} s, each until its row is there")
    async with scene.ours() as server, scene.analytics(server.log) as dsn:
        await load.closed(server.port, taps.taps(_WARM, first=0), connections=CONNECTIONS)
        count = RATE * SECONDS
        looking = asyncio.create_task(_seen(dsn, count))
        found = await load.paced(
            server.port, taps.taps(count, first=_WARM), rate=RATE, connections=CONNECTIONS
        )
        seen = await looking
    found.all_ended(200)
    times = [
        (seen[taps.person(number)] - planned) * 1000
        for number, planned in enumerate(found.planned, start=_WARM)
    ]
    return [
        row(f"p50 from tap to row at {RATE}/s", [quantile(times, 0.5)], "ms"),
        row(f"p99 from tap to row at {RATE}/s", [quantile(times, 0.99)], "ms", at_most=AIM_MS),
        row(f"longest from tap to row at {RATE}/s", [max(times)], "ms"),
    ]


async def _seen(dsn: str, count: int) -> dict[int, float]:
    """Return when the row of each person's tap was first seen."""
    seen: dict[int, float] = {}
    before = {taps.person(number) for number in range(_WARM)}
    connection = await asyncpg.connect(dsn)
    async with asyncio.timeout(SECONDS + _LIMIT_SECONDS):
        while len(seen) < count:
            for record in await connection.fetch(_NEW_ROWS):
                if record["user_id"] not in before:
                    seen.setdefault(record["user_id"], perf_counter())
            await asyncio.sleep(_LOOK_SECONDS)
    await connection.close()
    return seen
