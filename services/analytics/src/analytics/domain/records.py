"""Events that are rows of their own: each is copied, once, under its event's id."""

import json

from analytics.domain.rows import ClickRow, ConversionRow, ForgottenRow, StartRow, VariantRow
from contracts.events import (
    BotStarted,
    CampaignDefined,
    ConversionRecorded,
    CtaClicked,
    UserForgotten,
)


def variants_of(fact: CampaignDefined) -> list[VariantRow]:
    """Return a row for each variant of the definition."""
    return [
        VariantRow(
            campaign=fact.campaign,
            variant=variant.id,
            text=variant.text,
            ctas=json.dumps([cta.model_dump(mode="json") for cta in variant.ctas]),
            revision=fact.revision,
        )
        for variant in fact.definition.variants
    ]


def click_of(event_id: str, sequence: int, fact: CtaClicked) -> ClickRow:
    """Return the row of one tap."""
    return ClickRow(
        event_id=event_id,
        sequence=sequence,
        delivery=fact.delivery,
        cta=fact.cta,
        user_id=fact.user_id,
        via=fact.via,
        verdict=fact.verdict,
        rule=fact.rule,
        message_id=fact.message_id,
        clicked_at=fact.clicked_at,
    )


def start_of(event_id: str, sequence: int, fact: BotStarted) -> StartRow:
    """Return the row of one start."""
    return StartRow(
        event_id=event_id,
        sequence=sequence,
        delivery=fact.delivery,
        cta=fact.cta,
        user_id=fact.user_id,
        bot_id=fact.bot_id,
        started_at=fact.started_at,
    )


def conversion_of(event_id: str, sequence: int, fact: ConversionRecorded) -> ConversionRow:
    """Return the row of one conversion."""
    return ConversionRow(
        event_id=event_id,
        sequence=sequence,
        source=fact.source,
        source_id=fact.source_id,
        kind=fact.kind,
        amount=fact.amount,
        currency=fact.currency,
        user_id=fact.user_id,
        delivery=fact.delivery,
        cta=fact.cta,
        click_id=fact.click_id,
        campaign=fact.campaign,
        channel=fact.channel,
        refund_of=fact.refund_of,
        paid_until=fact.paid_until,
        occurred_at=fact.occurred_at,
    )


def forgotten_of(event_id: str, sequence: int, fact: UserForgotten) -> ForgottenRow:
    """Return the row of one person who was forgotten."""
    return ForgottenRow(
        event_id=event_id,
        sequence=sequence,
        request_id=fact.request_id,
        forgotten_at=fact.forgotten_at,
        counts=json.dumps([count.model_dump(mode="json") for count in fact.counts]),
        replaces=json.dumps(fact.replaces),
    )
