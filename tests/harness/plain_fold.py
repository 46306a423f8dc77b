"""The tables as a plain fold of the log: by definition, over the whole of it, without any SQL.

Written apart from `analytics.domain`, which goes event by event: where the two agree, row by row,
neither is likely to be wrong. Rows are tuples in the order of the tables' columns.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, date
from decimal import Decimal
from math import sqrt
from typing import Any
from zoneinfo import ZoneInfo

from contracts.envelope import Envelope
from contracts.events import (
    BotStarted,
    CampaignDefined,
    CampaignPaused,
    CampaignResumed,
    CampaignRetired,
    ConversionRecorded,
    CtaClicked,
    Event,
    GuideDue,
    MessageClaimed,
    MessageFailed,
    MessageSent,
    MessageSkipped,
    MessageUncertain,
    PromoDue,
    SlotMissed,
)

Rows = set[tuple[Any, ...]]

_DECISIONS = (CampaignPaused, CampaignResumed, CampaignRetired)
_PLANS = (GuideDue, PromoDue, SlotMissed)
_ATTEMPTS = (MessageClaimed, MessageFailed, MessageUncertain, MessageSent)


def tables_of(log: Sequence[Envelope]) -> dict[str, Rows]:
    """Return every table that the log amounts to."""
    once = {envelope.id: envelope for envelope in reversed(log)}
    return {
        "campaigns": _campaigns(log),
        "variants": _variants(log),
        "deliveries": _deliveries(log),
        "clicks": {
            (i, e.delivery, e.cta, e.user_id, e.via, e.verdict, e.rule, e.message_id, e.clicked_at)
            for i, e in _of(CtaClicked, once.values())
        },
        "starts": {
            (i, e.delivery, e.cta, e.user_id, e.bot_id, e.started_at)
            for i, e in _of(BotStarted, once.values())
        },
        "conversions": {
            (i, e.source, e.source_id, e.kind, e.amount, e.currency, e.user_id, *_credit(e))
            for i, e in _of(ConversionRecorded, once.values())
        },
    }


def _of(kind: type[Event], log: Iterable[Envelope]) -> list[tuple[str, Any]]:
    return [(envelope.id, envelope.data) for envelope in log if isinstance(envelope.data, kind)]


def _credit(event: ConversionRecorded) -> tuple[Any, ...]:
    return event.delivery, event.cta, event.occurred_at


def _campaigns(log: Sequence[Envelope]) -> Rows:
    stories = defaultdict(list)
    for envelope in log:
        if isinstance(envelope.data, (CampaignDefined, *_DECISIONS)):
            stories[envelope.data.campaign].append(envelope)
    return {_campaign(name, story) for name, story in stories.items()}


def _campaign(name: str, story: list[Envelope]) -> tuple[Any, ...]:
    definitions = [e for e in story if isinstance(e.data, CampaignDefined)]
    decisions = [e.data for e in story if isinstance(e.data, _DECISIONS)]
    last: Any = decisions[-1] if decisions else None
    revived = isinstance(last, CampaignRetired) and isinstance(story[-1].data, CampaignDefined)
    state = "active"
    if isinstance(last, CampaignPaused):
        state = "paused"
    elif isinstance(last, CampaignRetired) and not revived:
        state = "retired"
    newest: Any = definitions[-1].data if definitions else None
    plan = newest.definition if newest else None
    return (
        name,
        *((plan.kind, plan.title, plan.zone, newest.revision) if plan else (None,) * 4),
        state,
        definitions[-1].time if definitions else None,
        last.until if isinstance(last, CampaignPaused) else None,
        *((last.note, last.actor) if last else (None, None)),
    )


def _variants(log: Sequence[Envelope]) -> Rows:
    rows = {}
    for _, event in _of(CampaignDefined, log):
        for variant in event.definition.variants:
            ctas = json.dumps([cta.model_dump(mode="json") for cta in variant.ctas])
            key = (event.campaign, variant.id)
            rows[key] = (*key, variant.text, ctas, event.revision)
    return set(rows.values())


def _deliveries(log: Sequence[Envelope]) -> Rows:
    stories: dict[str, list[Any]] = defaultdict(list)
    days: dict[str, date] = {}
    zones: dict[str, ZoneInfo] = {}
    for event in (envelope.data for envelope in log):
        if isinstance(event, CampaignDefined):
            zones[event.campaign] = ZoneInfo(event.definition.zone)
        if isinstance(event, (*_PLANS, *_ATTEMPTS, MessageSkipped)):
            stories[event.delivery].append(event)
            if isinstance(event, _PLANS):
                local = event.scheduled_for.astimezone(zones.get(event.campaign, UTC))
                days.setdefault(event.delivery, local.date())
    return {_delivery(name, story, days.get(name)) for name, story in stories.items()}


def _first(kinds: Any, story: list[Any]) -> Any:
    return next((event for event in story if isinstance(event, kinds)), None)


def _delivery(name: str, story: list[Any], day: Any) -> tuple[Any, ...]:
    plan, due = _first(_PLANS, story), _first((GuideDue, PromoDue), story)
    sent = _first(MessageSent, story)
    variants = [
        event.variant if isinstance(event.variant, str) else event.variant.id
        for event in story
        if not isinstance(event, SlotMissed)
    ]
    return (
        name,
        story[0].campaign,
        story[0].kind,
        variants[0] if variants else None,
        story[0].channel,
        *((plan.revision, plan.scheduled_for, day, plan.ordinal) if plan else (None,) * 4),
        *((due.trigger, due.expires_at) if due else (None, None)),
        *_state(story),
        max((event.attempt for event in story if isinstance(event, _ATTEMPTS)), default=0),
        *((sent.sent_at, sent.chat_id, sent.message_id) if sent else (None,) * 3),
        *((sent.latency_ms, sent.audience, sent.reconciled) if sent else (None,) * 3),
    )


def _state(story: list[Any]) -> tuple[Any, ...]:
    """Return state, reason, description and the time of another attempt."""
    if _first(MessageSent, story):
        return "sent", None, None, None
    for kind, state in ((MessageSkipped, "skipped"), (SlotMissed, "missed")):
        if end := _first(kind, story):
            return state, end.reason, None, None
    attempts = [event for event in story if isinstance(event, _ATTEMPTS)]
    if not attempts:
        return "due", None, None, None
    newest = max(event.attempt for event in attempts)
    last = [event for event in attempts if event.attempt == newest]
    if failed := _first(MessageFailed, last):
        state = "due" if failed.retry_at else "failed"
        return state, failed.failure, failed.description, failed.retry_at
    if uncertain := _first(MessageUncertain, last):
        return "uncertain", uncertain.policy, uncertain.description, None
    return "claimed", None, None, None


def figures_of(log: Sequence[Envelope], kind: str) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Return `promo_conversion` or `guide_engagement` by (campaign, variant, channel, day)."""
    once = list({envelope.id: envelope for envelope in reversed(log)}.values())
    posts: dict[str, tuple[Any, ...]] = {}
    sums: dict[tuple[Any, ...], dict[str, list[Any]]] = defaultdict(
        lambda: {"deliveries": [], "log": []}
    )
    for row in _deliveries(log):
        if row[2] == kind and row[3] is not None and (row[7] or row[16]):
            posts[row[0]] = (row[1], row[3], row[4], row[7] or row[16].date())
            sums[posts[row[0]]]["deliveries"].append(row)
    for envelope in once:
        key = posts.get(getattr(envelope.data, "delivery", None) or "")
        if key:
            sums[key]["log"].append(envelope)
    return {key: _figures(part["deliveries"], part["log"]) for key, part in sums.items()}


