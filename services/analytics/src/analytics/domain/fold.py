"""What a run of events means for the tables: pure, and the same however the log is cut into runs.

A row's new value depends on its present value and the event alone, and an event's own row is made
once by its id, from the first message that has it. So folding a log at once, in batches, or twice
over gives the same tables.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar, get_args

from analytics.domain.deliveries import DeliveryFact, evolve_delivery
from analytics.domain.messages import Said
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
from contracts.events import (
    BotStarted,
    BotStopped,
    CampaignBackfilled,
    CampaignDefined,
    CampaignPaused,
    CampaignResumed,
    CampaignRetired,
    CampaignTriggered,
    ChannelDisabled,
    ChannelEnabled,
    ChannelMigrated,
    ConversionRecorded,
    CtaClicked,
    Event,
    ForgetRequested,
    InviteLinkCreated,
    MessageUnreadable,
    UserForgotten,
)

R = TypeVar("R")
CampaignFact = CampaignDefined | CampaignPaused | CampaignResumed | CampaignRetired
Record = CtaClicked | BotStarted | ConversionRecorded | UserForgotten

# Asked by the very type: `isinstance` with these unions costs as much as the rest of the fold.
_OF_CAMPAIGNS: frozenset[type[Event]] = frozenset(get_args(CampaignFact))
_OF_DELIVERIES: frozenset[type[Event]] = frozenset(get_args(DeliveryFact))
_RECORDS: frozenset[type[Event]] = frozenset(get_args(Record))

FOLDED = _OF_CAMPAIGNS | _OF_DELIVERIES | _RECORDS
IGNORED: frozenset[type[Event]] = frozenset(
    {
        # What was asked for shows in the deliveries that came of it.
        CampaignTriggered,
        CampaignBackfilled,
        # What a bot may do in a channel shows in skipped and failed deliveries.
        ChannelDisabled,
        ChannelEnabled,
        ChannelMigrated,
        # How the parts work together; a join by the link is a conversion.
        InviteLinkCreated,
        # It names no campaign; that nothing was posted shows in the due delivery.
        MessageUnreadable,
        # Wishes of people; that one was carried out is UserForgotten.
        BotStopped,
        ForgetRequested,
    }
)
"""What analysts need no table for. Every event is in one of the two sets: a test sees to it."""

LONGEST_ID = 512
"""Characters that an id may have: every index of Postgres can hold as many."""


class Entry(NamedTuple):
    """An event and the sequence at which the log holds it."""

    sequence: int
    event: Said


class UnfitError(ValueError):
    """The event says something that no table can hold."""


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
    replaced: set[int] = field(default_factory=set)
    """Places in the log whose rows of known people have to go before these are written."""


@dataclass(frozen=True)
class Touched:
    """Keys of the rows whose present value a run needs."""

    campaigns: frozenset[str]
    deliveries: frozenset[str]


def touched(run: Iterable[Entry]) -> Touched:
    """Return which present rows must be known before `run` can be folded."""
    campaigns, deliveries = set(), set()
    for _, envelope in run:
        fact: Any = envelope.data
        if type(fact) in _OF_CAMPAIGNS:
            campaigns.add(fact.campaign)
        elif type(fact) in _OF_DELIVERIES:
            campaigns.add(fact.campaign)
            deliveries.add(str(fact.delivery))
    return Touched(frozenset(campaigns), frozenset(deliveries))


def fold(present: Tables, run: Iterable[Entry]) -> Tables:
    """Return the rows that `run` makes or changes, given the `present` ones that it touches.

    Raises UnfitError, or what arithmetic and dates raise, for what stands in an event.
    """
    after = Tables(campaigns=dict(present.campaigns), deliveries=dict(present.deliveries))
    for sequence, envelope in run:
        _apply(after, sequence, envelope)
    after.campaigns = _changed(present.campaigns, after.campaigns)
    after.deliveries = _changed(present.deliveries, after.deliveries)
    return after


def _changed(before: dict[str, R], after: dict[str, R]) -> dict[str, R]:
    return {key: row for key, row in after.items() if before.get(key) != row}


def _apply(tables: Tables, sequence: int, envelope: Said) -> None:
    fact: Any = envelope.data
    kind = type(fact)
    _check_ids(envelope.id, getattr(fact, "delivery", None))
    if kind in _RECORDS:
        _record(tables, sequence, envelope.id, fact)
    elif kind in _OF_DELIVERIES:
        delivery = str(fact.delivery)
        campaign = tables.campaigns.get(fact.campaign)
        tables.deliveries[delivery] = evolve_delivery(
            tables.deliveries.get(delivery, DeliveryRow(delivery)),
            fact,
            campaign.zone if campaign else None,
        )
    elif kind in _OF_CAMPAIGNS:
        row = tables.campaigns.get(fact.campaign, CampaignRow(fact.campaign))
        tables.campaigns[fact.campaign] = _evolve_campaign(row, fact, envelope)
        if kind is CampaignDefined:
            tables.variants |= {(row.campaign, row.variant): row for row in variants_of(fact)}


def _check_ids(*ids: str | None) -> None:
    # A row with a longer one fits into a table, but the indexes are made after a rebuild.
    for name in ids:
        if name and len(name) > LONGEST_ID:
            raise UnfitError(f"an id of {len(name)} characters; at most {LONGEST_ID} are possible")


def _record(tables: Tables, sequence: int, name: str, fact: Record) -> None:
    match fact:
        case CtaClicked():
            tables.clicks.setdefault(name, click_of(name, sequence, fact))
        case BotStarted():
            tables.starts.setdefault(name, start_of(name, sequence, fact))
        case ConversionRecorded():
            tables.conversions.setdefault(name, conversion_of(name, sequence, fact))
        case UserForgotten():
            tables.forgotten.setdefault(name, forgotten_of(name, sequence, fact))
            _forget(tables, fact)


def _forget(tables: Tables, fact: UserForgotten) -> None:
    """Put what names nobody in the place of a person's rows, those of this very run included."""
    gone = set(fact.replaces)
    tables.replaced |= gone
    mine: tuple[dict[str, Any], ...] = (tables.clicks, tables.starts, tables.conversions)
    for rows in mine:
        for name in [name for name, row in rows.items() if row.sequence in gone]:
            del rows[name]
    for act in fact.acts:
        _check_ids(act.said.id, act.said.delivery)
        _record(tables, act.sequence, act.said.id, act.said)


def _evolve_campaign(row: CampaignRow, fact: CampaignFact, envelope: Said) -> CampaignRow:
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
