"""What a unit of work costs in messages, transactions and calls: counted, not timed.

The services run as processes at real servers, and the servers count: NATS by connection, Postgres
by table and database, the sandbox by its calls. A count is the same on every machine, or lies in
known bounds, so that a test can hold it.
"""

from bench.counting import folding, posting, scheduling, tapping
from bench.counting.counts import Count
from bench.rows import Row, progress

PARTS = {
    "the scheduler": scheduling.count,
    "the sender": posting.count,
    "clicks": tapping.count,
    "analytics": folding.count,
}


async def measure() -> list[Row]:
    """Count all of it; takes about two minutes."""
    found: list[Count] = []
    for name, part in PARTS.items():
        progress(f"counting what {name} does")
        found += await part()
    return [count.row() for count in found]
