"""Outbound edge: asks the tables what a page shows, each page at one instant of theirs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from analytics import schema
from analytics.dashboard import statements
from analytics.domain.chart import Chart, Scale, Week, draw, scale, week
from analytics.domain.figures import Figures
from analytics.domain.filters import LATE, Cursor, Filter, Span, span, zone
from analytics.reports import Pooled, Row

PAGE_ROWS = 50
_LATE_MS = LATE // timedelta(milliseconds=1)
_CHART = ("Taps", "Conversions", "Posts")


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


async def figures(
    connection: Pooled, keys: tuple[str, ...], asked: Question
) -> tuple[list[Figures], Figures]:
    """Return the figures of each group, those with the most taps first, and of all together."""
    acts, posts, revenue = statements.figures(keys)
    groups: dict[tuple[str | None, ...], Figures] = {}
    for query in (posts, acts):
        for row in await connection.fetch(query, *asked.values):
            values = {name: value for name, value in row.items() if value is not None}
            key = tuple(row[name] for name in keys)
            groups[key] = replace(groups.get(key, Figures()), **values)
    for row in await connection.fetch(revenue, *asked.values):
        key = tuple(row[name] for name in keys)
        found = groups.get(key, Figures(**{name: row[name] for name in keys}))
        paid: Mapping[str, Decimal] = {**found.revenue, row["currency"]: row["amount"]}
        groups[key] = replace(found, revenue=paid)
    total = groups.pop(tuple(None for _ in keys), Figures())
    ordered = sorted(groups.items(), key=lambda item: (-item[1].clicks, -item[1].sent, item[0]))
    return [found for _, found in ordered], total


async def chart(connection: Pooled, asked: Question) -> Chart:
    """Return taps, conversions and posts over the period."""
    axis: Scale = scale(
        await connection.fetchval(statements.FIRST, *asked.values),
        asked.span,
        asked.now,
        zone(asked.filter.zone),
    )
    period = (max(asked.span.start, axis.moments[0]), *asked.values[1:])
    acts: dict[str, list[tuple[datetime, int]]] = {name: [] for name in _CHART}
    for row in await connection.fetch(statements.TREND, *period, asked.filter.zone, axis.unit):
        acts[row["name"]].append((row["moment"], row["count"]))
    return draw(axis, acts)


async def hours(connection: Pooled, asked: Question) -> Week:
    """Return the taps of each hour of the week."""
    rows = await connection.fetch(statements.WEEK, *asked.values, asked.filter.zone)
    return week(((row["day"], row["hour"], row["count"]) for row in rows), "taps")


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
