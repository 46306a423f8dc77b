"""The views that join the tables into answers. Text only; `{schema}` is the projection's own.

How is a rate of people made? `unique_clickers` are the people known to have tapped, robots never
among them. `converted_clickers` are those of them who also converted: a part of the whole, so the
95 % Wilson score interval (Wilson 1927) holds. A tap of a link names nobody: it is a click of no
clicker.
"""

from dataclasses import dataclass

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


@dataclass(frozen=True)
class View:
    """A view: its query, and the meaning of each of its columns, in their order."""

    name: str
    meaning: str
    columns: tuple[tuple[str, str], ...]
    query: str


_KEYS = {
    "campaign": "Campaign.",
    "variant": "Variant.",
    "channel": "Chat id or @username of the channel.",
    "day": "Date of the planned instant in the campaign's zone.",
}
_FIGURES = (
    ("sent", "Deliveries that stand in the channel."),
    ("audience", "Members of the channels when they were sent, added up; null if never known."),
    ("clicks", "Taps by people, repeated ones included."),
    ("robot_clicks", "Taps by robots, which count nowhere else."),
    ("unique_clickers", "People who tapped, each once; taps of links name nobody."),
    ("starts", "Times that somebody opened the bot from there."),
    ("conversions", "Payments, subscriptions, renewals and joins credited to them."),
    ("converters", "People who converted, each once."),
    ("converted_clickers", "People who tapped and converted, each once."),
    ("revenue", "Amounts by currency as JSON, refunds subtracted."),
    ("click_through_rate", "unique_clickers / audience."),
    ("conversion_rate", "converted_clickers / unique_clickers: a rate of people, not of taps."),
    ("conversion_rate_low", "Lower end of its 95 % Wilson interval."),
    ("conversion_rate_high", "Upper end of its 95 % Wilson interval."),
)

_FIGURES_QUERY = """
WITH posted AS (
    SELECT delivery, campaign, variant, channel, state, audience,
           coalesce(day, (sent_at AT TIME ZONE 'UTC')::date) AS day
    FROM {schema}.deliveries
    WHERE {condition} AND variant IS NOT NULL AND coalesce(scheduled_for, sent_at) IS NOT NULL
), acts AS (
    SELECT delivery, user_id, (verdict = 'human')::int AS click, (verdict = 'robot')::int AS robot,
           0 AS start, 0 AS conversion
    FROM {schema}.clicks
    UNION ALL SELECT delivery, user_id, 0, 0, 1, 0 FROM {schema}.starts
    UNION ALL SELECT delivery, user_id, 0, 0, 0, (kind <> 'refund')::int FROM {schema}.conversions
), people AS (
    SELECT {keys}, user_id IS NOT NULL AS known, sum(click) AS clicks, sum(robot) AS robot_clicks,
           sum(start) AS starts, sum(conversion) AS conversions
    FROM acts JOIN posted USING (delivery)
    GROUP BY {keys}, user_id
), totals AS (
    SELECT {keys}, sum(clicks) AS clicks, sum(robot_clicks) AS robot_clicks,
           count(*) FILTER (WHERE known AND clicks > 0) AS unique_clickers,
           sum(starts) AS starts, sum(conversions) AS conversions,
           count(*) FILTER (WHERE known AND conversions > 0) AS converters,
           count(*) FILTER (WHERE known AND clicks > 0 AND conversions > 0) AS converted_clickers
    FROM people GROUP BY {keys}
), sums AS (
    SELECT {keys}, currency, sum(amount) AS amount
    FROM {schema}.conversions JOIN posted USING (delivery)
    WHERE amount IS NOT NULL AND currency IS NOT NULL
    GROUP BY {keys}, currency
), revenues AS (
    SELECT {keys}, jsonb_object_agg(currency, amount) AS revenue FROM sums GROUP BY {keys}
), sends AS (
    SELECT {keys}, count(*) FILTER (WHERE state = 'sent') AS sent,
           sum(audience) FILTER (WHERE state = 'sent') AS audience
    FROM posted GROUP BY {keys}
)
SELECT {keys}, sent, audience::bigint AS audience,
       coalesce(clicks, 0)::bigint AS clicks, coalesce(robot_clicks, 0)::bigint AS robot_clicks,
       coalesce(unique_clickers, 0) AS unique_clickers, coalesce(starts, 0)::bigint AS starts,
       coalesce(conversions, 0)::bigint AS conversions, coalesce(converters, 0) AS converters,
       coalesce(converted_clickers, 0) AS converted_clickers,
       coalesce(revenue, '{{}}') AS revenue,
       coalesce(unique_clickers, 0) / nullif(audience, 0)::float8 AS click_through_rate,
       converted_clickers / nullif(unique_clickers, 0)::float8 AS conversion_rate,
       {schema}.wilson_bound(converted_clickers, unique_clickers, -1) AS conversion_rate_low,
       {schema}.wilson_bound(converted_clickers, unique_clickers, 1) AS conversion_rate_high
FROM sends LEFT JOIN totals USING ({keys}) LEFT JOIN revenues USING ({keys})
"""


