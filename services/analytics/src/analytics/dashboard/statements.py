"""The questions that the pages ask the tables, as SQL: values are always bound, never written in.

Of most of them $1 and $2 are the period, $3 the campaign, $4 the kind and $5 the channel; null asks
for all. Whatever happened within the period counts, whenever its post was planned; conversions
count where the last touch is credited.
"""

_CREDITS = """(
    SELECT delivery, user_id, kind, amount, currency, occurred_at FROM attribution
    WHERE model = 'last'
) AS credits"""

_CHOSEN = """($3::text IS NULL OR d.campaign = $3) AND ($4::text IS NULL OR d.kind = $4)
      AND ($5::text IS NULL OR d.channel = $5)"""

_FIGURES = """
WITH shown AS MATERIALIZED (
    SELECT d.delivery, {keys} FROM deliveries AS d WHERE d.variant IS NOT NULL AND {chosen}
), acts AS (
    SELECT delivery, user_id, CASE verdict WHEN 'robot' THEN 'robot' ELSE 'click' END AS what
    FROM clicks WHERE clicked_at >= $1 AND clicked_at < $2
    UNION ALL SELECT delivery, user_id, 'start'
    FROM starts WHERE started_at >= $1 AND started_at < $2
    UNION ALL SELECT delivery, user_id, 'conversion'
    FROM {credits} WHERE kind <> 'refund' AND delivery IS NOT NULL
         AND occurred_at >= $1 AND occurred_at < $2
), people AS (
    SELECT {keys}, user_id, count(*) FILTER (WHERE what = 'click') AS clicks,
           count(*) FILTER (WHERE what = 'robot') AS robots,
           count(*) FILTER (WHERE what = 'start') AS starts,
           count(*) FILTER (WHERE what = 'conversion') AS conversions
    FROM acts JOIN shown USING (delivery)
    GROUP BY GROUPING SETS (({keys}, user_id), (user_id))
)
SELECT {keys}, {sums} FROM people GROUP BY {keys}
"""
_SUMS = """sum(clicks)::bigint AS clicks, sum(robots)::bigint AS robots,
       sum(starts)::bigint AS starts, sum(conversions)::bigint AS conversions,
       count(user_id) FILTER (WHERE clicks > 0) AS people,
       count(user_id) FILTER (WHERE clicks > 0 AND starts > 0) AS starters,
       count(user_id) FILTER (WHERE clicks > 0 AND starts > 0 AND conversions > 0) AS buyers,
       count(user_id) FILTER (WHERE clicks > 0 AND conversions > 0) AS converted"""
_SENT = """
SELECT {keys}, count(*) AS sent, sum(audience)::bigint AS audience
FROM deliveries AS d
WHERE state = 'sent' AND variant IS NOT NULL AND sent_at >= $1 AND sent_at < $2 AND {chosen}
GROUP BY GROUPING SETS (({keys}), ())
"""
_REVENUE = """
SELECT {keys}, currency, sum(amount) AS amount
FROM {credits} JOIN deliveries AS d USING (delivery)
WHERE amount IS NOT NULL AND currency IS NOT NULL AND d.variant IS NOT NULL
      AND occurred_at >= $1 AND occurred_at < $2 AND {chosen}
GROUP BY GROUPING SETS (({keys}, currency), (currency))
"""

BY_VARIANT = ("campaign", "variant")
BY_CAMPAIGN = ("campaign",)
BY_CHANNEL = ("channel",)


def figures(keys: tuple[str, ...]) -> tuple[str, str, str]:
    """Return the questions for the acts, the posts and the revenue of each group, and of all."""
    names = ", ".join(keys)
    acts = _FIGURES.format(
        keys=names,
        sums=_SUMS,
        chosen=_CHOSEN,
        credits=_CREDITS,
    )
    of_posts = ", ".join(f"d.{key}" for key in keys)
    return (
        acts,
        _SENT.format(keys=of_posts, chosen=_CHOSEN),
        _REVENUE.format(keys=of_posts, chosen=_CHOSEN, credits=_CREDITS),
    )


STATUS = "SELECT version, checkpoint, last_event, updated_at, quarantined FROM projection_status"
CAMPAIGNS = "SELECT * FROM campaigns ORDER BY state = 'retired', kind DESC, title, campaign"
CHANNELS = "SELECT DISTINCT channel FROM deliveries ORDER BY channel LIMIT 500"
VARIANTS = "SELECT variant, text, revision FROM variants WHERE campaign = $1"
UNCREDITED = f"""
SELECT count(*) FROM {_CREDITS}
WHERE delivery IS NULL AND kind <> 'refund' AND occurred_at >= $1 AND occurred_at < $2
"""  # noqa: S608  nothing but text of our own
FIRST = """
SELECT least(
    (SELECT min(clicked_at) FROM clicks WHERE clicked_at >= $1 AND clicked_at < $2),
    (SELECT min(sent_at) FROM deliveries AS d
     WHERE sent_at >= $1 AND sent_at < $2 AND ($3::text IS NULL OR d.campaign = $3)
           AND ($4::text IS NULL OR d.kind = $4) AND ($5::text IS NULL OR d.channel = $5)))
"""
# Taps over time need no post, unless posts are chosen: the join would cost as much as the rest.
_CREDITED = """($3::text IS NULL AND $4::text IS NULL AND $5::text IS NULL
       OR delivery IN (SELECT d.delivery FROM deliveries AS d WHERE {chosen}))"""
TREND = f"""
SELECT 'Taps' AS name, date_trunc($7, clicked_at, $6) AS moment, count(*) AS count FROM clicks
WHERE verdict = 'human' AND clicked_at >= $1 AND clicked_at < $2
      AND {_CREDITED.format(chosen=_CHOSEN)} GROUP BY moment
UNION ALL
SELECT 'Conversions', date_trunc($7, occurred_at, $6) AS moment, count(*) FROM {_CREDITS}
WHERE kind <> 'refund' AND delivery IS NOT NULL
      AND occurred_at >= $1 AND occurred_at < $2
      AND {_CREDITED.format(chosen=_CHOSEN)} GROUP BY moment
UNION ALL
SELECT 'Posts', date_trunc($7, sent_at, $6) AS moment, count(*) FROM deliveries AS d
WHERE state = 'sent' AND sent_at >= $1 AND sent_at < $2 AND {_CHOSEN} GROUP BY moment
"""  # noqa: S608  nothing but text of our own
WEEK = f"""
SELECT extract(isodow FROM clicked_at AT TIME ZONE $6)::int AS day,
       extract(hour FROM clicked_at AT TIME ZONE $6)::int AS hour, count(*) AS count
FROM clicks WHERE verdict = 'human' AND clicked_at >= $1 AND clicked_at < $2
      AND {_CREDITED.format(chosen=_CHOSEN)} GROUP BY day, hour
"""  # noqa: S608  nothing but text of our own

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
