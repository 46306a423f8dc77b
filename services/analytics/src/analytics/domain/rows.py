"""The rows of the tables that the log is folded into; fields are the columns, in their order."""

from datetime import date, datetime
from decimal import Decimal
from typing import Literal, NamedTuple

CampaignState = Literal["active", "paused", "retired"]
DeliveryState = Literal["due", "claimed", "uncertain", "failed", "missed", "skipped", "sent"]


class CampaignRow(NamedTuple):
    """One campaign as it stands; None where its definition was not read yet."""

    campaign: str
    kind: str | None = None
    title: str | None = None
    zone: str | None = None
    revision: int | None = None
    state: CampaignState = "active"
    defined_at: datetime | None = None
    paused_until: datetime | None = None
    note: str | None = None
    actor: str | None = None


class VariantRow(NamedTuple):
    """One variant as its campaign's newest definition that has it says; `ctas` is JSON."""

    campaign: str
    variant: str
    text: str
    ctas: str
    revision: int


class DeliveryRow(NamedTuple):
    """One delivery: what was planned, and what became of it."""

    delivery: str
    campaign: str | None = None
    kind: str | None = None
    variant: str | None = None
    channel: str | None = None
    revision: int | None = None
    scheduled_for: datetime | None = None
    day: date | None = None
    ordinal: int | None = None
    trigger: str | None = None
    expires_at: datetime | None = None
    state: DeliveryState = "due"
    reason: str | None = None
    description: str | None = None
    retry_at: datetime | None = None
    attempts: int = 0
    sent_at: datetime | None = None
    chat_id: int | None = None
    message_id: int | None = None
    latency_ms: int | None = None
    audience: int | None = None
    reconciled: bool | None = None
    bot: str | None = None
    follow_up_id: int | None = None
    withdraw_at: datetime | None = None
    withdrawal: str | None = None
    withdrawal_reason: str | None = None
    withdrawal_outcome: str | None = None
    withdrawn_at: datetime | None = None


class ClickRow(NamedTuple):
    """One tap of a CTA."""

    event_id: str
    sequence: int
    delivery: str
    cta: int
    user_id: int | None
    via: str
    verdict: str
    rule: int
    message_id: int | None
    clicked_at: datetime


class StartRow(NamedTuple):
    """One opening of the bot that came from a CTA."""

    event_id: str
    sequence: int
    delivery: str
    cta: int
    user_id: int
    bot_id: int
    started_at: datetime


class ConversionRow(NamedTuple):
    """One payment, subscription, renewal, join or refund."""

    event_id: str
    sequence: int
    source: str
    source_id: str
    kind: str
    amount: Decimal | None
    currency: str | None
    user_id: int | None
    delivery: str | None
    cta: int | None
    click_id: str | None
    campaign: str | None
    channel: str | None
    refund_of: str | None
    paid_until: datetime | None
    occurred_at: datetime


class ForgottenRow(NamedTuple):
    """One person who was forgotten; `counts` and `replaces` are JSON and name nobody."""

    event_id: str
    sequence: int
    request_id: str
    forgotten_at: datetime
    counts: str
    replaces: str


class StretchRow(NamedTuple):
    """The acts of one stretch, in the order of the log; `since` and `until` are when they were."""

    stretch: int
    since: datetime
    until: datetime
    deliveries: bytes
    people: bytes
    moments: bytes
    kinds: bytes


class QuarantineRow(NamedTuple):
    """One message of the log that could not be folded, as it stands there; `headers` is JSON."""

    sequence: int
    subject: str
    headers: str
    data: bytes
    reason: str
    dropped_at: datetime | None = None
