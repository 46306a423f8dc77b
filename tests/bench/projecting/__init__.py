"""Analytics beside bare statements (floor), and beside FastStream and `eventsourcing` (peers).

All fold the same taps into the same table `clicks` of this very Postgres, as it ships: every commit
is on disk. The log is read, never written, while it is measured.
"""

from bench.projecting import live, pages, rebuilding
from bench.projecting.scene import scene
from bench.rows import Row

ROUNDS = 3


async def measure() -> list[Row]:
    """Measure all of it; takes about ten minutes."""
    async with scene() as here:
        return [
            *await pages.measure(here, ROUNDS),
            *await live.measure(here, ROUNDS),
            *await rebuilding.measure(here),
        ]
