"""The dashboard's pages over a million taps: drawn for the first time, and asked for again."""

from functools import partial
from time import perf_counter

import asyncpg
import httpx
from starlette.applications import Starlette

from analytics.dashboard.pages import Pages
from analytics.dashboard.routes import Dashboard
from analytics.dashboard.tail import Tail
from analytics.reports import Reports
from analytics.schema import name_of
from analytics.schema.stretches import pack
from bench.projecting import loaded
from bench.projecting.scene import Scene, new_database
from bench.rows import Row, progress, row
from chassis.clock import Clock, utc_now

_PAGES = {
    "overview": "/",
    "overview of 7 days": "/?period=7d",
    "campaigns": "/campaigns",
    "a campaign": "/campaigns/campaign-2",
    "deliveries": "/deliveries",
    "failed deliveries": "/deliveries?state=failed",
    "a person": "/people/7000000123",
    "projection": "/projection",
}
_AIM_MS = 200


async def measure(here: Scene, rounds: int) -> list[Row]:
    """Measure each page; a page that is drawn first has every question to the tables in it."""
    async with new_database(here) as dsn:
        progress(f"making {loaded.CLICKS:,} taps for the pages")
        await loaded.load(dsn, utc_now())
        await _pack(dsn)
        floor = [await _counted(dsn) for _ in range(rounds)]
        found = []
        for name, address in _PAGES.items():
            progress(f"page: {name}")
            times = [await drawn(dsn, address) for _ in range(rounds)]
            first, again = zip(*times, strict=True)
            found.append(row(f"{name}, drawn first", first, "ms", floor=floor, at_most=_AIM_MS))
            found.append(row(f"{name}, asked again", again, "ms", at_most=_AIM_MS))
        return found


async def _pack(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(pack(name_of(1)), timeout=None)
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()


async def drawn(dsn: str, address: str, clock: Clock = utc_now) -> tuple[float, float]:
    """Return the milliseconds of a page that is drawn first, and asked for again."""
    reports = Reports(dsn)
    pages = Pages(reports, last_sequence=lambda: 0)
    dashboard = Dashboard(reports, pages, Tail(), clock=clock, stopping=lambda: False)
    transport = httpx.ASGITransport(app=Starlette(routes=list(dashboard.routes())))
    async with httpx.AsyncClient(transport=transport, base_url="http://bench") as client:
        await reports.check()
        ask = partial(_asked, client, address)
        times = await ask(), await ask()
    await reports.close()
    return times


async def _asked(client: httpx.AsyncClient, address: str) -> float:
    begun = perf_counter()
    answer = await client.get(address, timeout=60)
    answer.raise_for_status()
    return (perf_counter() - begun) * 1000


async def _counted(dsn: str) -> float:
    """Return how long the least takes that a figure over all taps can be: to count them."""
    connection = await asyncpg.connect(dsn)
    try:
        begun = perf_counter()
        await connection.fetchval("SELECT count(*) FROM fingerpost.clicks WHERE verdict = 'human'")
        return (perf_counter() - begun) * 1000
    finally:
        await connection.close()
