"""Taps and links at clicks, beside raw publishing and aiogram's own webhook handler.

The measured program has a core of its own; the log, the sandbox and the load share the others. A
disk that is busy with other work shows in all figures of a round alike: rounds take turns.
"""

from bench.clicks import pace, rows, throughput
from bench.rows import Row

ROUNDS = 3


async def measure() -> list[Row]:
    """Measure all of it; takes about three minutes."""
    return [*await throughput.measure(ROUNDS), *await pace.measure(), *await rows.measure()]
