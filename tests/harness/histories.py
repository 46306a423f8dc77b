"""Logs that could be: for hypothesis, and one story told by hand."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from contracts.campaign import Campaign
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
    MessageWithdrawn,
    PromoDue,
    SlotMissed,
    UserForgotten,
)
from contracts.examples import CHANNEL, GUIDES, PROMO_VARIANT, SLOT, example
from contracts.ids import delivery_id

_CAMPAIGNS = {"guides": "guide", "promos": "promo"}
_ZONES = ("UTC", "Europe/Berlin", "Pacific/Auckland")
_PEOPLE = (None, 1, 2)
_SLOTS = 2


def enveloped(events: list[Event]) -> list[Envelope]:
    """Return the events as the log would hold them, a second apart."""
    return [
        Envelope.of(event, source="/test", now=SLOT + timedelta(seconds=number), cause=None)
        for number, event in enumerate(events)
    ]


def plan(campaign: str, *, zone: str = "UTC", variants: int = 1, **fields: Any) -> Campaign:
    """Return a definition with some variants `v0`, `v1`..."""
    return Campaign(
        **{
            "id": campaign,
            "kind": _CAMPAIGNS.get(campaign, "promo"),
            "title": campaign.title(),
            "zone": zone,
            "channels": (CHANNEL,),
            "variants": tuple(
                PROMO_VARIANT.model_copy(update={"id": f"v{number}"}) for number in range(variants)
            ),
            **fields,
        }
    )


def _slot(campaign: str, number: int) -> dict[str, Any]:
    # Ten in the evening: another day in some of the zones.
    moment = datetime(2026, 3, 1, 22, tzinfo=UTC) + timedelta(hours=number)
    return {
        "delivery": delivery_id(campaign, CHANNEL, moment),
        "campaign": campaign,
        "channel": CHANNEL,
        "scheduled_for": moment,
    }


def _message(campaign: str, number: int) -> dict[str, Any]:
    slot = _slot(campaign, number)
    del slot["scheduled_for"]
    return {**slot, "kind": _CAMPAIGNS[campaign], "variant": f"v{number % 2}"}


def _planned() -> st.SearchStrategy[Event]:
    def make(campaign: str, number: int, missed: bool) -> Event:
        slot = _slot(campaign, number)
        if missed:
            return example(SlotMissed, **slot, kind=_CAMPAIGNS[campaign])
        variant = PROMO_VARIANT.model_copy(update={"id": f"v{number % 2}"})
        return example(GuideDue if campaign == "guides" else PromoDue, **slot, variant=variant)

    return st.builds(make, _campaign, _number, st.booleans())


def _attempted() -> st.SearchStrategy[Event]:
    def make(kind: type[Event], campaign: str, number: int, attempt: int, again: bool) -> Event:
        fields: dict[str, Any] = {**_message(campaign, number), "attempt": attempt}
        if kind is MessageFailed:
            fields["retry_at"] = SLOT if again else None
        if kind is MessageSent:
            fields["audience"] = 100 if again else None
            fields["sent_at"] = SLOT + timedelta(days=attempt)
        if kind is MessageWithdrawn:
            fields["action"] = ("edit", "delete")[attempt - 1]
            fields["outcome"] = "refused" if again else "done"
        if kind in {MessageSkipped, MessageWithdrawn}:
            del fields["attempt"]
        return example(kind, **fields)

    kinds = (
        MessageClaimed,
        MessageFailed,
        MessageUncertain,
        MessageSent,
        MessageSkipped,
        MessageWithdrawn,
    )
    return st.builds(make, st.sampled_from(kinds), _campaign, _number, _attempt, st.booleans())


def _decided() -> st.SearchStrategy[Event]:
    def make(kind: type[Event], campaign: str, zone: str, revision: int) -> Event:
        if kind is CampaignDefined:
            definition = plan(campaign, zone=zone, variants=revision)
            return example(kind, campaign=campaign, revision=revision, definition=definition)
        moment = SLOT + timedelta(hours=revision)
        return example(kind, campaign=campaign, decided_at=moment, note=f"note {revision}")

    kinds = (CampaignDefined, CampaignPaused, CampaignResumed, CampaignRetired)
    return st.builds(
        make, st.sampled_from(kinds), _campaign, st.sampled_from(_ZONES), st.integers(1, 3)
    )


def _acted() -> st.SearchStrategy[Event]:
    def make(
        kind: type[Event], campaign: str, slot: int, person: int | None, number: int, day: int
    ) -> Event:
        delivery = _slot(campaign, slot)["delivery"]
        at = SLOT + timedelta(days=day)
        if kind is CtaClicked:
            source = f"tap-{campaign}-{slot}-{person}-{number}"
            return example(
                kind,
                source_id=source,
                delivery=delivery,
                user_id=person,
                via="callback" if person else "link",
                verdict="robot" if number % 5 == 0 else "human",
                clicked_at=at,
            )
        if kind is BotStarted:
            update = slot * 100 + (person or 9) * 10 + number
            return example(
                kind, update_id=update, delivery=delivery, user_id=person or 9, started_at=at
            )
        return _converted(campaign, slot, person, number, day)

    kinds = (CtaClicked, BotStarted, ConversionRecorded)
    return st.builds(
        make, st.sampled_from(kinds), _campaign, _number, st.sampled_from(_PEOPLE), _small, _day
    )


def _converted(campaign: str, slot: int, person: int | None, number: int, day: int) -> Event:
    """Make a conversion; by `number` it says less and less of what led to it, or is a refund."""
    source = f"paid-{campaign}-{slot}-{person}"
    known: list[dict[str, Any]] = [
        {"kind": "refund", "amount": -5, "refund_of": f"{source}-{1 + day % 5}"},
        {},
        {"click_id": f"tap-{campaign}-{slot}-None-{1 + day % 3}"},
        {"campaign": campaign, "channel": ("@other", CHANNEL, None)[day % 3]},
        {"kind": "refund", "amount": -5, "delivery": _slot(campaign, slot)["delivery"]},
        {"delivery": _slot(campaign, slot)["delivery"]},
    ]
    return example(
        ConversionRecorded,
        **{
            "source_id": f"{source}-{number}",
            "user_id": person,
            "delivery": None,
            "occurred_at": SLOT + timedelta(days=day),
            **known[number],
        },
    )


_campaign = st.sampled_from(sorted(_CAMPAIGNS))
_number = st.integers(0, _SLOTS - 1)
_attempt = st.integers(1, 2)
_small = st.integers(0, 5)
_day = st.integers(0, 9)


def histories(most: int = 40) -> st.SearchStrategy[list[Envelope]]:
    """Return logs in any order, each event once, as the log's own guards have it."""
    events = st.one_of(_planned(), _attempted(), _decided(), _acted())
    once = st.lists(events, max_size=most, unique_by=lambda event: event.id)
    return once.map(enveloped)