def _figures(name: str, meaning: str, keys: tuple[str, ...], condition: str) -> View:
    query = _FIGURES_QUERY.replace("{keys}", ", ".join(keys)).replace("{condition}", condition)
    columns = tuple((key, _KEYS[key]) for key in keys) + _FIGURES
    return View(name, meaning, columns, query)


VIEWS = (
    _figures(
        "promo_conversion",
        "What each promo earned, by variant, channel and day.",
        ("campaign", "variant", "channel", "day"),
        "kind = 'promo'",
    ),
    _figures(
        "guide_engagement",
        "How each guide was taken, by variant, channel and day.",
        ("campaign", "variant", "channel", "day"),
        "kind = 'guide'",
    ),
    _figures(
        "variant_performance",
        "The same figures by variant: people are counted once over all channels and days.",
        ("campaign", "variant"),
        "true",
    ),
    View(
        "user_journey",
        "What each known person did, newest first.",
        (
            ("user_id", "Telegram id of the person."),
            ("at", "When."),
            ("what", "click, start, or the kind of the conversion."),
            ("campaign", "Campaign of the delivery."),
            ("variant", "Variant of the delivery."),
            ("channel", "Channel of the delivery."),
            ("delivery", "Delivery; null where a conversion is credited to none."),
            ("cta", "Which CTA of the variant, counted from 0."),
            ("amount", "Amount of a conversion, negative for a refund."),
            ("currency", "Its currency."),
        ),
        """
        SELECT user_id, at, what, campaign, variant, channel, delivery, cta, amount, currency
        FROM (
            SELECT user_id, clicked_at AS at, 'click' AS what, delivery, cta,
                   NULL::numeric AS amount, NULL AS currency
            FROM {schema}.clicks WHERE verdict = 'human'
            UNION ALL
            SELECT user_id, started_at, 'start', delivery, cta, NULL, NULL FROM {schema}.starts
            UNION ALL
            SELECT user_id, occurred_at, kind, delivery, cta, amount, currency
            FROM {schema}.conversions
        ) AS acts LEFT JOIN {schema}.deliveries USING (delivery)
        WHERE user_id IS NOT NULL
        ORDER BY at DESC
        """,
    ),
    View(
        "projection_status",
        "One row: how far the log was folded into these tables.",
        (
            ("version", "Version of the projection, which owns its schema."),
            ("checkpoint", "Sequence of the last message of the log that was folded."),
            ("last_event", "Id of that message's event."),
            ("updated_at", "When it was folded."),
            ("quarantined", "Messages that could not be folded and were set aside."),
        ),
        """
        SELECT {version} AS version, sequence AS checkpoint, identity AS last_event, updated_at,
               (SELECT count(*) FROM {schema}.quarantine) AS quarantined
        FROM {schema}.checkpoint
        """,
    ),
)
