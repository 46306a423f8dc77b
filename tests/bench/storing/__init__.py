"""The log itself: events that a nats-server acknowledges, alone and as a cluster of three.

Each acknowledgement means that the event is on disk (`sync_interval: always`), of a cluster on two
of its three. The floor is the disk: writes of the same size, each synced. A cluster on one machine
shares its disk and its cores by three, so on machines of their own it takes more.
"""

from collections import defaultdict

from bench.rows import Row, progress, row
from bench.storing import brokers, publishing

ROUNDS = 3
AT_ONCE = (1, 32, 256, 1024)
EACH = {1: 500, 32: 4_000, 256: 8_000, 1024: 8_000}


async def measure(rounds: int = ROUNDS, part: float = 1.0) -> list[Row]:
    """Measure all of it; takes about a minute. `part` of the events are published."""
    rates = defaultdict[tuple[str, int], list[float]](list)
    for number in range(1, rounds + 1):
        rates["floor", 1].append(publishing.synced(count=int(EACH[1] * part)))
        for name, opened in (("one", brokers.one), ("three", brokers.three)):
            progress(f"publishes acknowledged by {name}, round {number} of {rounds}")
            async with opened() as js:
                for at_once in AT_ONCE:
                    count = int(EACH[at_once] * part)
                    rates[name, at_once].append(await publishing.published(js, count, at_once))
    return [
        row(
            f"acknowledged by {words}, {at_once:,} at once",
            rates[name, at_once],
            "events/s",
            floor=rates["floor", 1],
        )
        for name, words in (("one", "one server"), ("three", "a cluster of three"))
        for at_once in AT_ONCE
    ]
