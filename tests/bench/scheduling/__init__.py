"""The scheduler beside raw publishing (floor) and APScheduler 3 (peer): `measure` gives the rows.

Each round has a fresh nats-server, and the three take turns, so that a disk that is slow for a
while is slow for all. The floor and the peer publish the very messages that our run left in the
log: same subjects, headers and bodies, with the same acknowledgement.
"""

from bench.rows import Row
from bench.scheduling import burst, lateness, startup

ROUNDS = 3


async def measure() -> list[Row]:
    """Measure all of it; takes about ten minutes."""
    return [
        *await lateness.measure(ROUNDS),
        *await burst.measure(ROUNDS),
        *await startup.measure(ROUNDS),
    ]
