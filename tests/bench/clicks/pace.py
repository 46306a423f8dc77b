"""How long a tap waits when taps come at their own pace."""

from bench.clicks import load, scene, taps
from bench.rows import Row, progress, quantile, row

RATE = 1_000
SECONDS = 15
CONNECTIONS = 100
AIM_MS = 30
_WARM = 500


async def measure() -> list[Row]:
    """Return the quantiles of the time from the moment of a tap to its answer."""
    progress(f"{RATE:,} taps a second for {SECONDS} s, at random moments")
    async with scene.ours() as server:
        await load.closed(server.port, taps.taps(_WARM, first=0), connections=CONNECTIONS)
        found = await load.paced(
            server.port,
            taps.taps(RATE * SECONDS, first=_WARM),
            rate=RATE,
            connections=CONNECTIONS,
        )
    found.all_ended(200)
    times = [second * 1000 for second in found.seconds]
    return [
        row(f"p50 of a tap at {RATE:,}/s", [quantile(times, 0.5)], "ms"),
        row(f"p99 of a tap at {RATE:,}/s", [quantile(times, 0.99)], "ms", at_most=AIM_MS),
        row(f"longest of a tap at {RATE:,}/s", [max(times)], "ms"),
        row(f"answered a second at {RATE:,}/s", [found.per_second], "taps/s"),
    ]
