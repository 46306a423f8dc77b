"""What a run of events means for the tables: pure, and the same however the log is cut into runs.

A row's new value depends on its present value and the event alone, and an event's own row is made
once by its id. So folding a log at once, in batches, or twice over gives the same tables.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from analytics.domain.deliveries import DeliveryFact, evolve_delivery
from analytics.domain.records import (
    click_of,
    conversion_of,
    forgotten_of,
    start_of,
    variants_of,
)
from analytics.domain.rows import (
    CampaignRow,
    ClickRow,
    ConversionRow,
    DeliveryRow,
    ForgottenRow,
    StartRow,
    VariantRow,
)
from contracts.envelope import Envelope
from contracts.events import (
    BotStarted,
    CampaignDefined,
    CampaignPaused,
    CampaignResumed,
    CampaignRetired,
    ConversionRecorded,
    CtaClicked,
    UserForgotten,
)

R = TypeVar("R")
CampaignFact = CampaignDefined | CampaignPaused | CampaignResumed | CampaignRetired


@dataclass
class Tables:
    """Rows by their keys."""

    campaigns: dict[str, CampaignRow] = field(default_factory=dict)
    variants: dict[tuple[str, str], VariantRow] = field(default_factory=dict)
    deliveries: dict[str, DeliveryRow] = field(default_factory=dict)
    clicks: dict[str, ClickRow] = field(default_factory=dict)
    starts: dict[str, StartRow] = field(default_factory=dict)
    conversions: dict[str, ConversionRow] = field(default_factory=dict)
    forgotten: dict[str, ForgottenRow] = field(default_factory=dict)


@dataclass(frozen=True)
class Touched:
    """Keys of the rows whose present value a run needs."""

    campaigns: frozenset[str]
    deliveries: frozenset[str]


def touched(run: Iterable[Envelope]) -> Touched:
    """Return which present rows must be known before `run` can be folded."""
    campaigns, deliveries = set(), set()
    for envelope in run:
        fact = envelope.data
        if isinstance(fact, CampaignFact):
            campaigns.add(fact.campaign)
        elif isinstance(fact, DeliveryFact):
            campaigns.add(fact.campaign)
            deliveries.add(str(fact.delivery))
    return Touched(frozenset(campaigns), frozenset(deliveries))


def fold(present: Tables, run: Iterable[Envelope]) -> Tables:
    """Return the rows that `run` makes or changes, given the `present` ones that it touches."""
    after = Tables(campaigns=dict(present.campaigns), deliveries=dict(present.deliveries))
    for envelope in run:
        _apply(after, envelope)
    after.campaigns = _changed(present.campaigns, after.campaigns)
    after.deliveries = _changed(present.deliveries, after.deliveries)
    return after


def _changed(before: dict[str, R], after: dict[str, R]) -> dict[str, R]:
    return {key: row for key, row in after.items() if before.get(key) != row}


def _apply(tables: Tables, envelope: Envelope) -> None:
    fact = envelope.data
    if isinstance(fact, CampaignFact):
        row = tables.campaigns.get(fact.campaign, CampaignRow(fact.campaign))
        tables.campaigns[fact.campaign] = _evolve_campaign(row, fact, envelope)
        if isinstance(fact, CampaignDefined):
            tables.variants |= {(row.campaign, row.variant): row for row in variants_of(fact)}
    elif isinstance(fact, DeliveryFact):
        delivery = str(fact.delivery)
        campaign = tables.campaigns.get(fact.campaign)
        tables.deliveries[delivery] = evolve_delivery(
            tables.deliveries.get(delivery, DeliveryRow(delivery)),
            fact,
            campaign.zone if campaign else None,
        )
    else:
        _record(tables, envelope)


def _record(tables: Tables, envelope: Envelope) -> None:
    match envelope.data:
        case CtaClicked() as fact:
            tables.clicks.setdefault(envelope.id, click_of(envelope.id, fact))
        case BotStarted() as fact:
            tables.starts.setdefault(envelope.id, start_of(envelope.id, fact))
        case ConversionRecorded() as fact:
            tables.conversions.setdefault(envelope.id, conversion_of(envelope.id, fact))
        case UserForgotten() as fact:
            tables.forgotten.setdefault(envelope.id, forgotten_of(envelope.id, fact))


def _evolve_campaign(row: CampaignRow, fact: CampaignFact, envelope: Envelope) -> CampaignRow:
    match fact:
        case CampaignDefined(definition=plan):
            return row._replace(
                kind=plan.kind,
                title=plan.title,
                zone=plan.zone,
                revision=fact.revision,
                state="active" if row.state == "retired" else row.state,
                defined_at=envelope.time,
            )
        case CampaignPaused():
            return row._replace(
                state="paused", paused_until=fact.until, note=fact.note, actor=fact.actor
            )
        case _:
            return row._replace(
                state="active" if isinstance(fact, CampaignResumed) else "retired",
                paused_until=None,
                note=fact.note,
                actor=fact.actor,
            )
