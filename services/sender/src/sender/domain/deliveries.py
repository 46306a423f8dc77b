"""What to do with a delivery: a fold of its ledger, and one decision. Pure.

A delivery is claimed, tried, and its outcome recorded. What Telegram definitely took is never sent
again; what it definitely refused may be; what nobody knows is looked up once the quarantine is
over. Only where looking is not possible the campaign's policy decides: MessageUncertain says so.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from contracts.events import (
    Due,
    Event,
    MessageClaimed,
    MessageFailed,
    MessageSent,
    MessageSkipped,
    MessageUncertain,
)
from contracts.events.message import SkipReason
from sender.domain.afterlife import fate
from sender.domain.looking import Absent, CannotTell, Finding, Found
from sender.domain.outcomes import Refused

_LONGEST_PAUSE = timedelta(minutes=5)
_CHANGEOVER = timedelta(minutes=2)
"""A sender may lack a bot that the one about to replace it has: so long it waits for that one."""


@dataclass(frozen=True)
class Delivery:
    """The ledger of one delivery: its last attempt, and how that ended."""

    claim: MessageClaimed | None = None
    outcome: MessageFailed | MessageUncertain | None = None
    outcome_at: datetime | None = None
    finished: bool = False


@dataclass(frozen=True)
class Claim:
    """Claim this attempt; who gets the claim sends."""

    attempt: int


@dataclass(frozen=True)
class Record:
    """Say this; it is the last word."""

    event: MessageSkipped


@dataclass(frozen=True)
class Look:
    """Find out whether the message of this claim stands in the channel."""

    claim: MessageClaimed


@dataclass(frozen=True)
class Wait:
    """Come back at this time."""

    until: datetime


@dataclass(frozen=True)
class Done:
    """Nothing is left to do."""


Decision = Claim | Record | Look | Wait | Done

initial = Delivery()


def evolve(state: Delivery, event: Event, at: datetime) -> Delivery:
    """Fold one event of the ledger, said `at` its time; a message that was sent stays sent."""
    match event:
        case MessageClaimed():
            return replace(state, claim=event, outcome=None, outcome_at=None)
        case MessageSent() | MessageSkipped() | MessageFailed(failure="no_bot"):
            return replace(state, finished=True)
        case MessageFailed() | MessageUncertain() if (
            state.claim and event.attempt == state.claim.attempt
        ):
            return replace(state, outcome=event, outcome_at=at)
        case _:
            return state


def fold(ledger: Iterable[tuple[Event, datetime]]) -> Delivery:
    """Fold a whole ledger: its events and when they were said."""
    state = initial
    for event, at in ledger:
        state = evolve(state, event, at)
    return state


def decide(
    state: Delivery, due: Due, now: datetime, quarantine: timedelta, *, disabled: bool = False
) -> Decision:
    """Return the one thing to do next. A repeat of anything ends in Done.

    `disabled`: nothing is to be posted in the channel now.
    """
    if state.finished:
        return Done()
    if state.claim is None:
        return _attempt(due, 1, now, disabled=disabled)
    next_attempt = state.claim.attempt + 1
    match state.outcome:
        case MessageFailed(retry_at=None):
            return Done()
        case MessageFailed(retry_at=retry_at) if retry_at and retry_at > now:
            return Wait(retry_at)
        case MessageFailed():
            return _attempt(due, next_attempt, now, disabled=disabled)
        case MessageUncertain(policy="resend"):
            # Whoever was thought lost may only be late: his word is to come before a second post.
            over = (state.outcome_at or now) + quarantine
            if now < over:
                return Wait(over)
            return _attempt(due, next_attempt, now, disabled=disabled)
        case MessageUncertain():
            return Done()
    # Its sender may still be at work, and Telegram's server goes on after a client is gone.
    over = state.claim.claimed_at + quarantine
    return Wait(over) if now < over else Look(state.claim)


def unsaid_attempt(state: Delivery) -> int | None:
    """Return the attempt that may have been made though the log says nothing of it, None: none may.

    That is so after the log was restored from a backup: what was said since is lost.
    """
    match state:
        case Delivery(finished=True):
            return None
        case Delivery(claim=None):
            return 1
        case Delivery(claim=MessageClaimed() as claim, outcome=MessageFailed(retry_at=datetime())):
            return claim.attempt + 1
        case Delivery(claim=MessageClaimed() as claim, outcome=MessageUncertain(policy="resend")):
            return claim.attempt + 1
    return None


def without_bot(due: Due, attempt: int, now: datetime) -> Wait | MessageFailed:
    """Return what to do where this sender has no bot of the due event's name.

    Nothing was claimed, as nothing can be sent: the failure alone says it, and it is the last word.
    """
    until = due.planned_at + _CHANGEOVER
    if now < until < due.expires_at:
        return Wait(until)
    return MessageFailed(
        **names(due),
        attempt=attempt,
        failure="no_bot",
        description=(
            f"the sender has no bot that is called {due.bot}: give its token in"
            " TELEGRAM_BOT_TOKENS, or name another bot in the campaign"
        ),
        failed_at=now,
    )


def without_claimant(claim: MessageClaimed, now: datetime, quarantine: timedelta) -> Wait | Finding:
    """Return what to do where this sender has no token of the bot that made the claim."""
    until = claim.claimed_at + quarantine + _CHANGEOVER
    if now < until:
        return Wait(until)
    return CannotTell(f"the bot {claim.bot_id} made it, and the sender has no token of that bot")


def may_still_post(claim: MessageClaimed, now: datetime, quarantine: timedelta) -> bool:
    """Tell whether a send that begins now ends before others may think that it was lost.

    A quarantine is at least 1.5 times as long as a send may take.
    """
    return now - claim.claimed_at < quarantine / 3


def pause_before_retry(refused: Refused, attempt: int, dice: float) -> timedelta | None:
    """Return how long to wait after `attempt` was refused; None: there is no other attempt.

    A pause of our own doubles with each attempt, up to 5 minutes, less up to a quarter by `dice`
    (0 to 1), so that many deliveries do not come back at once.
    """
    if refused.retry_after is None or not refused.growing:
        return refused.retry_after
    doubled = refused.retry_after * (1 << min(attempt - 1, 16))
    return min(doubled, _LONGEST_PAUSE) * (1 - dice / 4)


def _attempt(due: Due, attempt: int, now: datetime, *, disabled: bool) -> Claim | Record:
    if now < due.expires_at and not disabled:
        return Claim(attempt)
    reason: SkipReason = "channel_disabled" if now < due.expires_at else "expired"
    return Record(MessageSkipped(**names(due), reason=reason, skipped_at=now))


def names(due: Due) -> dict[str, str]:
    """Return the fields that every fact about a message repeats from its due event."""
    return {
        "delivery": due.delivery,
        "campaign": due.campaign,
        "channel": due.channel,
        "variant": due.variant.id,
        "kind": due.kind,
    }


def looked(
    due: Due, claim: MessageClaimed, finding: Finding, now: datetime
) -> MessageSent | MessageFailed | MessageUncertain:
    """Return what to say after looking for the message of `claim`."""
    match finding:
        case Found():
            latency = finding.posted_at - due.planned_at
            return MessageSent(
                **names(due),
                attempt=claim.attempt,
                chat_id=finding.chat_id,
                message_id=finding.message_id,
                follow_up_id=finding.follow_up_id,
                sent_at=finding.posted_at,
                latency_ms=round(latency.total_seconds() * 1000),
                reconciled=True,
                **fate(due, finding.posted_at),
            )
        case Absent():
            return lost(due, claim.attempt, now, "looked for, and not in the channel")
    return MessageUncertain(
        **names(due), attempt=claim.attempt, description=finding.why, policy=due.on_uncertain
    )


def lost(due: Due, attempt: int, now: datetime, description: str) -> MessageFailed:
    """Return the fact that the message of `attempt` certainly is not there: it may be sent."""
    return MessageFailed(
        **names(due),
        attempt=attempt,
        failure="lost",
        description=description,
        failed_at=now,
        retry_at=now,
    )
