"""What deliveries brought: figures by campaign, variant, channel and day, and the funnel.

How is a rate of people made? `unique_clickers` are the people known to have tapped, robots never
among them. `converted_clickers` are those of them who also converted: a part of the whole, so the
95 % Wilson score interval (Wilson 1927) holds. A tap of a link names nobody: it is a click of no
clicker.

How is it fast? The deliveries of a row are gathered first, and what people did with them is read
by an index that has the person, one row at a time: who asks for a day or a campaign reads no more.
Conversions count where the last touch is credited; those that name their delivery are found by an
index too, so that only the others have to be attributed.
"""

from analytics.schema.tables import DAY
from analytics.schema.views.attribution import DEFAULT_SPAN, last_touch
from analytics.schema.views.view import View, key

WILSON = """
CREATE OR REPLACE FUNCTION {schema}.wilson_bound(part bigint, whole bigint, side integer)
RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN whole > 0 THEN greatest(0.0, least(1.0,
        (part + z * z / 2 + side * z * sqrt(part::float8 * (whole - part) / whole + z * z / 4))
        / (whole + z * z)))
    END
    FROM (SELECT 1.959963984540054::float8 AS z) AS normal
$$;
COMMENT ON FUNCTION {schema}.wilson_bound(bigint, bigint, integer) IS
    'Bound of the 95 % Wilson score interval of part in whole: side -1 the lower, 1 the upper.';
"""

_FIGURES = (
    ("sent", "Deliveries that were posted."),
    ("audience", "Members of the channels when they were sent, added up; null if never known."),
    ("clicks", "Taps by people, repeated ones included."),
    ("repeated_clicks", "Those of them that the same known person had made before."),
    ("unknown_clicks", "Those of them that name nobody: followed links."),
    ("robot_clicks", "Taps by robots, which count nowhere else."),
    ("unique_clickers", "People who tapped, each once; taps of links name nobody."),
    ("starts", "Times that somebody opened the bot from there."),
    ("conversions", "Payments, subscriptions (trials too), renewals and joins, by the last touch."),
    ("converters", "People who converted, each once."),
    ("converted_clickers", "People who tapped and converted, each once."),
    ("revenue", "Amounts by currency as JSON, refunds subtracted."),
    ("click_through_rate", "unique_clickers / audience."),
    ("conversion_rate", "converted_clickers / unique_clickers: a rate of people, not of taps."),
    ("conversion_rate_low", "Lower end of its 95 % Wilson interval."),
    ("conversion_rate_high", "Upper end of its 95 % Wilson interval."),
)

_CREDITED = last_touch(tables="{schema}", span=f"interval '{DEFAULT_SPAN}'")

_POSTED = """
    SELECT delivery, campaign, variant, channel, state, audience, {day} AS day
    FROM {schema}.deliveries
    WHERE {condition} AND variant IS NOT NULL AND coalesce(scheduled_for, sent_at) IS NOT NULL
"""

_GATHERED = """(
    SELECT {keys}, array_agg(delivery) AS deliveries,
           count(*) FILTER (WHERE state = 'sent') AS sent,
           sum(audience) FILTER (WHERE state = 'sent')::bigint AS audience
    FROM ({posted}) AS posted GROUP BY {keys}
) AS gathered LEFT JOIN (
    SELECT {keys}, array_agg(conversion) AS traced
    FROM (SELECT delivery, conversion FROM ({credited}) AS credits WHERE traced) AS credits
         JOIN ({posted}) AS posted USING (delivery)
    GROUP BY {keys}
) AS attributed USING ({keys})
"""

_GAINED = """
    SELECT user_id, kind, amount, currency FROM {schema}.conversions
    WHERE delivery = ANY (deliveries) AND refund_of IS NULL
    UNION ALL SELECT user_id, kind, amount, currency FROM {schema}.conversions
    WHERE event_id = ANY (traced)
"""

# The few who did more are looked up by the many who tapped, who are only sorted.
_CONVERTERS = """(
    SELECT DISTINCT user_id, user_id AS converter FROM ({gained}) AS gained WHERE kind <> 'refund'
) AS converters"""

