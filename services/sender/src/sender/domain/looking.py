"""How a message whose answer was lost is recognised, and how far to look for it. Pure.

Every message carries an invisible link with the delivery's signed token, which survives a forward
and a copy (callback buttons survive neither). Looking means to see one message id after the other,
from the last one known before the claim: at most 20, and no further than ours can stand.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from contracts.events import MessageClaimed, MessageSent
from contracts.ids import DeliveryId
from contracts.token import CtaRef, InvalidTokenError, TokenSigner

HIDDEN = "\u200b"
"""The text under the invisible link: one zero-width space (aiogram's `hide_link` does the same)."""

MOST_PROBES = 20
_MOST_MISSES = 10
"""Ids missing in a row that show the end of a chat: fewer may have been deleted before ours."""
_LATEST = timedelta(seconds=120)
_MARK_PLACE = 99
_LAST_WITH_OWN_IDS = -1_000_000_000_001
"""A channel or supergroup is called by this id or a lower one (Bot API server, `chat_id`)."""
_TOKEN = re.compile(r"[a-z0-9]{1,4}-[0-9a-v]{26}-[0-9]{1,2}-[A-Za-z0-9_-]{22}", re.ASCII)


def mark_of(signer: TokenSigner, bot_username: str, delivery: DeliveryId) -> str:
    """Return the address under the invisible link of `delivery`.

    It opens the bot, without a start payload: nobody can count a tap on what nobody sees.
    """
    return f"https://t.me/{bot_username}#{signer.sign(CtaRef(delivery, _MARK_PLACE))}"


def carries(addresses: Iterable[str], claim: MessageClaimed, signer: TokenSigner) -> bool:
    """Tell whether a message with these `addresses` (in text and buttons) is the claimed one."""
    return any(
        address == claim.mark
        or any(_delivery_of(token, signer) == claim.delivery for token in _TOKEN.findall(address))
        for address in addresses
    )


def _delivery_of(token: str, signer: TokenSigner) -> DeliveryId | None:
    try:
        return signer.verify(token).delivery
    except InvalidTokenError:
        return None


@dataclass(frozen=True)
class Trail:
    """The ids in a chat that the log knows: the newest `before` the claim, and `later` ones."""

    before: int | None
    later: frozenset[int] = frozenset()


def trail(
    claim: MessageClaimed,
    claimed_as: int,
    sent: Iterable[tuple[int, MessageSent]],
    *,
    moved_to: int | None = None,
) -> Trail:
    """Return the trail of `claim`, the event number `claimed_as`, among the log's sent messages.

    The log's order tells before from after, not the clocks: whatever stands in the log before the
    claim was posted before it, under a lower id. A chat that moved counts its messages anew.
    """
    here = [
        (place, event)
        for place, event in sent
        if event.channel == claim.channel and moved_to in (None, event.chat_id)
    ]
    ids = {event.message_id for place, event in here if place < claimed_as}
    if claim.last_known_message_id is not None and moved_to is None:
        ids.add(claim.last_known_message_id)
    before = max(ids, default=None)
    later = frozenset(event.message_id for _, event in here) - ids
    return Trail(before, frozenset(n for n in later if before is None or n > before))


@dataclass(frozen=True)
class Missing:
    """No message has this id."""


@dataclass(frozen=True)
class Ours:
    """The claimed message."""

    chat_id: int
    posted_at: datetime


@dataclass(frozen=True)
class Other:
    """Another message, posted so long after the claim (negative: before), None if unknown."""

    after_claim: timedelta | None = None


@dataclass(frozen=True)
class Unreadable:
    """There is a message, and Telegram does not show it: it might be ours."""

    why: str


Glimpse = Missing | Ours | Other | Unreadable


@dataclass(frozen=True)
class Found:
    """The message stands in the chat."""

    chat_id: int
    message_id: int
    posted_at: datetime


@dataclass(frozen=True)
class Absent:
    """The message is certainly not there."""


@dataclass(frozen=True)
class CannotTell:
    """Looking was not possible, or not to the end."""

    why: str


Finding = Found | Absent | CannotTell


@dataclass(frozen=True)
class Search:
    """A search under way: `candidate` is the id to look at next, `probes` were looked at."""

    trail: Trail
    candidate: int
    probes: int = 0
    misses: int = 0
    unreadable: str | None = None

    def after(self, glimpse: Glimpse) -> "Search | Finding":
        """Return what is left to do after a look at the candidate."""
        match glimpse:
            case Ours():
                return Found(glimpse.chat_id, self.candidate, glimpse.posted_at)
            case Other(after_claim=late) if late is not None and late > _LATEST:
                return self._ended()
            case Missing() if self._misses() >= _MOST_MISSES:
                return self._ended()
            case Unreadable():
                seen = replace(self, unreadable=glimpse.why)
            case _:
                seen = self
        misses = self._misses() if isinstance(glimpse, Missing) else 0
        if self.probes + 1 >= MOST_PROBES:
            return CannotTell(f"more than {MOST_PROBES} other messages may stand before it")
        return replace(seen, probes=self.probes + 1, misses=misses)._next()

    def _misses(self) -> int:
        # Below an id that exists, a missing one is a gap: somebody deleted it.
        return 0 if self.candidate < max(self.trail.later, default=0) else self.misses + 1

    def _next(self) -> "Search":
        candidate, misses = self.candidate + 1, self.misses
        while candidate in self.trail.later:
            candidate, misses = candidate + 1, 0
        return replace(self, candidate=candidate, misses=misses)

    def _ended(self) -> Finding:
        return CannotTell(self.unreadable) if self.unreadable else Absent()


def trusted(finding: Finding, chat: int | str) -> Finding:
    """Return what `finding` is worth in `chat`.

    Telegram numbers the messages of all private chats and of all groups that are no supergroups
    together: there an id that is missing stands elsewhere, and ours may come after any number.
    """
    if isinstance(finding, Absent) and isinstance(chat, int) and chat > _LAST_WITH_OWN_IDS:
        return CannotTell("private chats and small groups share their message ids; not seen so far")
    return finding


def begin(claim: MessageClaimed, trail: Trail) -> Search | CannotTell:
    """Return the search for the message of `claim`, or why there can be none."""
    if claim.mark is None or "://" not in claim.mark:
        return CannotTell("the message carries no mark that it could be recognised by")
    if trail.before is None:
        return CannotTell("no earlier message in this channel is known, from which to look on")
    return Search(trail, trail.before)._next()
