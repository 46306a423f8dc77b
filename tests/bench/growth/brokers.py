"""The log on one server and on three: what is acknowledged a second, many publishes under way."""

from bench.growth.curves import Figure, Growth
from bench.rows import progress
from bench.storing import brokers, publishing

AT_ONCE = (1, 32, 1_024)
COUNTS = {"small": {1: 200, 32: 1_000, 1_024: 3_000}, "full": {1: 1_000, 32: 8_000, 1_024: 20_000}}
RATE = f"{AT_ONCE[-1]:,} at once"


async def measure(size: str) -> Growth:
    """Publish clicks raw to a log that is kept once, and to one that is kept three times."""
    found: dict[int, list[tuple[float, float]]] = {at_once: [] for at_once in AT_ONCE}
    for replicas, opened in ((1, brokers.one), (3, brokers.three)):
        progress(f"a log kept {replicas} times")
        async with opened() as js:
            for at_once in AT_ONCE:
                rate = await publishing.published(js, COUNTS[size][at_once], at_once)
                found[at_once].append((replicas, rate))
    return Growth(
        "brokers",
        "Publishes by replicas of the log",
        "replicas of the log",
        "Each acknowledged once it is on disk, of three servers on two. All three share this"
        " machine's disk and cores. One client; a server alone syncs each event, a cluster what it"
        " agreed on at once.",
        tuple(
            Figure(f"{at_once:,} at once", "events/s", tuple(points))
            for at_once, points in found.items()
        ),
    )
