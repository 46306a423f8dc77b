"""What to do with a delivery: a fold of its ledger, and one decision. Pure.

A delivery is claimed, tried, and its outcome recorded. What Telegram definitely took is never sent
again; what it definitely refused may be; what nobody knows is not guessed: the campaign's policy
decides, and MessageUncertain says so.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import assert_never

from contracts.campaign import BotCta, CallbackCta, Cta, LinkCta, Variant
from contracts.events import (
    Due,
    Event,
    MessageClaimed,
    MessageFailed,
    MessageSent,
    MessageSkipped,
    MessageUncertain,
)
from contracts.ids import DeliveryId
from contracts.token import CtaRef, TokenSigner


@dataclass(frozen=True)
class Delivery:
    """The ledger of one delivery: its last attempt, and how that ended."""

    claim: MessageClaimed | None = None
    outcome: MessageFailed | MessageUncertain | None = None
    finished: bool = False


@dataclass(frozen=True)
class Claim:
    """Claim this attempt; who gets the claim sends."""

    attempt: int


@dataclass(frozen=True)
class Record:
    """Say this, then look again."""

    event: MessageSkipped | MessageUncertain


@dataclass(frozen=True)
class Wait:
    """Come back at this time."""

    until: datetime


@dataclass(frozen=True)
class Done:
    """Nothing is left to do."""


Decision = Claim | Record | Wait | Done

initial = Delivery()


def evolve(state: Delivery, event: Event) -> Delivery:
    """Fold one event of the delivery's ledger; a message that was sent stays sent."""
    match event:
        case MessageClaimed():
            return replace(state, claim=event, outcome=None)
        case MessageFailed() | MessageUncertain() if (
            state.claim and event.attempt == state.claim.attempt
        ):
            return replace(state, outcome=event)
        case MessageSent() | MessageSkipped():
            return replace(state, finished=True)
        case _:
            return state


def fold(events: Iterable[Event]) -> Delivery:
    """Fold a whole ledger."""
    state = initial
    for event in events:
        state = evolve(state, event)
    return state


def decide(state: Delivery, due: Due, now: datetime, quarantine: timedelta) -> Decision:
    """Return the one thing to do next. A repeat of anything ends in Done."""
    if state.finished:
        return Done()
    if state.claim is None:
        return _attempt(due, 1, now)
    next_attempt = state.claim.attempt + 1
    match state.outcome:
        case MessageFailed(retry_at=None):
            return Done()
        case MessageFailed(retry_at=retry_at) if retry_at and retry_at > now:
            return Wait(retry_at)
        case MessageFailed():
            return _attempt(due, next_attempt, now)
        case MessageUncertain(policy="resend"):
            return _attempt(due, next_attempt, now)
        case MessageUncertain():
            return Done()
    return _orphan(state.claim, due, now, quarantine)


def _attempt(due: Due, attempt: int, now: datetime) -> Claim | Record:
    if now < due.expires_at:
        return Claim(attempt)
    return Record(MessageSkipped(**names(due), reason="expired", skipped_at=now))


def _orphan(claim: MessageClaimed, due: Due, now: datetime, quarantine: timedelta) -> Wait | Record:
    # Its sender may still be at work, and Telegram's server goes on after a client is gone.
    over = claim.claimed_at + quarantine
    if now < over:
        return Wait(over)
    description = f"{claim.claimant} claimed this attempt and never said how it ended"
    return Record(uncertain(due, claim.attempt, description))


def names(due: Due) -> dict[str, str]:
    """Return the fields that every fact about a message repeats from its due event."""
    return {
        "delivery": due.delivery,
        "campaign": due.campaign,
        "channel": due.channel,
        "variant": due.variant.id,
        "kind": due.kind,
    }


def uncertain(due: Due, attempt: int, description: str) -> MessageUncertain:
    """Return the fact that nobody knows, with the policy of the due event."""
    return MessageUncertain(
        **names(due), attempt=attempt, description=description, policy=due.on_uncertain
    )


@dataclass(frozen=True)
class Button:
    """An inline button: callback data or a web address, never both (Bot API docs)."""

    label: str
    callback_data: str | None = None
    url: str | None = None


@dataclass(frozen=True)
class Content:
    """What is posted: a plain text and one button a row."""

    text: str
    buttons: tuple[Button, ...]


@dataclass(frozen=True)
class ButtonMaker:
    """Makes the tracked buttons of a delivery.

    A link leads through clicks at `public_url`; without a public address it leads to the bot,
    which then offers the target: nobody's tap goes uncounted.
    """

    signer: TokenSigner
    bot_username: str
    public_url: str | None

    def content(self, variant: Variant, delivery: DeliveryId) -> Content:
        """Return what `delivery` posts."""
        buttons = (
            self._button(cta, self.token(delivery, place)) for place, cta in enumerate(variant.ctas)
        )
        return Content(variant.text, tuple(buttons))

    def token(self, delivery: DeliveryId, place: int) -> str:
        """Return the token of one CTA of `delivery`."""
        return self.signer.sign(CtaRef(delivery, place))

    def _button(self, cta: Cta, token: str) -> Button:
        match cta:
            case CallbackCta() | BotCta():
                return Button(cta.label, callback_data=token)
            case LinkCta() if self.public_url:
                return Button(cta.label, url=f"{self.public_url.rstrip('/')}/r/{token}")
            case LinkCta():
                return Button(cta.label, url=f"https://t.me/{self.bot_username}?start={token}")
        assert_never(cta)
