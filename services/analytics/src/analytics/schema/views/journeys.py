"""What each person did."""

from analytics.schema.views.view import View

USER_JOURNEY = View(
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
)
