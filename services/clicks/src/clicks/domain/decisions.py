"""What to record of an update, and what to answer. Only a verified token makes an event."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from clicks.domain.calls import (
    Bot,
    Call,
    allow_checkout,
    invoice,
    open_chat,
    refuse_checkout,
    say,
    show,
)
from clicks.domain.links import RULE_VERSION
from clicks.domain.updates import Asked, Checkout, Payment, Start, Tap
from contracts.campaign import BotCta, CallbackCta, CopyCta, Cta, DeepLinkCta, JoinCta, LinkCta
from contracts.envelope import Envelope
from contracts.events import BotStarted, ConversionRecorded, CtaClicked, GuideDue, PromoDue
from contracts.token import CtaRef

STARS = "XTR"
GONE = "This button is no longer active."
OFFER_GONE = "This offer is no longer available."
HELLO = "Hello! Tap a button in one of our channels, and I will take it from there."
HERE_YOU_ARE = "Here you are:"
THANKS = "Thank you! Your payment has arrived."
_STALE = timedelta(minutes=1)


@dataclass(frozen=True)
class Decision:
    """The event goes into the log first; then the calls are made, in their order.

    `refused` is the reason where the update was not believed; there is no event then.
    """

    calls: tuple[Call, ...] = ()
    event: CtaClicked | BotStarted | ConversionRecorded | None = None
    refused: str | None = None


def cta_of(due: Envelope | None, ref: CtaRef) -> Cta | None:
    """Return the CTA that `ref` means in its due event, None where there is none."""
    if due is None or not isinstance(due.data, GuideDue | PromoDue):
        return None
    ctas = due.data.variant.ctas
    return ctas[ref.cta] if ref.cta < len(ctas) else None


def decide(asked: Asked, ref: CtaRef, cta: Cta | None, bot: Bot, now: datetime) -> Decision:
    """Decide on an update whose token stands for `ref`; `cta` is None where the log has none."""
    if isinstance(asked, Payment):
        return _record_payment(asked, ref, now)
    if cta is None:
        return refuse(asked, "unknown delivery")
    match asked:
        case Tap():
            return _record_tap(asked, ref, cta, bot, now)
        case Start():
            return _record_start(asked, ref, cta, bot, now)
        case Checkout():
            return _check_out(asked, cta)


def refuse(asked: Asked, reason: str) -> Decision:
    """Answer politely what is not believed; nothing is recorded."""
    match asked:
        case Tap():
            return Decision((show(asked.id, GONE),), refused=reason)
        case Start():
            return Decision((say(asked.chat_id, HELLO),), refused=reason)
        case Checkout():
            return Decision((refuse_checkout(asked.id, OFFER_GONE),), refused=reason)
        case Payment():
            return Decision(refused=reason)


def greet(start: Start) -> Decision:
    """Answer a person who came by themselves: nothing to record."""
    return Decision((say(start.chat_id, HELLO),))


def _record_tap(tap: Tap, ref: CtaRef, cta: Cta, bot: Bot, now: datetime) -> Decision:
    clicked = CtaClicked(
        source_id=tap.id,
        delivery=ref.delivery,
        cta=ref.cta,
        user_id=tap.user_id,
        via="callback",
        message_id=tap.message_id,
        verdict="human",
        rule=RULE_VERSION,
        clicked_at=now,
    )
    if isinstance(cta, CallbackCta):
        return Decision((show(tap.id, cta.answer, alert=cta.alert),), clicked)
    return Decision((open_chat(tap.id, bot.start_link(tap.token)),), clicked)


def _record_start(start: Start, ref: CtaRef, cta: Cta, bot: Bot, now: datetime) -> Decision:
    started = BotStarted(
        bot_id=bot.id,
        update_id=start.id,
        delivery=ref.delivery,
        cta=ref.cta,
        user_id=start.user_id,
        started_at=_moment(start.sent_at, now),
    )
    return Decision(_welcome(start, cta), started)


def _welcome(start: Start, cta: Cta) -> tuple[Call, ...]:
    match cta:
        case BotCta() | DeepLinkCta():
            greeting = say(start.chat_id, cta.greeting, label=cta.label, target=cta.target)
            if cta.offer is None:
                return (greeting,)
            return greeting, invoice(start.chat_id, cta.offer, payload=start.token)
        case JoinCta():
            return (say(start.chat_id, HELLO),)
        case LinkCta():
            return (say(start.chat_id, HERE_YOU_ARE, label=cta.label, target=cta.target),)
        case CallbackCta():
            return (say(start.chat_id, cta.answer),)
        case CopyCta():  # its token is in no button
            return (say(start.chat_id, cta.copied),)


def _check_out(checkout: Checkout, cta: Cta) -> Decision:
    offer = cta.offer if isinstance(cta, BotCta | DeepLinkCta) else None
    if offer is None or (checkout.currency, checkout.amount) != (STARS, offer.stars):
        return refuse(checkout, "other offer")
    return Decision((allow_checkout(checkout.id),))


def _record_payment(payment: Payment, ref: CtaRef, now: datetime) -> Decision:
    # The money has changed hands: what the token stands for need not be looked up again.
    if payment.currency != STARS:
        return refuse(payment, "other offer")
    paid = ConversionRecorded(
        source="stars",
        source_id=payment.id,
        kind="payment",
        amount=Decimal(payment.amount),
        currency=STARS,
        user_id=payment.user_id,
        delivery=ref.delivery,
        cta=ref.cta,
        occurred_at=_moment(payment.sent_at, now),
    )
    return Decision((say(payment.chat_id, THANKS),), paid)


def _moment(sent_at: int | None, now: datetime) -> datetime:
    """Date a message that waited out an outage by Telegram, to the second; a fresh one by `now`.

    Taps carry no date, so fresh messages are dated by the same clock as taps are: a start must not
    seem to come before its tap.
    """
    if sent_at is None or not 0 < sent_at < (now - _STALE).timestamp():
        return now
    return datetime.fromtimestamp(sent_at, UTC)
