"""Tables with a million clicks, made by the database itself: what the pages are measured on."""

from datetime import datetime

import asyncpg

from analytics.versions import Versions

CAMPAIGNS, SLOTS, CHANNELS, VARIANTS = 8, 180, 3, 3
"""Every four hours for 30 days, each of eight campaigns posts in each of three channels."""
CLICKS, STARTS, CONVERSIONS, PEOPLE = 1_000_000, 50_000, 30_000, 100_000

_FILL = f"""
INSERT INTO fingerpost_v1.campaigns (campaign, kind, title, zone, revision, state)
SELECT 'campaign-' || c, CASE WHEN c % 2 = 0 THEN 'promo' ELSE 'guide' END, 'Campaign ' || c,
       'Europe/Berlin', 1, 'active'
FROM generate_series(0, {CAMPAIGNS - 1}) AS c;
INSERT INTO fingerpost_v1.variants (campaign, variant, text, ctas, revision)
SELECT 'campaign-' || c, 'variant-' || v, 'text', '[]', 1
FROM generate_series(0, {CAMPAIGNS - 1}) AS c, generate_series(0, {VARIANTS - 1}) AS v;
INSERT INTO fingerpost_v1.deliveries (delivery, campaign, kind, variant, channel, revision,
       scheduled_for, day, ordinal, trigger, state, reason, attempts, sent_at, latency_ms, audience)
SELECT md5(c || '/' || s || '/' || h), 'campaign-' || c,
       CASE WHEN c % 2 = 0 THEN 'promo' ELSE 'guide' END, 'variant-' || s % {VARIANTS},
       '-100100000000' || h, 1, at, at::date, s, 'schedule',
       CASE WHEN s % 50 = 7 THEN 'failed' ELSE 'sent' END,
       CASE WHEN s % 50 = 7 THEN 'forbidden' END, 1,
       CASE WHEN s % 50 <> 7 THEN at + interval '350 ms' END,
       CASE WHEN s % 50 <> 7 THEN 350 END, 12000
FROM generate_series(0, {CAMPAIGNS - 1}) AS c, generate_series(0, {SLOTS - 1}) AS s,
     generate_series(0, {CHANNELS - 1}) AS h,
     LATERAL (SELECT $now$NOW$now$::timestamptz - (s + 0.5) * interval '4 h' AS at) AS slot;
INSERT INTO fingerpost_v1.clicks
       (event_id, sequence, delivery, cta, user_id, via, verdict, rule, message_id, clicked_at)
SELECT 'click-' || n, n, md5(n % {CAMPAIGNS} || '/' || n % {SLOTS} || '/' || n % {CHANNELS}),
       0, CASE WHEN n % 10 <> 0 THEN 7000000000 + hashint4(n)::bigint % {PEOPLE} END,
       CASE WHEN n % 10 <> 0 THEN 'callback' ELSE 'link' END,
       CASE WHEN n % 40 = 0 THEN 'robot' ELSE 'human' END, 1, 1,
       $now$NOW$now$::timestamptz - (n % {SLOTS} + 0.5) * interval '4 h'
           + (hashint4(-n)::bigint % 7000 + 7100) * interval '1 s'
FROM generate_series(1, {CLICKS}) AS n;
INSERT INTO fingerpost_v1.starts
       (event_id, sequence, delivery, cta, user_id, bot_id, started_at)
SELECT 'start-' || n, {CLICKS} + n,
       md5(n % {CAMPAIGNS} || '/' || n % {SLOTS} || '/' || n % {CHANNELS}),
       0, 7000000000 + hashint4(n)::bigint % {PEOPLE}, 1,
       $now$NOW$now$::timestamptz - (n % {SLOTS} + 0.3) * interval '4 h'
FROM generate_series(1, {STARTS}) AS n;
INSERT INTO fingerpost_v1.conversions
       (event_id, sequence, source, source_id, kind, amount, currency, user_id, delivery, cta,
        occurred_at)
SELECT 'paid-' || n, 2 * {CLICKS} + n, 'stars', 'paid-' || n,
       CASE WHEN n % 50 = 0 THEN 'refund' ELSE 'payment' END,
       CASE WHEN n % 50 = 0 THEN -1 ELSE 1 END * (n % 7 + 1) * 50,
       CASE WHEN n % 3 = 0 THEN 'EUR' ELSE 'XTR' END,
       7000000000 + hashint4(n)::bigint % {PEOPLE},
       CASE WHEN n % 20 <> 0
            THEN md5(n % {CAMPAIGNS} || '/' || n % {SLOTS} || '/' || n % {CHANNELS}) END,
       0, $now$NOW$now$::timestamptz - (n % {SLOTS} + 0.2) * interval '4 h'
FROM generate_series(1, {CONVERSIONS}) AS n;
"""  # noqa: S608  numbers of our own


async def load(dsn: str, now: datetime) -> None:
    """Make the first version of the tables and fill it; the newest post is two hours old."""
    connection = await asyncpg.connect(dsn)
    try:
        await Versions(connection).begin(1)
        await connection.execute(_FILL.replace("NOW", now.isoformat()), timeout=None)
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()
