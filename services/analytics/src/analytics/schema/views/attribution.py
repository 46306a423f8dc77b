"""To which deliveries a conversion is due, and in which parts.

What is known of a conversion is tried from the surest to the least sure, and the first that says
anything decides. A `token` (the delivery itself) or a followed `link` is exact: every model gives
it all to that delivery. Else the person's own `taps` and starts in the window before it count,
those of another campaign or channel left out where the payer's side named one; here the models
differ. Else the newest delivery that was sent in the window for the campaign that was `named`, or
the campaign alone. Else `none`: a conversion is never left out, so totals over credits are totals
over conversions.

A refund takes back what it refunds, in the same parts. Parts are whole millionths, and the last
touch takes the rest: they add up exactly.
"""

from analytics.schema.views.view import View

MODELS = ("first", "last", "linear")
DEFAULT_SPAN = "7 days"
DEFAULT_MODEL = "last"

_COLUMNS = (
    ("conversion", "text", "event_id of the conversion or refund."),
    ("model", "text", "first, last or linear: which touches share it. Read one model at a time."),
    ("basis", "text", "Why: token, link, taps, named or none; the models differ for taps only."),
    ("credit", "numeric", "Part of the conversion; those of one conversion and model make 1."),
    ("amount", "numeric", "That part of its amount; negative for a refund."),
    ("currency", "text", "Three letters; XTR for Telegram Stars."),
    ("user_id", "bigint", "Telegram id of the person; null where nobody is known."),
    ("kind", "text", "payment, subscription, renewal, join or refund."),
    ("occurred_at", "timestamptz", "When the person converted, or was paid back."),
    ("touched_at", "timestamptz", "When the person tapped or started; null where nobody knows."),
    ("delivery", "text", "Delivery that is credited; null where none is known."),
    ("cta", "smallint", "Which CTA of the variant, counted from 0."),
    ("campaign", "text", "Campaign of the delivery, or the one that was named."),
    ("variant", "text", "Variant of the delivery."),
    ("channel", "text", "Channel of the delivery, or the one that was named."),
)

_TAPS = """
            SELECT 3 AS rank, 'taps' AS basis, k.delivery, k.cta, k.{at} AS touched_at, k.sequence
            FROM {tables}.{table} AS k LEFT JOIN {tables}.deliveries AS d USING (delivery)
            WHERE k.user_id = a.user_id AND a.delivery IS NULL AND a.kind <> 'refund' {people}
              AND k.{at} <= a.occurred_at AND k.{at} > a.occurred_at - {span}
              AND (a.campaign IS NULL OR d.campaign = a.campaign)
              AND (a.channel IS NULL OR d.channel = a.channel)"""

_KNOWN = """
            SELECT 1 AS rank, 'token' AS basis, a.delivery, a.cta,
                   NULL::timestamptz AS touched_at, 0::bigint AS sequence
            WHERE a.delivery IS NOT NULL
            UNION ALL
            SELECT 2, 'link', k.delivery, k.cta, k.clicked_at, k.sequence
            FROM {tables}.clicks AS k
            WHERE k.event_id = 'cta.clicked.link.' || a.click_id AND a.delivery IS NULL
            UNION ALL {clicks}
            UNION ALL {starts}
            UNION ALL
            (SELECT 4, 'named', n.delivery, NULL, NULL, 0 FROM {tables}.deliveries AS n
            WHERE n.campaign = a.campaign AND (a.channel IS NULL OR n.channel = a.channel)
              AND n.sent_at <= a.occurred_at AND n.sent_at > a.occurred_at - {span}
              AND a.delivery IS NULL
            ORDER BY n.sent_at DESC, n.delivery DESC LIMIT 1)
            UNION ALL
            SELECT 5, CASE WHEN coalesce(a.campaign, a.channel) IS NULL THEN 'none'
                           ELSE 'named' END, NULL, NULL, NULL, 0
"""

_TRACED = """
SELECT c.event_id AS conversion, m.model, t.basis,
       CASE WHEN p.parts = 1 THEN 1
            WHEN t.from_last = 1 THEN 1 - (p.parts - 1) * div(1000000, p.parts) * 0.000001
            ELSE div(1000000, p.parts) * 0.000001 END AS credit,
       CASE WHEN p.parts = 1 THEN c.amount
            WHEN t.from_last = 1
            THEN c.amount - (p.parts - 1) * div(c.amount * 1000000, p.parts) * 0.000001
            ELSE div(c.amount * 1000000, p.parts) * 0.000001 END AS amount,
       c.currency, c.user_id, c.kind, c.occurred_at, t.touched_at, t.delivery, t.cta,
       coalesce(d.campaign, a.campaign) AS campaign, d.variant,
       coalesce(d.channel, a.channel) AS channel
FROM {tables}.conversions AS c
LEFT JOIN {tables}.conversions AS paid
    ON c.kind = 'refund' AND paid.kind <> 'refund'
       AND paid.source = c.source AND paid.source_id = c.refund_of
JOIN {tables}.conversions AS a ON a.event_id = coalesce(paid.event_id, c.event_id)
CROSS JOIN LATERAL (
    SELECT *, sum(newest) OVER () AS deliveries
    FROM (
        SELECT *, row_number() OVER (ORDER BY touched_at, sequence) AS from_first,
               row_number() OVER (ORDER BY touched_at DESC, sequence DESC) AS from_last,
               (1 = row_number() OVER (
                   PARTITION BY delivery ORDER BY touched_at DESC, sequence DESC))::int AS newest
        FROM (SELECT *, min(rank) OVER () AS surest FROM ({known}        ) AS known) AS ranked
        WHERE rank = surest
    ) AS touches
) AS t
CROSS JOIN {models} AS m (model)
CROSS JOIN LATERAL (
    SELECT CASE m.model WHEN 'linear' THEN t.deliveries ELSE 1 END AS parts
) AS p
LEFT JOIN {tables}.deliveries AS d ON d.delivery = t.delivery
WHERE (c.delivery IS NULL OR c.refund_of IS NOT NULL)
  AND CASE m.model WHEN 'first' THEN t.from_first = 1 WHEN 'last' THEN t.from_last = 1
                   ELSE t.newest = 1 END
"""

