"""What to record of an update, and what to answer. Only a verified token makes an event."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

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
from clicks.domain.links import RULE_VERSION, destination
from clicks.domain.offers import invitation, subscription_offer
from clicks.domain.updates import Asked, Checkout, Start, Tap, Word
from clicks.domain.words import words_in
from contracts.campaign import BotCta, CallbackCta, CopyCta, Cta, DeepLinkCta, JoinCta, LinkCta
from contracts.envelope import Envelope
from contracts.events import (
    BotStarted,
    BotStopped,
    CtaClicked,
    Due,
    Event,
    ForgetRequested,
    GuideDue,
    PromoDue,
)
from contracts.token import CtaRef

STARS = "XTR"
_STALE = timedelta(minutes=1)


@dataclass(frozen=True)
class Decision:
    """The event goes into the log first; then the calls are made, in their order.

    `refused` is the reason where the update was not believed; there is no event then.
    """

    calls: tuple[Call, ...] = ()
    event: Event | None = None
    refused: str | None = None


def plan_of(due: Envelope | None) -> Due | None:
    """Return what was to be posted, None where `due` does not say."""
    return due.data if due and isinstance(due.data, GuideDue | PromoDue) else None


def cta_of(due: Envelope | None, ref: CtaRef) -> Cta | None:
    """Return the CTA that `ref` means in its due event, None where there is none."""
    plan = plan_of(due)
    ctas = plan.variant.ctas if plan else ()
    return ctas[ref.cta] if ref.cta < len(ctas) else None


def decide(
    asked: Asked,
    ref: CtaRef,
    due: Envelope | None,
    bot: Bot,
    now: datetime,
    *,
    posted_by: int | None = None,
) -> Decision:
    """Decide on what came with the token of `ref`, of which the log has the event `due`.

    `posted_by` is the bot that posted the delivery, None where the log does not name one. A token
    counts at that bot only, and for that only for which its button hands it out.
    """
    plan, cta = plan_of(due), cta_of(due, ref)
    if plan is None:
        return refuse(asked, "unknown delivery")
    if cta is None:
        return refuse(asked, "unknown cta")
    if posted_by not in (None, bot.id):
        return refuse(asked, "other bot")
    match asked:
        case Tap():
            return _record_tap(asked, ref, cta, bot, now)
        case Start():
            return _record_start(asked, ref, cta, plan, bot, now)
        case Checkout():
            return _check_out(asked, cta)


def refuse(asked: Asked, reason: str) -> Decision:
    """Answer politely what is not believed; nothing is recorded."""
    words = words_in(asked.language)
    match asked:
        case Tap():
            return Decision((show(asked.id, words.gone),), refused=reason)
        case Start():
            return Decision((say(asked.chat_id, words.hello),), refused=reason)
        case Checkout():
            return Decision((refuse_checkout(asked.id, words.offer_gone),), refused=reason)


def put_off(checkout: Checkout) -> Decision:
    """Ask to try again: Telegram waits 10 s and then tells the person that the bot is broken."""
    words = words_in(checkout.language)
    return Decision((refuse_checkout(checkout.id, words.later),), refused="log unavailable")


def slow_down(request: Tap | Start | Word) -> Decision:
    """Tell a person who taps too often that this time does not count; nothing is recorded.

    Only a tap is answered: other answers are messages, of which the bot has few for everybody.
    """
    if not isinstance(request, Tap):
        return Decision(refused="too many")
    words = words_in(request.language)
    return Decision((show(request.id, words.slow_down),), refused="too many")


def greet(start: Start) -> Decision:
    """Answer a person who came by themselves: nothing to record."""
    return Decision((say(start.chat_id, words_in(start.language).hello),))


def heed(word: Word, bot: Bot, now: datetime) -> Decision:
    """Answer what a person wrote to the bot, and record what they want of it."""
    words = words_in(word.language)
    said = {
        "bot_id": bot.id,
        "update_id": word.id,
        "user_id": word.user_id,
        "said_at": moment(word.sent_at, now),
    }
    match word.meaning:
        case "stop":
            return Decision((say(word.chat_id, words.stopped),), BotStopped(**said))
        case "forget":
            return Decision((say(word.chat_id, words.will_forget),), ForgetRequested(**said))
        case "help":
            return Decision((say(word.chat_id, words.help),))


def _record_tap(tap: Tap, ref: CtaRef, cta: Cta, bot: Bot, now: datetime) -> Decision:
    match cta:
        case CallbackCta():
            answer = cta.answers.get(tap.language, cta.answer)
            call = show(tap.id, answer, alert=cta.alert)
        case BotCta():
            call = open_chat(tap.id, bot.start_link(tap.token))
        case _:
            return refuse(tap, "other use")
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
    return Decision((call,), clicked)


def _record_start(
    start: Start, ref: CtaRef, cta: Cta, plan: Due, bot: Bot, now: datetime
) -> Decision:
    welcome = _welcome(start, ref, cta, plan)
    if not welcome:
        return refuse(start, "other use")
    started = BotStarted(
        bot_id=bot.id,
        update_id=start.id,
        delivery=ref.delivery,
        cta=ref.cta,
        user_id=start.user_id,
        started_at=moment(start.sent_at, now),
    )
    return Decision(welcome, started)


def _welcome(start: Start, ref: CtaRef, cta: Cta, plan: Due) -> tuple[Call, ...]:
    """Return what is said first; nothing where the button of `cta` leads to no bot."""
    match cta:
        case BotCta() | DeepLinkCta():
            text = cta.greetings.get(start.language, cta.greeting)
            greeting = say(start.chat_id, text, label=cta.label, target=cta.target)
            if cta.offer is None:
                return (greeting,)
            if cta.offer.subscription:
                words = words_in(start.language)
                return greeting, subscription_offer(start.chat_id, cta.offer, start.token, words)
            return greeting, invoice(start.chat_id, cta.offer, payload=start.token)
        case JoinCta():
            return (invitation(start.chat_id, cta, ref, words_in(start.language)),)
        case LinkCta():
            text = words_in(start.language).here_you_are
            target = destination(cta, plan, fp_cta=start.token)
            return (say(start.chat_id, text, label=cta.label, target=target),)
        case CallbackCta() | CopyCta():
            return ()


def _check_out(checkout: Checkout, cta: Cta) -> Decision:
    offer = cta.offer if isinstance(cta, BotCta | DeepLinkCta) else None
    if offer is None or (checkout.currency, checkout.amount) != (STARS, offer.stars):
        return refuse(checkout, "other offer")
    return Decision((allow_checkout(checkout.id),))


def moment(sent_at: int | None, now: datetime) -> datetime:
    """Date a message that waited out an outage by Telegram, to the second; a fresh one by `now`.

    Taps carry no date, so fresh messages are dated by the same clock as taps are: a start must not
    seem to come before its tap.
    """
    if sent_at is None or not 0 < sent_at < (now - _STALE).timestamp():
        return now
    return datetime.fromtimestamp(sent_at, UTC)
