"""Analytics with more and more events: their fold, what the tables take, and a page over them."""

from datetime import timedelta

import asyncpg

from bench.growth.curves import Figure, Growth
from bench.projecting import live, pages
from bench.projecting.scene import filled_log, mixed, new_database, scene
from bench.rows import progress
from contracts.examples import SLOT
from contracts.streams import EVENTS

SIZES = {"small": (1_000, 10_000), "full": (1_000, 10_000, 100_000, 1_000_000)}
FOLDED, TABLES, LOG = "folded", "tables and indexes", "log on disk"
_LOOKED_AT = SLOT + timedelta(days=7)
_TABLES = """
SELECT sum(pg_total_relation_size(oid)) FROM pg_class
WHERE relnamespace = 'fingerpost_v1'::regnamespace AND relkind = 'r'
"""
_MEGABYTE = 1024 * 1024


async def measure(size: str) -> Growth:
    """Fold logs of each size, nine in ten events of them taps."""
    folded, tables, log_size, first, again = [], [], [], [], []
    async with scene() as here:
        for count in SIZES[size]:
            progress(f"analytics with {count:,} events")
            async with new_database(here) as dsn, filled_log(mixed(count)) as log:
                folded.append((count, await live.ours(dsn, log)))
                tables.append((count, await _sized(dsn) / _MEGABYTE))
                state = (await log.js.stream_info(EVENTS.name)).state
                log_size.append((count, state.bytes / _MEGABYTE))
                drawn, asked = await pages.drawn(dsn, "/", clock=lambda: _LOOKED_AT)
                first.append((count, drawn))
                again.append((count, asked))
    return Growth(
        "taps",
        "Analytics by events",
        "events",
        "Of 100 events 90 are taps, 5 starts, 3 payments, and one delivery is due and sent. The"
        " rate has the start of the projector in it, which counts where events are few.",
        (
            Figure(FOLDED, "events/s", tuple(folded)),
            Figure(TABLES, "MB", tuple(tables)),
            Figure(LOG, "MB", tuple(log_size)),
            Figure("overview, drawn first", "ms", tuple(first)),
            Figure("overview, asked again", "ms", tuple(again)),
        ),
    )


async def _sized(dsn: str) -> int:
    connection = await asyncpg.connect(dsn)
    try:
        return int(await connection.fetchval(_TABLES))
    finally:
        await connection.close()
