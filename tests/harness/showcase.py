"""Two weeks of two campaigns as the log would hold them: enough to look at, the same each time."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import blake2b
from typing import Any

from contracts.campaign import Campaign, Kind, Variant
from contracts.events import (
    BotStarted,
    CampaignDefined,
    ConversionRecorded,
    CtaClicked,
    Event,
    GuideDue,
    MessageFailed,
    MessageSent,
    MessageUncertain,
    PromoDue,
    SlotMissed,
)
from contracts.examples import GUIDE_VARIANT, PROMO_VARIANT, example
from contracts.ids import delivery_id

CHANNELS = ("-1001000000001", "@morning_markets")
PERSON = 7_000_000_000
_DAYS, _EVERY, _PEOPLE = 14, timedelta(hours=8), 400
_PROMOS = {
    "first-week": ("Your first week of Premium, for the price of a coffee.", 0.10),
    "what-members-saw": ("What members saw before the others did.", 0.16),
    "last-places": ("Twelve places are left this month.", 0.06),
}
_GUIDES = {
    "risk": ("Risk comes first: decide what you may lose.", 0.0),
    "charts": ("Reading a chart without seeing ghosts.", 0.0),
}


def _plan(campaign: str, kind: Kind, title: str, texts: dict[str, Any]) -> Campaign:
    pattern = PROMO_VARIANT if kind == "promo" else GUIDE_VARIANT
    return Campaign(
        id=campaign,
        kind=kind,
        title=title,
        zone="Europe/Berlin",
        channels=CHANNELS,
        variants=tuple(
            pattern.model_copy(update={"id": name, "text": text})
            for name, (text, _) in texts.items()
        ),
    )


PLANS = (
    _plan("premium", "promo", "Premium signals", _PROMOS),
    _plan("lessons", "guide", "Trading lessons", _GUIDES),
)


def story(now: datetime) -> Iterator[Event]:
    """Tell it, ending a little before `now`."""
    chance = random.Random(7)
    for plan in PLANS:
        yield example(CampaignDefined, campaign=plan.id, definition=plan)
    begin = (now - timedelta(days=_DAYS)).replace(minute=0, second=0, microsecond=0)
    slots = int(_DAYS * timedelta(days=1) / _EVERY)
    for number in range(slots):
        for plan in PLANS:
            for channel in CHANNELS:
                at = begin + number * _EVERY + timedelta(hours=PLANS.index(plan))
                yield from _delivery(chance, plan, channel, at, number, now)


def _delivery(
    chance: random.Random, plan: Campaign, channel: str, at: datetime, number: int, now: datetime
) -> Iterator[Event]:
    slot: dict[str, Any] = {
        "delivery": delivery_id(plan.id, channel, at),
        "campaign": plan.id,
        "channel": channel,
        "scheduled_for": at,
        "ordinal": number,
        "revision": 1,
    }
    if number == 5:
        yield example(SlotMissed, **slot, kind=plan.kind, reason="catchup_window")
        return
    variant = plan.variants[number % len(plan.variants)]
    due = PromoDue if plan.kind == "promo" else GuideDue
    yield example(due, **slot, variant=variant, expires_at=at + timedelta(hours=6))
    del slot["scheduled_for"], slot["ordinal"], slot["revision"]
    said = {**slot, "variant": variant.id, "kind": plan.kind, "attempt": 1}
    if number == 9 and channel == CHANNELS[1]:
        trouble = {"description": "Forbidden: bot is not a member of the channel chat"}
        yield example(MessageFailed, **said, **trouble, failure="target", retry_at=None)
        return
    if number == 20 and channel == CHANNELS[0] and plan.kind == "guide":
        yield example(MessageUncertain, **said, policy="hold", description="connection lost")
        return
    late = 90_000 if number == 14 else 300 + chance.randrange(400)
    yield example(
        MessageSent,
        **said,
        sent_at=at + timedelta(milliseconds=late),
        latency_ms=late,
        audience=3_000 + 10 * number,
        message_id=number + 1,
        reconciled=False,
    )
    yield from _acts(chance, slot["delivery"], plan, variant, at, now)


def _acts(
    chance: random.Random,
    delivery: str,
    plan: Campaign,
    variant: Variant,
    at: datetime,
    now: datetime,
) -> Iterator[Event]:
    eager = 1.6 if at.hour in range(15, 22) else 0.8
    share = _PROMOS.get(variant.id, (None, 0.0))[1]
    for number in range(int(chance.gauss(14, 4) * eager)):
        person = PERSON + int(_PEOPLE * chance.random() ** 2)
        moment = at + timedelta(minutes=chance.expovariate(1 / 50))
        here: dict[str, Any] = {"delivery": delivery, "cta": 0, "user_id": person}
        tap = f"tap-{delivery}-{number}"
        if moment < now:
            yield example(CtaClicked, **here, source_id=tap, clicked_at=moment)
        moment += timedelta(minutes=2)
        if plan.kind == "promo" and moment < now and chance.random() < 0.5:
            update = int.from_bytes(blake2b(tap.encode(), digest_size=6).digest())
            yield example(BotStarted, **here, update_id=update, started_at=moment)
            if chance.random() < 2 * share:
                yield _payment(chance, here, tap, moment + timedelta(minutes=4))


def _payment(
    chance: random.Random, here: dict[str, Any], tap: str, moment: datetime
) -> ConversionRecorded:
    by_card = chance.random() < 0.3
    return example(
        ConversionRecorded,
        **here,
        source="stripe" if by_card else "stars",
        source_id=tap,
        amount=Decimal("19.90") if by_card else Decimal(250),
        currency="EUR" if by_card else "XTR",
        occurred_at=min(moment, datetime.max.replace(tzinfo=UTC)),
    )
