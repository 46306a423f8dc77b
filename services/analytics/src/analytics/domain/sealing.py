"""What of the log may be moved out of it, and when: pure.

What anybody asks the log for by its subject stays in it. What is moved is read by nobody but the
fold once it is old: the sender's ledger of deliveries that are done with, and what people did.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from contracts.campaign import CATCH_UP_LIMIT, Campaign
from contracts.events import BotStarted, BotStopped, CtaClicked

MESSAGES = "message.>"
OF_PEOPLE = tuple(f"{kind.fact()}.>" for kind in (CtaClicked, BotStarted, BotStopped))
SEALED = (MESSAGES, *OF_PEOPLE)
"""Subjects of what is moved."""

LEAST_AGE = timedelta(days=14)
"""The sender looks 8 days back for what it posted; and its clock may be another."""

_MARGIN = timedelta(days=1)

ARCHIVING = "fingerpost_archive"
"""A lock in the database: of who moves events alone, or of those who forget people together."""

BYTES_OF_A_SUBJECT = 240
"""Of the broker's memory, measured."""


@dataclass(frozen=True)
class Position:
    """How far one reader of the log is, and whether it has anything left to do there."""

    name: str
    sequence: int
    busy: bool


@dataclass(frozen=True)
class Bound:
    """The last sequence that may be moved, and what holds it there; None: nothing does."""

    sequence: int
    by: str | None = None


@dataclass(frozen=True)
class TooYoung:
    """`since` is the latest moment that may be asked for, and `why` says for whose sake."""

    since: datetime
    why: str


def too_young(before: datetime, now: datetime, plans: Iterable[Campaign]) -> TooYoung | None:
    """Return why what was said until `before` may still be asked for, None where it is not."""
    age, why = LEAST_AGE, "the sender looks 8 days back for what it posted"
    for plan in plans:
        window = plan.catch_up.window or CATCH_UP_LIMIT
        if window + _MARGIN > age:
            age = window + _MARGIN
            why = (
                f"{plan.id} catches up for {window.days} days, and a claim keeps out a second post"
            )
    return TooYoung(now - age, why) if before > now - age else None


def bound(last: int, positions: Iterable[Position]) -> Bound:
    """Return up to where every reader is done with the log, which ends at `last`."""
    found = Bound(last)
    for one in positions:
        if one.busy and one.sequence < found.sequence:
            found = Bound(one.sequence, one.name)
    return found


def matches(pattern: str, subject: str) -> bool:
    """Whether a subject is one of those that a pattern of NATS stands for."""
    wanted, given = pattern.split("."), subject.split(".")
    if wanted[-1] == ">":
        wanted.pop()
        if len(given) <= len(wanted):
            return False
        given = given[: len(wanted)]
    return len(wanted) == len(given) and all(
        token in ("*", there) for token, there in zip(wanted, given, strict=True)
    )
