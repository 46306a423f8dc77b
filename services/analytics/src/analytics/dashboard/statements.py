"""The questions that the pages ask the tables, as SQL: values are always bound, never written in.

Of most of them $1 and $2 are the period, $3 the campaign, $4 the kind and $5 the channel; null asks
for all. Whatever happened within the period counts, whenever its post was planned; conversions
count where the last touch is credited.
"""

from analytics.schema.stretches import DELIVERY_BYTES, MOMENT_BYTES, PERSON_BYTES
from analytics.schema.views.attribution import DEFAULT_SPAN, last_touch

_CREDITS = last_touch(tables="fingerpost", span=f"interval '{DEFAULT_SPAN}'")

_CHOSEN = """($3::text IS NULL OR d.campaign = $3) AND ($4::text IS NULL OR d.kind = $4)
      AND ($5::text IS NULL OR d.channel = $5)"""

BY_VARIANT = ("campaign", "variant")
BY_CAMPAIGN = ("campaign",)
BY_CHANNEL = ("channel",)

PACKED = """
SELECT deliveries, people, moments, kinds FROM stretches WHERE until >= $1 AND since < $2
"""
_IN_PERIOD = "sent_at >= $1 AND sent_at < $2"
POSTS = f"""
SELECT campaign, variant, channel, string_agg({DELIVERY_BYTES.format("delivery")}, '') AS keys,
       count(*) FILTER (WHERE state = 'sent' AND {_IN_PERIOD}) AS sent,
       sum(audience) FILTER (WHERE state = 'sent' AND {_IN_PERIOD})::bigint AS audience,
       min(sent_at) FILTER (WHERE {_IN_PERIOD}) AS first,
       string_agg({MOMENT_BYTES.format("sent_at")}, '')
           FILTER (WHERE state = 'sent' AND {_IN_PERIOD}) AS posted
FROM deliveries AS d WHERE {_CHOSEN} GROUP BY campaign, variant, channel
"""  # noqa: S608  nothing but text of our own
CREDITS = f"""
WITH credits AS MATERIALIZED (
    SELECT * FROM ({_CREDITS}) AS credits WHERE occurred_at >= $1 AND occurred_at < $2
), paid AS (
    SELECT delivery, currency, sum(amount) AS amount FROM credits
    WHERE amount IS NOT NULL AND currency IS NOT NULL GROUP BY delivery, currency
), sums AS (
    SELECT d.campaign, d.variant, d.channel, currency, sum(amount)::text AS amount
    FROM paid JOIN deliveries AS d USING (delivery) WHERE {_CHOSEN}
    GROUP BY d.campaign, d.variant, d.channel, currency
)
SELECT coalesce(string_agg({DELIVERY_BYTES.format("delivery")}, ''), '') AS deliveries,
       coalesce(string_agg({PERSON_BYTES.format("user_id")}, ''), '') AS people,
       coalesce(string_agg({MOMENT_BYTES.format("occurred_at")}, ''), '') AS moments,
       (SELECT count(*) FROM credits WHERE delivery IS NULL AND kind <> 'refund') AS uncredited,
       (SELECT coalesce(jsonb_agg(to_jsonb(sums)), '[]') FROM sums) AS revenue
FROM credits WHERE traced AND kind <> 'refund' AND delivery IS NOT NULL
"""  # noqa: S608  nothing but text of our own

STATUS = "SELECT version, checkpoint, last_event, updated_at, quarantined FROM projection_status"
CAMPAIGNS = "SELECT * FROM campaigns ORDER BY state = 'retired', kind DESC, title, campaign"
CHANNELS = "SELECT DISTINCT channel FROM deliveries ORDER BY channel LIMIT 500"
VARIANTS = "SELECT variant, text, revision FROM variants WHERE campaign = $1"
_LATE = """(latency_ms > $6::bigint
    OR state IN ('due', 'claimed') AND scheduled_for < $7::timestamptz)"""