def cuts(history: list[Envelope], places: list[int]) -> list[list[Envelope]]:
    """Return the history cut at the places, taken modulo its length."""
    borders = sorted({place % (len(history) + 1) for place in places} | {0, len(history)})
    return [history[a:b] for a, b in pairwise(borders)]


def every_event() -> list[Event]:
    """Return the story of one guide and one promo, with every event that makes a row."""
    promos = plan("promos", zone="Pacific/Auckland", variants=2)
    return [
        example(CampaignDefined),
        example(CampaignDefined, campaign="promos", definition=promos),
        example(CampaignDefined, revision=2, definition=GUIDES.model_copy(update={"title": "New"})),
        example(CampaignPaused),
        example(CampaignResumed, campaign="promos"),
        example(PromoDue),
        example(MessageClaimed),
        example(MessageFailed),
        example(MessageClaimed, attempt=2),
        example(MessageUncertain, attempt=2),
        example(MessageSent, attempt=2, reconciled=True),
        example(MessageWithdrawn),
        example(SlotMissed),
        example(MessageSkipped, **_message("guides", 1)),
        example(CtaClicked),
        example(CtaClicked, source_id="again"),
        example(CtaClicked, source_id="robot", user_id=None, verdict="robot", via="link"),
        example(BotStarted),
        example(ConversionRecorded),
        example(ConversionRecorded, source_id="back", kind="refund", amount=-50),
        example(CampaignRetired),
        example(UserForgotten),
    ]
