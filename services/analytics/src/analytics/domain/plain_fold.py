"""The tables by definition: what each row must be, told from the whole story of its key.

Written apart from `analytics.domain.fold`, which goes event by event: where the two agree, row by
row, neither is likely to be wrong. It shares with it the events and the order of the columns only.
"""

import json
from bisect import bisect
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Any, cast
from zoneinfo import ZoneInfo

from analytics.domain.fold import Entry
from contracts.events import (
    BotStarted,
    CampaignDefined,
    CampaignPaused,
    CampaignResumed,
    CampaignRetired,
    ConversionRecorded,
    CtaClicked,
    GuideDue,
    MessageClaimed,
    MessageFailed,
    MessageSent,
    MessageSkipped,
    MessageUncertain,
    MessageWithdrawn,
    PromoDue,
    SlotMissed,
    UserForgotten,
)

Key = tuple[str, ...]
Row = tuple[Any, ...]
Story = Sequence[Entry]

_DECISIONS = (CampaignPaused, CampaignResumed, CampaignRetired)
_PLANS = (GuideDue, PromoDue, SlotMissed)
_ATTEMPTS = (MessageClaimed, MessageFailed, MessageUncertain, MessageSent)
_DELIVERY_FACTS = (*_PLANS, *_ATTEMPTS, MessageSkipped, MessageWithdrawn)
_RECORDS = {
    CtaClicked: "clicks",
    BotStarted: "starts",
    ConversionRecorded: "conversions",
    UserForgotten: "forgotten",
}

_OF_PEOPLE = {"clicks", "starts", "conversions"}


class Zones:
    """In which zone each campaign was at each place of the log; entries are added in order.

    `replaced` are the places of what forgotten people did: others stand for it.
    """

    def __init__(self) -> None:
        self.replaced: set[int] = set()
        self._since: dict[str, list[int]] = {}
        self._zones: dict[str, list[str]] = {}

    def add(self, entry: Entry) -> None:
        """Note what the event says about a zone, where it does."""
        fact = entry.event.data
        if isinstance(fact, CampaignDefined):
            self._since.setdefault(fact.campaign, []).append(entry.sequence)
            self._zones.setdefault(fact.campaign, []).append(fact.definition.zone)
        elif isinstance(fact, UserForgotten):
            self.replaced.update(fact.replaces)

    def day(self, place: int, plan: Any) -> date:
        """Return the date of a planned instant, by the zone that was known at `place`."""
        known = bisect(self._since.get(plan.campaign, []), place)
        zone = ZoneInfo(self._zones[plan.campaign][known - 1]) if known else UTC
        local: datetime = plan.scheduled_for.astimezone(zone)
        return local.date()


def strands(entry: Entry) -> Iterator[tuple[str, Key]]:
    """Name the rows that the event tells about, by table and key."""
    fact = entry.event.data
    if table := _RECORDS.get(type(fact)):
        yield table, (entry.event.id,)
        if isinstance(fact, UserForgotten):
            for act in fact.acts:
                yield _RECORDS[type(act.said)], (act.said.id,)
    elif isinstance(fact, _DELIVERY_FACTS):
        yield "deliveries", (fact.delivery,)
    elif isinstance(fact, (CampaignDefined, *_DECISIONS)):
        yield "campaigns", (fact.campaign,)
        if isinstance(fact, CampaignDefined):
            for variant in fact.definition.variants:
                yield "variants", (fact.campaign, variant.id)


def row_of(table: str, key: Key, story: Story, zones: Zones) -> Row | None:
    """Return the row that the events about it, in the log's order, amount to; None: no row."""
    if table == "deliveries":
        return _delivery(key, story, zones)
    if table in _OF_PEOPLE:
        story = [entry for entry in story if entry.sequence not in zones.replaced]
    return _ROWS[table](key, story) if story else None


def _click(key: Key, story: Story) -> Row:
    sequence, e = _one(key, story)
    act = (e.delivery, e.cta, e.user_id, e.via, e.verdict, e.rule, e.message_id, e.clicked_at)
    return (*key, sequence, *act)


def _start(key: Key, story: Story) -> Row:
    sequence, e = _one(key, story)
    return (*key, sequence, e.delivery, e.cta, e.user_id, e.bot_id, e.started_at)


def _conversion(key: Key, story: Story) -> Row:
    sequence, e = _one(key, story)
    fact = (e.source, e.source_id, e.kind, e.amount, e.currency, e.user_id)
    credit = (e.delivery, e.cta, e.click_id, e.campaign, e.channel)
    return (*key, sequence, *fact, *credit, e.refund_of, e.paid_until, e.occurred_at)


def _forgotten(key: Key, story: Story) -> Row:
    sequence, e = story[0].sequence, cast("UserForgotten", story[0].event.data)
    counts = json.dumps([count.model_dump(mode="json") for count in e.counts])
    return (*key, sequence, e.request_id, e.forgotten_at, counts, json.dumps(e.replaces))


