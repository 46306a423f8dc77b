"""Outbound edge: asks the tables what a page shows, each page at one instant of theirs."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from analytics import schema
from analytics.dashboard import statements
from analytics.domain.acts import Acts, Packed
from analytics.domain.chart import Chart, Scale, Week, draw, scale, week
from analytics.domain.figures import Figures
from analytics.domain.filters import LATE, Cursor, Filter, Span, span, zone
from analytics.domain.tally import Keys, Posts, Revenue, Tally
from analytics.reports import QUERY_SECONDS, Pooled, Row, SlowError

PAGE_ROWS = 50
_STRETCHES = 256
"""Read at a time: some 3 MB. More are no faster."""
_LATE_MS = LATE // timedelta(milliseconds=1)


@dataclass(frozen=True)
class Question:
    """A filter at a moment: what the statements are asked with."""

    filter: Filter
    now: datetime

    @property
    def span(self) -> Span:
        """The period."""
        return span(self.filter, self.now)

    @property
    def values(self) -> tuple[datetime, datetime, str | None, str | None, str | None]:
        """The values of $1 to $5."""
        asked, period = self.filter, self.span
        return (
            period.start,
            period.end,
            asked.campaign or None,
            asked.kind or None,
            asked.channel.lower() or None,
        )

    @property
    def chosen(self) -> bool:
        """Whether some of the posts were chosen."""
        return any(self.values[2:])

    @property
    def late(self) -> tuple[int, datetime]:
        """The values by which a delivery is late."""
        return _LATE_MS, self.now - LATE


@dataclass(frozen=True)
class Choices:
    """What can be chosen in the filter, and how far the tables are."""

    campaigns: list[Row]
    channels: list[str]
    status: Row

    def campaign(self, name: str) -> Row | None:
        """Return the campaign of an id."""
        return next((row for row in self.campaigns if row["campaign"] == name), None)


async def choices(connection: Pooled) -> Choices:
    """Return what every page shows."""
    return Choices(
        await connection.fetch(statements.CAMPAIGNS),
        [row["channel"] for row in await connection.fetch(statements.CHANNELS)],
        await status(connection),
    )


async def status(connection: Pooled) -> Row:
    """Return the row of `projection_status`."""
    row: Row = await connection.fetchrow(statements.STATUS)
    return row


async def tally(
    connection: Pooled, asked: Question, *, by: Sequence[Keys] = ()
) -> tuple[Tally, int]:
    """Return what people did in the period, and how many conversions are due to no post.

    Of a choice of posts there are none. Raises SlowError.
    """
    posts = [Posts(*row) for row in await connection.fetch(statements.POSTS, *asked.values)]
    credited = await connection.fetchrow(statements.CREDITS, *asked.values)
    earned = [Revenue(**{**row, "amount": Decimal(row["amount"])}) for row in credited["revenue"]]
    counted = Tally(posts, earned, by=by, chosen=asked.chosen)
    traced = Packed(*credited[:3])
    try:
        async with asyncio.timeout(QUERY_SECONDS):
            while not counted.whole:
                await _add_all(connection, asked, counted, traced)
    except TimeoutError:
        raise SlowError(f"acts were counted for {QUERY_SECONDS} s") from None
    return counted, 0 if asked.chosen else credited["uncredited"]


async def _add_all(connection: Pooled, asked: Question, counted: Tally, traced: Packed) -> None:
    """Add every act, some stretches at a time, while Postgres sends the next ones.

    In another thread: the process goes on folding.
    """

    def add(packed: list[Packed]) -> None:
        counted.add(Acts.read(packed, asked.span))

    cursor = await connection.cursor(statements.PACKED, *asked.values[:2])
    packed = [traced]
    while packed:
        rows, _ = await asyncio.gather(cursor.fetch(_STRETCHES), asyncio.to_thread(add, packed))
        packed = [Packed(*row) for row in rows]
    await asyncio.to_thread(counted.settle)


async def figures(counted: Tally, keys: Keys) -> tuple[list[Figures], Figures]:
    """Return the figures of each group, those with the most taps first, and of all together."""
    return await asyncio.to_thread(counted.figures, keys)


async def chart(counted: Tally, asked: Question) -> Chart:
    """Return taps, conversions and posts over the period."""
    axis: Scale = scale(counted.first, asked.span, asked.now, zone(asked.filter.zone))
    return draw(axis, await asyncio.to_thread(counted.trend, axis))


async def hours(counted: Tally, asked: Question) -> Week:
    """Return the taps of each hour of the week."""
    return week(await asyncio.to_thread(counted.hours, zone(asked.filter.zone)), "taps")


async def states(connection: Pooled, asked: Question) -> dict[str, int]:
    """Return how many deliveries of the period are in each state, are late, were withdrawn."""
    rows = await connection.fetch(statements.STATES, *asked.values, *asked.late)
    found = {row["state"]: row["count"] for row in rows}
    return found | {name: _sum(row[name] for row in rows) for name in ("late", "withdrawn")}


async def deliveries(
    connection: Pooled, asked: Question, aspect: str, after: Cursor | None
) -> tuple[list[Row], Cursor | None]:
    """Return a page of deliveries, the newest first, and where the next page begins."""
    place = (after.at, after.key) if after else (None, None)
    rows = await connection.fetch(
        f"{statements.DELIVERIES} LIMIT {PAGE_ROWS + 1}", *asked.values, *asked.late, aspect, *place
    )
    return _page(rows, "scheduled_for", "delivery")


async def journey(
    connection: Pooled, person: int, after: Cursor | None
) -> tuple[list[Row], Cursor | None]:
    """Return a page of what a person did, the newest first, and where the next page begins."""
    place = (after.at, after.key) if after else (None, None)
    rows = await connection.fetch(f"{statements.JOURNEY} LIMIT {PAGE_ROWS + 1}", person, *place)
    return _page(rows, "at", "key")


async def quarantine(connection: Pooled, version: int) -> list[Row]:
    """Return the newest messages that could not be folded."""
    query = statements.QUARANTINE.format(schema=schema.name_of(version))
    rows: list[Row] = await connection.fetch(f"{query} LIMIT {PAGE_ROWS}")
    return rows


def _page(rows: list[Row], at: str, key: str) -> tuple[list[Row], Cursor | None]:
    shown = rows[:PAGE_ROWS]
    more = len(rows) > len(shown)
    return shown, Cursor(shown[-1][at], shown[-1][key]) if more else None


def _sum(values: Iterable[Any]) -> int:
    return sum(values)
