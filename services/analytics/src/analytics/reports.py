"""Reads what analysts read: the views of the schema `fingerpost`, and nothing else."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, TypeAlias

import asyncpg

from analytics.domain.chart import Scale, scale
from chassis.service import Connection

Row = Mapping[str, Any]
View = Literal["promo_conversion", "projection_status"]

_CONNECTIONS = 4
_CONNECT_SECONDS = 2
_QUERY_SECONDS = 12
_SESSION = {
    "application_name": "fingerpost-analytics-dashboard",
    "default_transaction_read_only": "on",
    "statement_timeout": "10000",
    "search_path": "fingerpost",
}
_STATUS = "SELECT version, checkpoint, last_event, updated_at, quarantined FROM projection_status"
_HEADLINE = """
SELECT (SELECT count(*) FROM deliveries WHERE state = 'sent') AS sent, clicks.*,
       (SELECT count(*) FROM starts) AS starts, conversions.*,
       (SELECT coalesce(jsonb_object_agg(currency, amount), '{}') FROM (
           SELECT currency, sum(amount) AS amount FROM conversions
           WHERE amount IS NOT NULL AND currency IS NOT NULL GROUP BY currency) AS sums) AS revenue
FROM (SELECT count(*) AS clicks, count(DISTINCT user_id) AS people, min(clicked_at) AS first_click
      FROM clicks WHERE verdict = 'human') AS clicks,
     (SELECT count(*) AS conversions, count(*) FILTER (WHERE delivery IS NULL) AS uncredited
      FROM conversions WHERE kind <> 'refund') AS conversions
"""
_VARIANTS = """
SELECT v.*, c.kind, c.title FROM variant_performance v JOIN campaigns c USING (campaign)
WHERE sent > 0 OR clicks > 0 ORDER BY c.kind, clicks DESC, campaign, variant
"""
_DELIVERIES = """
SELECT campaign, kind, variant, channel, state, reason, scheduled_for, latency_ms, audience
FROM deliveries ORDER BY scheduled_for DESC NULLS LAST, delivery LIMIT 12
"""
_CLICKS = """
SELECT date_bin($1, clicked_at, $2) AS moment, count(*) AS clicks
FROM clicks WHERE verdict = 'human' AND clicked_at >= $2 GROUP BY moment
"""
_AS_JSON: dict[View, str] = {
    "promo_conversion": """
        SELECT coalesce(json_agg(p ORDER BY day, campaign, variant, channel), '[]')
        FROM promo_conversion AS p
    """,
    "projection_status": "SELECT json_agg(p) FROM projection_status AS p",
}


Pooled: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"


@dataclass(frozen=True)
class Overview:
    """What the first page shows; all of it read at one instant."""

    headline: Row
    variants: list[Row]
    deliveries: list[Row]
    axis: Scale
    clicks: Mapping[datetime, int]
    status: Row


class Reports:
    """Queries of the dashboard; connects when first asked, and again after every fault."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._opened: asyncpg.Pool[asyncpg.Record] | None = None

    async def keep(self, _: Connection) -> None:
        """Keep the connections until cancelled, then close them: a part of the service."""
        try:
            await asyncio.Event().wait()
        finally:
            if self._opened:
                self._opened.terminate()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Pooled]:
        if self._opened is None:
            self._opened = asyncpg.create_pool(
                self._dsn,
                min_size=0,
                max_size=_CONNECTIONS,
                timeout=_CONNECT_SECONDS,
                command_timeout=_QUERY_SECONDS,
                server_settings=_SESSION,
                init=_read_json,
            )
        await self._opened
        async with self._opened.acquire(timeout=_QUERY_SECONDS) as connection:
            yield connection

    async def check(self) -> None:
        """Raise what keeps Postgres from answering."""
        async with self._connection() as connection:
            await connection.fetchval("SELECT 1")

    async def status(self) -> Row:
        """Return the row of `projection_status`."""
        async with self._connection() as connection:
            row: Row = await connection.fetchrow(_STATUS)
            return row

    async def overview(self, now: datetime) -> Overview:
        """Return everything for the first page, as it stood at one instant."""
        async with (
            self._connection() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            headline = await connection.fetchrow(_HEADLINE)
            axis = scale(headline["first_click"], now)
            clicks = await connection.fetch(_CLICKS, axis.step, axis.start)
            return Overview(
                headline=headline,
                variants=await connection.fetch(_VARIANTS),
                deliveries=await connection.fetch(_DELIVERIES),
                axis=axis,
                clicks={row["moment"]: row["clicks"] for row in clicks},
                status=await connection.fetchrow(_STATUS),
            )

    async def as_json(self, view: View) -> str:
        """Return a view's rows as the text of a JSON array, numbers as exact as in the table."""
        async with self._connection() as connection:
            text: str = await connection.fetchval(f"SELECT ({_AS_JSON[view]})::text")
            return text


async def _read_json(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=json.dumps,
        decoder=lambda text: json.loads(text, parse_float=Decimal),
    )
