"""How a send can end, in the sender's own words, whatever library talks to Telegram."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from contracts.events.message import FailureClass


@dataclass(frozen=True)
class Posted:
    """Telegram took the message; `follow_up_id` is the one below an album, with its buttons."""

    chat_id: int
    message_id: int
    at: datetime
    follow_up_id: int | None = None


@dataclass(frozen=True)
class Refused:
    """Telegram certainly did not take it; `retry_after` None: it never will.

    `growing`: the pause is ours and not Telegram's word, so it grows with each attempt. `moved_to`
    is the chat that a migrated one became. The failure `target` means all that may be sent there.
    """

    failure: FailureClass
    description: str
    retry_after: timedelta | None = None
    growing: bool = False
    moved_to: int | None = None


@dataclass(frozen=True)
class Unknown:
    """Telegram may have taken it."""

    description: str


Outcome = Posted | Refused | Unknown