STATES = f"""
SELECT state, count(*) AS count, count(*) FILTER (WHERE {_LATE}) AS late,
       count(*) FILTER (WHERE withdrawn_at IS NOT NULL) AS withdrawn
FROM deliveries AS d
WHERE scheduled_for >= $1 AND scheduled_for < $2 AND {_CHOSEN} GROUP BY state
"""  # noqa: S608  nothing but text of our own
DELIVERIES = f"""
SELECT delivery, campaign, kind, variant, channel, scheduled_for, state, reason, description,
       attempts, retry_at, sent_at, latency_ms, audience, withdrawal, withdrawal_reason,
       withdrawal_outcome, withdrawn_at, {_LATE} AS late
FROM deliveries AS d
WHERE scheduled_for >= $1 AND scheduled_for < $2 AND {_CHOSEN}
      AND CASE coalesce($8, '') WHEN '' THEN true WHEN 'late' THEN {_LATE}
          WHEN 'withdrawn' THEN withdrawn_at IS NOT NULL ELSE state = $8 END
      AND ($9::timestamptz IS NULL OR (scheduled_for, delivery) < ($9, $10::text))
ORDER BY scheduled_for DESC, delivery DESC
"""  # noqa: S608  nothing but text of our own
LATEST = """
SELECT campaign, kind, variant, channel, state, reason, scheduled_for, latency_ms, audience
FROM deliveries ORDER BY scheduled_for DESC NULLS LAST, delivery LIMIT 8
"""
_ACTS = """
SELECT at, what, campaign, variant, channel, delivery, cta, amount, currency, detail,
       md5(event_id) AS key
FROM (
    SELECT event_id, clicked_at AS at, 'click' AS what, delivery, cta, NULL::numeric AS amount,
           NULL AS currency,
           via || CASE verdict WHEN 'robot' THEN ', by a robot' ELSE '' END AS detail
    FROM clicks WHERE user_id = $1
    UNION ALL
    SELECT event_id, started_at, 'start', delivery, cta, NULL, NULL, NULL
    FROM starts WHERE user_id = $1
    UNION ALL
    SELECT event_id, occurred_at, kind, delivery, cta, amount, currency, source
    FROM conversions WHERE user_id = $1
) AS a LEFT JOIN (SELECT delivery, campaign, variant, channel FROM deliveries) AS d USING (delivery)
"""
JOURNEY = f"""{_ACTS}
WHERE $2::timestamptz IS NULL OR (at, md5(event_id)) < ($2, $3::text)
ORDER BY at DESC, md5(event_id) DESC
"""
PERSON = """
SELECT (SELECT count(*) FROM clicks WHERE user_id = $1 AND verdict = 'human') AS clicks,
       (SELECT count(*) FROM starts WHERE user_id = $1) AS starts,
       (SELECT count(*) FROM conversions WHERE user_id = $1 AND kind <> 'refund') AS conversions,
       (SELECT coalesce(jsonb_object_agg(currency, amount), '{}') FROM (
           SELECT currency, sum(amount) AS amount FROM conversions
           WHERE user_id = $1 AND amount IS NOT NULL AND currency IS NOT NULL
           GROUP BY currency) AS sums) AS revenue,
       least((SELECT min(clicked_at) FROM clicks WHERE user_id = $1),
             (SELECT min(started_at) FROM starts WHERE user_id = $1),
             (SELECT min(occurred_at) FROM conversions WHERE user_id = $1)) AS first
"""

_ROWS = """
SELECT a.*, d.campaign AS post_campaign, d.variant AS post_variant, d.channel AS post_channel
FROM {table} AS a LEFT JOIN deliveries AS d USING (delivery)
WHERE a.{at} >= $1 AND a.{at} < $2 AND {chosen} ORDER BY a.{at}, a.event_id
"""
ACTS = {
    table: _ROWS.format(table=table, at=at, chosen=_CHOSEN)
    for table, at in (
        ("clicks", "clicked_at"),
        ("starts", "started_at"),
        ("conversions", "occurred_at"),
    )
}
QUARANTINE = """
SELECT sequence, subject, reason, dropped_at FROM {schema}.quarantine ORDER BY sequence DESC
"""
