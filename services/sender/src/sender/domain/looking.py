"""How a message whose answer was lost is recognised, and how far to look for it. Pure.

Every message carries an invisible link with the delivery's signed token, which survives a forward
and a copy (callback buttons survive neither). Looking means to see one message id after the other,
from the last one known before the claim: at most 20, and no further than ours can stand.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from contracts.events import MessageClaimed, MessageSent
from contracts.ids import DeliveryId
from contracts.token import CtaRef, InvalidTokenError, TokenSigner
from sender.domain.channels import Move

HIDDEN = "\u200b"
"""The text under the invisible link: one zero-width space (aiogram's `hide_link` does the same)."""

MOST_PROBES = 20
_MOST_MISSES = 10
"""Ids missing in a row that show the end of a chat: fewer may have been deleted before ours."""
_LATEST = timedelta(seconds=120)
_MARK_PLACE = 99
_BELOW = "#below-"
_LAST_WITH_OWN_IDS = -1_000_000_000_001
"""A channel or supergroup is called by this id or a lower one (Bot API server, `chat_id`)."""
_TOKEN = re.compile(r"[a-z0-9]{1,4}-[0-9a-v]{26}-[0-9]{1,2}-[A-Za-z0-9_-]{22}", re.ASCII)


Part = Literal["message", "below"]
"""What is looked for: the message (of an album the first), or the one below an album."""


def mark_of(
    signer: TokenSigner, bot_username: str, delivery: DeliveryId, part: Part = "message"
) -> str:
    """Return the address under the invisible link of `delivery`.

    It opens the bot, without a start payload: nobody can count a tap on what nobody sees.
    """
    mark = f"https://t.me/{bot_username}#{signer.sign(CtaRef(delivery, _MARK_PLACE))}"
    return _below(mark) if part == "below" else mark


def _below(mark: str) -> str:
    return mark.replace("#", _BELOW, 1)


def carries(
    addresses: Iterable[str], claim: MessageClaimed, signer: TokenSigner, part: Part = "message"
) -> bool:
    """Tell whether a message with these `addresses` (in text and buttons) is the claimed one.

    Buttons stand below an album, so they make no message its first one; and whatever stands after
    its last picture and is of this delivery stands below it.
    """
    # A key may have been withdrawn since, and its tokens prove nothing any more.
    marks = {claim.mark, _below(claim.mark or "")}
    ours = [
        address
        for address in addresses
        if address in marks
        or any(_delivery_of(token, signer) == claim.delivery for token in _TOKEN.findall(address))
    ]
    is_below = any(_BELOW in address for address in ours)
    return bool(ours) and (part == "below" or not is_below)


def _delivery_of(token: str, signer: TokenSigner) -> DeliveryId | None:
    try:
        return signer.verify(token).delivery
    except InvalidTokenError:
        return None


@dataclass(frozen=True)
class Trail:
    """The ids in a chat that the log knows: the newest `before` the claim, and `later` ones.

    `age` is how old the claim is by the log's clock, None where it is not known. `moved`: the chat
    was another one when the claim was made.
    """

    before: int | None
    later: frozenset[int] = frozenset()
    age: timedelta | None = None
    moved: bool = False


def trail(
    claim: MessageClaimed,
    claimed_as: int,
    sent: Iterable[tuple[int, MessageSent]],
    *,
    moved: Move | None = None,
    age: timedelta | None = None,
) -> Trail:
    """Return the trail of `claim`, the event number `claimed_as`, among the log's sent messages.

    The log's order tells before from after, not the clocks: whatever stands in the log before the
    claim was posted before it, under a lower id. A chat that `moved` counts its messages anew, and
    what was claimed before that went to the old one.
    """
    if moved and claimed_as < moved.sequence:
        return Trail(None, moved=True)
    here = [(place, event) for place, event in sent if stands_by(event, claim, moved)]
    ids = {number for place, event in here if place < claimed_as for number in _ids(event)}
    if claim.last_known_message_id is not None and moved is None:
        ids.add(claim.last_known_message_id)
    before = max(ids, default=None)
    later = frozenset(number for _, event in here for number in _ids(event)) - ids
    return Trail(before, frozenset(n for n in later if before is None or n > before), age)


def stands_by(event: MessageSent, claim: MessageClaimed, moved: Move | None) -> bool:
    """Whether a message stands in the chat where the claimed one may stand."""
    return str(event.chat_id) == moved.to if moved else event.channel == claim.channel


def _ids(event: MessageSent) -> tuple[int, ...]:
    below = event.follow_up_id
    return (event.message_id,) if below is None else (event.message_id, below)


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
    """The message stands in the chat; `follow_up_id` is the one below an album."""

    chat_id: int
    message_id: int
    posted_at: datetime
    follow_up_id: int | None = None


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
    if trail.moved:
        return CannotTell("the chat moved after this was claimed, and its old id shows nothing")
    if trail.before is None:
        return CannotTell("no earlier message in this channel is known, from which to look on")
    return Search(trail, trail.before)._next()


def begin_below(album: int, pictures: int) -> Search:
    """Return the search for the message below an album that stands from the id `album` on.

    It may have been posted at any later time, so the age of what stands between ends nothing.
    """
    return Search(Trail(album + pictures - 1), album + pictures)