def _one(key: Key, story: Story) -> tuple[int, Any]:
    sequence, fact = story[0].sequence, story[0].event.data
    if isinstance(fact, UserForgotten):
        return next((act.sequence, act.said) for act in fact.acts if act.said.id == key[0])
    return sequence, fact


def _campaign(key: Key, story: Story) -> Row:
    definitions = [e.event for e in story if isinstance(e.event.data, CampaignDefined)]
    decisions = [e.event.data for e in story if isinstance(e.event.data, _DECISIONS)]
    last: Any = decisions[-1] if decisions else None
    revived = isinstance(last, CampaignRetired) and isinstance(
        story[-1].event.data, CampaignDefined
    )
    state = "active"
    if isinstance(last, CampaignPaused):
        state = "paused"
    elif isinstance(last, CampaignRetired) and not revived:
        state = "retired"
    newest: Any = definitions[-1].data if definitions else None
    plan = newest.definition if newest else None
    return (
        *key,
        *((plan.kind, plan.title, plan.zone, newest.revision) if plan else (None,) * 4),
        state,
        definitions[-1].time if definitions else None,
        last.until if isinstance(last, CampaignPaused) else None,
        *((last.note, last.actor) if last else (None, None)),
    )


def _variant(key: Key, story: Story) -> Row:
    newest: Any = story[-1].event.data
    variant = [v for v in newest.definition.variants if v.id == key[1]][-1]
    ctas = json.dumps([cta.model_dump(mode="json") for cta in variant.ctas])
    return (*key, variant.text, ctas, newest.revision)


def _delivery(key: Key, story: Story, zones: Zones) -> Row:
    facts: list[Any] = [entry.event.data for entry in story]
    plan, due = _first(_PLANS, facts), _first((GuideDue, PromoDue), facts)
    sent = _first(MessageSent, facts)
    place = next((e.sequence for e in story if e.event.data is plan), 0)
    day = zones.day(place, plan) if plan else None
    variants = [
        fact.variant if isinstance(fact.variant, str) else fact.variant.id
        for fact in facts
        if not isinstance(fact, SlotMissed)
    ]
    return (
        *key,
        facts[0].campaign,
        facts[0].kind,
        variants[0] if variants else None,
        facts[0].channel,
        *((plan.revision, plan.scheduled_for, day, plan.ordinal) if plan else (None,) * 4),
        *((due.trigger, due.expires_at) if due else (None, None)),
        *_state(facts),
        max((fact.attempt for fact in facts if isinstance(fact, _ATTEMPTS)), default=0),
        *((sent.sent_at, sent.chat_id, sent.message_id) if sent else (None,) * 3),
        *((sent.latency_ms, sent.audience, sent.reconciled) if sent else (None,) * 3),
        due.bot if due else None,
        *((sent.follow_up_id, sent.withdraw_at) if sent else (None, None)),
        *_withdrawal(facts),
    )


def _state(facts: list[Any]) -> Row:
    """Return state, reason, description and the time of another attempt."""
    if _first(MessageSent, facts):
        return "sent", None, None, None
    for kind, state in ((MessageSkipped, "skipped"), (SlotMissed, "missed")):
        if end := _first(kind, facts):
            return state, end.reason, None, None
    attempts = [fact for fact in facts if isinstance(fact, _ATTEMPTS)]
    if not attempts:
        return "due", None, None, None
    newest = max(fact.attempt for fact in attempts)
    last = [fact for fact in attempts if fact.attempt == newest]
    if failed := _first(MessageFailed, last):
        state = "due" if failed.retry_at else "failed"
        return state, failed.failure, failed.description, failed.retry_at
    if uncertain := _first(MessageUncertain, last):
        return "uncertain", uncertain.policy, uncertain.description, None
    return "claimed", None, None, None


def _withdrawal(facts: list[Any]) -> Row:
    """Return how, why, with which outcome and when the message was withdrawn."""
    told = [fact for fact in facts if isinstance(fact, MessageWithdrawn)]
    taken = [fact for fact in told if fact.outcome != "refused"]
    for action in ("delete", "edit", "unpin"):
        for fact in taken or told:
            if fact.action == action:
                return fact.action, fact.reason, fact.outcome, fact.withdrawn_at
    return (None,) * 4


def _first(kinds: Any, facts: list[Any]) -> Any:
    return next((fact for fact in facts if isinstance(fact, kinds)), None)


_ROWS: dict[str, Callable[[Key, Story], Row]] = {
    "campaigns": _campaign,
    "variants": _variant,
    "clicks": _click,
    "starts": _start,
    "conversions": _conversion,
    "forgotten": _forgotten,
}
