"""One canonical example of every event: golden files are made of them, and tests vary them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from contracts.campaign import (
    BotCta,
    CallbackCta,
    Campaign,
    IntervalSchedule,
    LinkCta,
    StarsOffer,
    Variant,
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
    GuideDue,
    InviteLinkCreated,
    MessageClaimed,
    MessageFailed,
    MessageSent,
    MessageSkipped,
    MessageUncertain,
    MessageUnreadable,
    MessageWithdrawn,
    PromoDue,
    SlotMissed,
    UserForgotten,
)
from contracts.events.person import ForgottenAct, ForgottenCount
from contracts.ids import delivery_id

SLOT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CHANNEL = "-1001234567890"
USER = 7_000_000_001
BOT = 123_456_789

GUIDE_VARIANT = Variant(
    id="risk",
    text="Risk first\n\nDecide what you may lose before you decide what you may win.",
    ctas=(LinkCta(kind="link", label="Read the guide", target="https://example.org/guides/risk"),),
)
PROMO_VARIANT = Variant(
    id="premium",
    text="Premium signals, every trading day.",
    ctas=(
        BotCta(
            kind="bot",
            label="Upgrade",
            greeting="Welcome! Premium is one tap away.",
            offer=StarsOffer(title="Premium", description="30 days of signals", stars=250),
        ),
        CallbackCta(kind="callback", label="Remind me", answer="We will write to you."),
    ),
)
GUIDES = Campaign(
    id="guides",
    kind="guide",
    title="Trading guides",
    zone="Europe/Berlin",
    schedule=IntervalSchedule(every=timedelta(hours=4)),
    channels=(CHANNEL,),
    variants=(GUIDE_VARIANT,),
)
GUIDE_DELIVERY = delivery_id("guides", CHANNEL, SLOT)
PROMO_DELIVERY = delivery_id("promos", CHANNEL, SLOT)

_SLOT = {
    "revision": 1,
    "channel": CHANNEL,
    "scheduled_for": SLOT,
    "ordinal": 123_078,
}
_DUE = {**_SLOT, "expires_at": SLOT + timedelta(hours=2), "trigger": "schedule"}
_MESSAGE = {
    "delivery": PROMO_DELIVERY,
    "campaign": "promos",
    "channel": CHANNEL,
    "variant": "premium",
    "kind": "promo",
}
_ATTEMPT = {**_MESSAGE, "attempt": 1}
_CHANNEL = {"channel": CHANNEL, "bot_id": BOT, "happened_at": SLOT}
_WORD = {
    "bot_id": BOT,
    "update_id": 10_001,
    "user_id": USER,
    "said_at": SLOT + timedelta(minutes=2),
}
_DECISION = {"campaign": "guides", "revision": 1, "note": "summer break", "actor": "owner"}

_FIELDS: dict[type[Event], dict[str, Any]] = {
    CampaignDefined: {
        "campaign": "guides",
        "revision": 1,
        "definition": GUIDES,
        "effective_at": SLOT - timedelta(hours=1),
        "first_ordinal": 17,
        "actor": "campaigns.yaml on scheduler-0",
    },
    CampaignPaused: {**_DECISION, "decided_at": SLOT, "until": SLOT + timedelta(days=14)},
    CampaignResumed: {**_DECISION, "decided_at": SLOT},
    CampaignRetired: {**_DECISION, "decided_at": SLOT},
    CampaignTriggered: {
        **_DECISION,
        "decided_at": SLOT,
        "request": "spring-sale",
        "variant": "risk",
        "channels": (CHANNEL,),
    },
    CampaignBackfilled: {
        **_DECISION,
        "decided_at": SLOT,
        "request": "after-outage",
        "since": SLOT - timedelta(days=1),
        "until": SLOT - timedelta(hours=4),
    },
    GuideDue: {
        **_DUE,
        "delivery": GUIDE_DELIVERY,
        "campaign": "guides",
        "variant": GUIDE_VARIANT,
        "on_uncertain": "hold",
    },
    PromoDue: {
        **_DUE,
        "delivery": PROMO_DELIVERY,
        "campaign": "promos",
        "variant": PROMO_VARIANT,
        "on_uncertain": "drop",
    },
    SlotMissed: {
        **_SLOT,
        "delivery": GUIDE_DELIVERY,
        "campaign": "guides",
        "kind": "guide",
        "reason": "catchup_window",
    },
    MessageClaimed: {
        **_ATTEMPT,
        "claimant": "sender-0",
        "claimed_at": SLOT,
        "bot_id": BOT,
        "mark": "k1-example",
        "last_known_message_id": 41,
    },
    MessageSent: {
        **_ATTEMPT,
        "chat_id": int(CHANNEL),
        "message_id": 42,
        "sent_at": SLOT + timedelta(milliseconds=350),
        "latency_ms": 350,
        "audience": 12_000,
    },
    MessageFailed: {
        **_ATTEMPT,
        "failure": "rate_limited",
        "description": "Too Many Requests: retry after 5",
        "failed_at": SLOT,
        "retry_at": SLOT + timedelta(seconds=5),
    },
    MessageUncertain: {**_ATTEMPT, "description": "the answer was lost", "policy": "drop"},
    MessageSkipped: {**_MESSAGE, "reason": "expired", "skipped_at": SLOT},
    MessageUnreadable: {
        "delivery": PROMO_DELIVERY,
        "sequence": 17,
        "description": "data.variant: Field required",
        "found_at": SLOT,
    },
    MessageWithdrawn: {
        **_MESSAGE,
        "chat_id": int(CHANNEL),
        "message_id": 42,
        "action": "edit",
        "reason": "expired",
        "outcome": "done",
        "withdrawn_at": SLOT + timedelta(days=1),
    },
    ChannelDisabled: {
        **_CHANNEL,
        "description": "Forbidden: bot was kicked from the channel chat",
        "delivery": PROMO_DELIVERY,
    },
    ChannelEnabled: {**_CHANNEL, "username": "@example_channel"},
    ChannelMigrated: {**_CHANNEL, "chat_id": -1009876543210, "delivery": PROMO_DELIVERY},
    CtaClicked: {
        "source_id": "4382bfdwdsb323b2d9",
        "delivery": PROMO_DELIVERY,
        "cta": 0,
        "user_id": USER,
        "via": "callback",
        "message_id": 42,
        "verdict": "human",
        "rule": 1,
        "clicked_at": SLOT + timedelta(seconds=9),
    },
    BotStarted: {
        "bot_id": BOT,
        "update_id": 10_000,
        "delivery": PROMO_DELIVERY,
        "cta": 0,
        "user_id": USER,
        "started_at": SLOT + timedelta(seconds=11),
    },
    BotStopped: _WORD,
    ForgetRequested: _WORD,
    InviteLinkCreated: {
        "campaign": "promos",
        "channel": CHANNEL,
        "chat": "-1005550001111",
        "bot_id": BOT,
        "name": "fp promos",
        "link": "https://t.me/+AbCdEfGhIjKlMnOp",
        "created_at": SLOT,
    },
    ConversionRecorded: {
        "source": "stars",
        "source_id": "stxKq3yhV7-example",
        "kind": "payment",
        "amount": Decimal(250),
        "currency": "XTR",
        "user_id": USER,
        "delivery": PROMO_DELIVERY,
        "cta": 0,
        "occurred_at": SLOT + timedelta(seconds=40),
    },
    UserForgotten: {
        "request_id": "request-1",
        "forgotten_at": SLOT + timedelta(days=30),
        "counts": (
            ForgottenCount(
                delivery=PROMO_DELIVERY,
                cta=0,
                clicks=2,
                starts=1,
                conversions=1,
                revenue={"XTR": Decimal(250)},
            ),
        ),
        "alias": -5,
        "replaces": (5, 8),
        "acts": (
            ForgottenAct(
                sequence=5,
                start=BotStarted(
                    bot_id=BOT,
                    update_id=10_002,
                    delivery=PROMO_DELIVERY,
                    cta=0,
                    user_id=-5,
                    started_at=SLOT + timedelta(seconds=11),
                ),
            ),
        ),
    },
}

E = TypeVar("E", bound=Event)


def example(event: type[E], **overrides: Any) -> E:
    """Return the canonical example of `event`, with the fields of `overrides` in place."""
    return event.model_validate({**_FIELDS[event], **overrides})