def _figures(deliveries: list[Any], log: list[Envelope]) -> dict[str, Any]:
    taps = [event for _, event in _of(CtaClicked, log) if event.verdict == "human"]
    turns = [event for _, event in _of(ConversionRecorded, log)]
    gains = [event for event in turns if event.kind != "refund"]
    people = {event.user_id for event in taps} - {None}
    converters = {event.user_id for event in gains} - {None}
    audiences = [row[20] for row in deliveries if row[11] == "sent" and row[20] is not None]
    revenue: dict[str, Decimal] = defaultdict(Decimal)
    for event in turns:
        if event.amount is not None and event.currency is not None:
            revenue[event.currency] += event.amount
    low, high = wilson(len(people & converters), len(people))
    return {
        "sent": sum(row[11] == "sent" for row in deliveries),
        "audience": sum(audiences) if audiences else None,
        "clicks": len(taps),
        "robot_clicks": len(_of(CtaClicked, log)) - len(taps),
        "unique_clickers": len(people),
        "starts": len(_of(BotStarted, log)),
        "conversions": len(gains),
        "converters": len(converters),
        "converted_clickers": len(people & converters),
        "revenue": dict(revenue),
        "click_through_rate": len(people) / sum(audiences) if sum(audiences) else None,
        "conversion_rate": len(people & converters) / len(people) if people else None,
        "conversion_rate_low": low,
        "conversion_rate_high": high,
    }


def wilson(part: int, whole: int) -> tuple[float | None, float | None]:
    """Return the 95 % Wilson score interval, as its textbook form has it."""
    if not whole:
        return None, None
    z, share = 1.959963984540054, part / whole
    scale = 1 + z**2 / whole
    centre = (share + z**2 / (2 * whole)) / scale
    half = z / scale * sqrt(share * (1 - share) / whole + z**2 / (4 * whole**2))
    return max(0.0, centre - half), min(1.0, centre + half)