_QUERY = """
SELECT {keys}, sent, audience, clicks,
       clicks - unknown_clicks - unique_clickers AS repeated_clicks, unknown_clicks, robot_clicks,
       unique_clickers, starts, conversions, converters, converted_clickers,
       coalesce(revenue, '{{}}') AS revenue,
       unique_clickers / nullif(audience, 0)::float8 AS click_through_rate,
       converted_clickers / nullif(unique_clickers, 0)::float8 AS conversion_rate,
       {schema}.wilson_bound(converted_clickers, unique_clickers, -1) AS conversion_rate_low,
       {schema}.wilson_bound(converted_clickers, unique_clickers, 1) AS conversion_rate_high
FROM {gathered}
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE verdict = 'human') AS clicks,
           count(*) FILTER (WHERE verdict = 'human' AND user_id IS NULL) AS unknown_clicks,
           count(*) FILTER (WHERE verdict = 'robot') AS robot_clicks,
           count(DISTINCT user_id) FILTER (WHERE verdict = 'human') AS unique_clickers,
           count(DISTINCT converter) FILTER (WHERE verdict = 'human') AS converted_clickers
    FROM {schema}.clicks LEFT JOIN {converters} USING (user_id)
    WHERE delivery = ANY (deliveries)
) AS tapped
CROSS JOIN LATERAL (
    SELECT count(*) AS starts FROM {schema}.starts WHERE delivery = ANY (deliveries)
) AS started
CROSS JOIN LATERAL (
    SELECT count(*) AS conversions, count(DISTINCT user_id) AS converters
    FROM ({gained}) AS gained WHERE kind <> 'refund'
) AS turned
CROSS JOIN LATERAL (
    SELECT jsonb_object_agg(currency, amount) AS revenue
    FROM (
        SELECT currency, sum(amount) AS amount FROM ({gained}) AS paid
        WHERE amount IS NOT NULL AND currency IS NOT NULL GROUP BY currency
    ) AS sums
) AS paid
"""

_FUNNEL_QUERY = """
SELECT {keys}, sent, clickers, starters, converters
FROM {gathered}
CROSS JOIN LATERAL (
    SELECT count(DISTINCT user_id) AS clickers, count(DISTINCT starter) AS starters,
           count(DISTINCT converter) FILTER (WHERE starter IS NOT NULL) AS converters
    FROM {schema}.clicks LEFT JOIN (
        SELECT DISTINCT user_id, user_id AS starter FROM {schema}.starts
        WHERE delivery = ANY (deliveries)
    ) AS starters USING (user_id) LEFT JOIN {converters} USING (user_id)
    WHERE delivery = ANY (deliveries) AND verdict = 'human'
) AS steps
"""

_PARTS = {
    "{gathered}": _GATHERED,
    "{converters}": _CONVERTERS,
    "{gained}": _GAINED,
    "{posted}": _POSTED,
    "{credited}": _CREDITED,
    "{day}": DAY,
}
"""What stands for what in a query, each before those that it has itself."""


def _over(
    name: str,
    meaning: str,
    keys: tuple[str, ...],
    figures: tuple[tuple[str, str], ...],
    query: str,
    condition: str = "true",
) -> View:
    filled = _filled(query, keys, condition)
    return View(name, meaning, (*map(key, keys), *figures), filled)


def figures_by(keys: tuple[str, ...], condition: str) -> str:
    """Return the query of the figures by `keys`, over the deliveries that meet the condition."""
    return _filled(_QUERY, keys, condition)


def funnel_by(keys: tuple[str, ...], condition: str) -> str:
    """Return the query of the funnel by `keys`, over the deliveries that meet the condition."""
    return _filled(_FUNNEL_QUERY, keys, condition)


def _filled(query: str, keys: tuple[str, ...], condition: str) -> str:
    for part, text in _PARTS.items():
        query = query.replace(part, text)
    return query.replace("{keys}", ", ".join(keys)).replace("{condition}", condition)


FIGURES = (
    _over(
        "promo_conversion",
        "What each promo earned, by variant, channel and day.",
        ("campaign", "variant", "channel", "day"),
        _FIGURES,
        _QUERY,
        "kind = 'promo'",
    ),
    _over(
        "guide_engagement",
        "How each guide was taken, by variant, channel and day.",
        ("campaign", "variant", "channel", "day"),
        _FIGURES,
        _QUERY,
        "kind = 'guide'",
    ),
    _over(
        "variant_performance",
        "The same figures by variant: people are counted once over all channels and days.",
        ("campaign", "variant"),
        _FIGURES,
        _QUERY,
    ),
    _over(
        "channel_performance",
        "The same figures by channel: people are counted once over all campaigns and days.",
        ("channel",),
        _FIGURES,
        _QUERY,
    ),
)

FUNNEL = _over(
    "funnel",
    "How far the known people who tapped came, by variant; each step is a part of the last.",
    ("campaign", "variant"),
    (
        ("sent", "Deliveries that were posted."),
        ("clickers", "People who tapped."),
        ("starters", "Those of them who opened the bot from there."),
        ("converters", "Those of the starters who converted, credited by the last touch."),
    ),
    _FUNNEL_QUERY,
)
