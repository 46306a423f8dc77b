"""Who asks for little reads little: the plans of selective queries over 200,000 clicks."""

import json
from collections.abc import Iterator
from typing import Any

import asyncpg

from analytics.store import Store
from analytics.versions import Versions

from .conftest import Database

CLICKS = 200_000
POSTS = 20_000

_FILL = f"""
INSERT INTO fingerpost_v1.deliveries
    (delivery, campaign, kind, variant, channel, scheduled_for, day, state, attempts, sent_at)
SELECT 'd' || n, 'c' || n % 100, 'promo', 'v' || n % 3, '@channel' || n % 7, at, at::date, 'sent', 1, at
FROM generate_series(0, {POSTS} - 1) AS n,
     LATERAL (SELECT timestamptz '2026-01-01' + n * interval '10 min' AS at) AS planned;
INSERT INTO fingerpost_v1.clicks
SELECT 'cta.clicked.callback.' || n, n, 'd' || n % {POSTS}, 0, n % 30000, 'callback', 'human', 1, 1,
       timestamptz '2026-01-01' + n * interval '1 min'
FROM generate_series(1, {CLICKS}) AS n;
INSERT INTO fingerpost_v1.starts
SELECT 'bot.started.1.' || n, n, 'd' || n % {POSTS}, 0, n % 30000, 1,
       timestamptz '2026-01-01' + n * interval '10 min' FROM generate_series(1, 20000) AS n;
INSERT INTO fingerpost_v1.conversions
    (event_id, sequence, source, source_id, kind, amount, currency, user_id, delivery, occurred_at)
SELECT 'conversion.recorded.stars.' || n, n, 'stars', n, 'payment', 250, 'XTR', n % 30000,
       CASE WHEN n % 10 > 0 THEN 'd' || n % {POSTS} END,
       timestamptz '2026-01-01' + n * interval '20 min' FROM generate_series(1, 10000) AS n;
"""  # noqa: E501, S608

SELECTIVE = [
    "promo_conversion WHERE campaign = 'c7' AND day = '2026-02-01'",
    "promo_conversion WHERE day = '2026-02-01'",
    "promo_conversion WHERE campaign = 'c7'",
    "variant_performance WHERE campaign = 'c7'",
    "funnel WHERE campaign = 'c7' AND variant = 'v1'",
    "user_journey WHERE user_id = 77 ORDER BY at DESC LIMIT 50",
    "attribution WHERE user_id = 77",
    "attribution WHERE conversion = 'conversion.recorded.stars.70'",
    "attribute('30 days', 'linear') WHERE user_id = 77",
    "clicks WHERE delivery = 'd77'",
    "clicks WHERE user_id = 77 ORDER BY clicked_at DESC LIMIT 50",
    "clicks WHERE clicked_at BETWEEN '2026-02-01' AND '2026-02-02'",
    "deliveries WHERE campaign = 'c7' AND variant = 'v1'",
    "deliveries WHERE state = 'failed'",
    "deliveries ORDER BY scheduled_for DESC NULLS LAST LIMIT 20",
]


async def test_selective_queries_read_neither_all_clicks_nor_all_deliveries(
    postgres_dsn: str, database: Database
) -> None:
    async with Store.open(postgres_dsn, 1) as store:
        await Versions(store.connection).begin(1)
        await store.connection.execute(_FILL, timeout=None)
        await store.connection.execute("VACUUM ANALYZE", timeout=None)

        plans = {query: await _plan(store.connection, query) for query in SELECTIVE}
        whole = await _plan(store.connection, "clicks WHERE cta = 5")

    read = {query: set(_scanned(plan)) for query, plan in plans.items()}
    assert {query: found for query, found in read.items() if found} == {}
    assert set(_scanned(whole)) == {"clicks"}


async def _plan(connection: "asyncpg.Connection[asyncpg.Record]", query: str) -> dict[str, Any]:
    explain = f"EXPLAIN (FORMAT json) SELECT * FROM fingerpost.{query}"  # noqa: S608  our own
    text = await connection.fetchval(explain)
    plan: dict[str, Any] = json.loads(text)[0]["Plan"]
    return plan


def _scanned(plan: dict[str, Any]) -> Iterator[str]:
    """Yield the large tables that a plan reads from end to end."""
    if plan["Node Type"] == "Seq Scan" and plan["Relation Name"] in {"clicks", "deliveries"}:
        yield plan["Relation Name"]
    for part in plan.get("Plans", []):
        yield from _scanned(part)