# Most conversions have their delivery: for them this says the same at a fraction of the cost.
_GIVEN = """
SELECT c.event_id AS conversion, m.model, 'token' AS basis, 1::numeric AS credit, c.amount,
       c.currency, c.user_id, c.kind, c.occurred_at, NULL::timestamptz AS touched_at, c.delivery,
       c.cta, coalesce(d.campaign, c.campaign) AS campaign, d.variant,
       coalesce(d.channel, c.channel) AS channel
FROM {tables}.conversions AS c CROSS JOIN {models} AS m (model)
LEFT JOIN {tables}.deliveries AS d ON d.delivery = c.delivery
WHERE c.delivery IS NOT NULL AND c.refund_of IS NULL
"""


def credits_by(*, tables: str, span: str, models: str) -> str:
    """Return the query, as SQL of SQL: where the tables are, the window, and the models."""
    given = _GIVEN.format(tables=tables, models=models)
    return f"{given} UNION ALL {traced_by(tables=tables, span=span, models=models)}"


def traced_by(*, tables: str, span: str, models: str) -> str:
    """Return the same of those conversions only that do not have their delivery, and refunds."""
    known = _known(tables=tables, span=span)
    return _TRACED.format(tables=tables, models=models, known=known)


def _known(*, tables: str, span: str) -> str:
    """Return the query for all that is known of a conversion `a`, the surest ranked first."""
    clicks = _TAPS.format(
        tables=tables, table="clicks", at="clicked_at", span=span, people="AND verdict = 'human'"
    )
    starts = _TAPS.format(tables=tables, table="starts", at="started_at", span=span, people="")
    return _KNOWN.format(tables=tables, span=span, clicks=clicks, starts=starts)


# OFFSET keeps the payments from being read as a whole for the few refunds that there are.
_LAST_TOUCH = """
SELECT event_id AS conversion, false AS traced, delivery, user_id, kind, amount, currency,
       occurred_at
FROM {tables}.conversions WHERE delivery IS NOT NULL AND refund_of IS NULL
UNION ALL
SELECT c.event_id, true, t.delivery, c.user_id, c.kind, c.amount, c.currency, c.occurred_at
FROM {tables}.conversions AS c
LEFT JOIN LATERAL (
    SELECT * FROM {tables}.conversions AS paid
    WHERE c.kind = 'refund' AND paid.kind <> 'refund'
      AND paid.source = c.source AND paid.source_id = c.refund_of OFFSET 0
) AS paid ON true
CROSS JOIN LATERAL (SELECT {either}) AS a
CROSS JOIN LATERAL (
    SELECT delivery FROM ({known}) AS known ORDER BY rank, touched_at DESC, sequence DESC LIMIT 1
) AS t
WHERE c.delivery IS NULL OR c.refund_of IS NOT NULL
"""
_ASKED = ("delivery", "cta", "click_id", "user_id", "campaign", "channel", "kind", "occurred_at")
_EITHER = ", ".join(
    f"CASE WHEN paid.event_id IS NULL THEN c.{name} ELSE paid.{name} END AS {name}"
    for name in _ASKED
)


def last_touch(*, tables: str, span: str) -> str:
    """Return the query for the last touch of each conversion and refund, at half the cost.

    By this model one delivery is due for all of a conversion, or none is. `traced`: it did not have
    its delivery by itself.
    """
    known = _known(tables=tables, span=span)
    return _LAST_TOUCH.format(tables=tables, known=known, either=_EITHER)


ATTRIBUTION = View(
    "attribution",
    "To which deliveries each conversion and refund is due, by three models; a person's taps and"
    f" starts count for {DEFAULT_SPAN}. Another window: fingerpost.attribute('30 days', 'linear').",
    tuple((name, meaning) for name, _, meaning in _COLUMNS),
    credits_by(
        tables="{schema}",
        span=f"interval '{DEFAULT_SPAN}'",
        models="(VALUES ('first'), ('last'), ('linear'))",
    ),
)

_RETURNED = ", ".join(f"{name} {type_}" for name, type_, _ in _COLUMNS)

# Over the views, by which the caller may read, and as text, which depends on none of them. Not
# STRICT, so that Postgres can plan it as a part of the query that calls it.
ATTRIBUTE = f"""
CREATE OR REPLACE FUNCTION fingerpost.known_model(name text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    IF name IS NULL OR name <> ALL('{{{", ".join(MODELS)}}}') THEN
        RAISE EXCEPTION 'by_model % is unknown; use {", ".join(MODELS)}', quote_nullable(name)
        USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN name;
END $$;
COMMENT ON FUNCTION fingerpost.known_model(text) IS 'The name of a model; an error for another.';
DROP FUNCTION IF EXISTS fingerpost.attribute(interval, text);
CREATE FUNCTION fingerpost.attribute(
    span interval DEFAULT '{DEFAULT_SPAN}', by_model text DEFAULT '{DEFAULT_MODEL}'
) RETURNS TABLE ({_RETURNED}) LANGUAGE sql STABLE PARALLEL SAFE AS $$
{credits_by(tables="fingerpost", span="$1", models="(SELECT fingerpost.known_model($2))")}
$$;
COMMENT ON FUNCTION fingerpost.attribute(interval, text) IS
    'As the view attribution, for one model and any window.';
"""
