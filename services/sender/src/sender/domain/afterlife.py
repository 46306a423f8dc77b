"""What becomes of a message that was sent: when it goes, how, and what takes its place. Pure.

A message is edited, deleted or unpinned when its time is over, and goes when a later one of its
campaign takes its place. Everything here may be done twice: what is gone stays gone.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, TypedDict

from contracts.events import Due, Event, MessageSent, MessageWithdrawn
from contracts.expiry import ExpireAction
from contracts.ids import DeliveryId
from contracts.marks import Entity
from contracts.markup import parse
from sender.domain.outcomes import Outcome, Posted, Refused, Unknown

REACH = timedelta(days=8)
"""How far back a new message takes the place of others: a weekly campaign has one by then."""
_DELETABLE = timedelta(hours=48)
"""How old a message may be and still be deleted by a bot (Bot API docs, deleteMessage)."""
_LONGEST_NAP = timedelta(hours=1)
"""Neither a clock that jumps nor a log that starts anew delays a withdrawal by more."""
_SOON = timedelta(seconds=10)
_GIVEN_UP = timedelta(days=2)
"""For so long after its time a message waits for its bot to come back into the settings."""

_AS_WANTED = ("message is not modified", "chat_not_modified")
_GONE = (
    "message to edit not found",
    "message to delete not found",
    "message to unpin not found",
    "message_id_invalid",
)
_UNDELETABLE = "can't be deleted"

Reason = Literal["expired", "replaced"]


class Fate(TypedDict):
    """The fields of MessageSent that say what is to become of it."""

    withdraw_at: datetime | None
    delete_previous: bool


def fate(due: Due, sent_at: datetime) -> Fate:
    """Return what is to become of the message of `due`; nothing where there is nothing to take."""
    at = sent_at + due.expire.after if due.expire and _changes_something(due) else None
    return {"withdraw_at": at, "delete_previous": due.delete_previous}


def _changes_something(due: Due) -> bool:
    if due.expire is None:
        return False
    if due.expire.action == "unpin":
        return due.variant.pin
    return due.expire.action == "delete" or bool(due.expire.text or due.variant.ctas)


def nap(sent: MessageSent, now: datetime) -> timedelta | None:
    """Return how long to leave `sent` alone; zero: withdraw it now; None: it may stay."""
    if sent.withdraw_at is None:
        return None
    return min(max(sent.withdraw_at - now, timedelta()), _LONGEST_NAP)


def pause(since: datetime, now: datetime) -> timedelta:
    """Return when to try again what was to happen at `since`: soon at first, then ever later."""
    return min(max((now - since) / 10, _SOON), _LONGEST_NAP)


def given_up(since: datetime, now: datetime) -> bool:
    """Tell whether what was to happen at `since` waited long enough for the bot that posted it."""
    return now - since > _GIVEN_UP


@dataclass(frozen=True)
class Say:
    """Put `text` in the place of the message's text, or of its caption; its buttons go."""

    message_id: int
    text: str
    entities: tuple[Entity, ...] = ()
    caption: bool = False


@dataclass(frozen=True)
class TakeButtons:
    """Take the message's buttons away."""

    message_id: int


@dataclass(frozen=True)
class Delete:
    """Delete these messages."""

    message_ids: tuple[int, ...]


@dataclass(frozen=True)
class Unpin:
    """Unpin the message, and no other."""

    message_id: int


Step = Say | TakeButtons | Delete | Unpin
"""One call."""


@dataclass(frozen=True)
class Plan:
    """What is done in Telegram, one call after the other; `note` says what cannot be done."""

    action: ExpireAction
    steps: tuple[Step, ...]
    note: str = ""


def plan(action: ExpireAction, sent: MessageSent, due: Due, now: datetime) -> Plan:
    """Return how to withdraw `sent`; what is too old to be deleted is edited."""
    match action:
        case "unpin":
            return Plan(action, (Unpin(sent.message_id),))
        case "delete" if now - sent.sent_at < _DELETABLE:
            return Plan(action, (Delete(_standing(sent, due)),), _buttons_of(sent, due)[1])
        case "delete":
            return instead_of_deleting(sent, due, "it is too old to be deleted")
    return _edited(sent, due)


def instead_of_deleting(sent: MessageSent, due: Due, why: str) -> Plan:
    """Return how to withdraw what cannot be deleted, and say `why` it cannot."""
    edited = _edited(sent, due)
    return replace(edited, note=f"{why}; {edited.note}" if edited.note else why)


def _edited(sent: MessageSent, due: Due) -> Plan:
    at, note = _buttons_of(sent, due)
    text = due.expire.text if due.expire else None
    if not text:
        return Plan("edit", (TakeButtons(at),) if at else (), note)
    try:
        new = parse(text, due.expire.format if due.expire else "plain")
    except ValueError as error:
        return Plan("edit", (), f"its new text: {error}")
    caption = bool(due.variant.attachments)
    said = Say(sent.message_id, new.text, new.entities, caption=caption)
    # The buttons of what is edited go with its text.
    below = (TakeButtons(at),) if at and at != sent.message_id else ()
    return Plan("edit", (said, *below), note)


def _buttons_of(sent: MessageSent, due: Due) -> tuple[int | None, str]:
    """Return which message has the buttons, or a word about why that is not known."""
    if not due.variant.ctas:
        return None, ""
    if not due.variant.album:
        return sent.message_id, ""
    unknown = "the message below the album, with its buttons, is not known"
    return sent.follow_up_id, "" if sent.follow_up_id else unknown


def _standing(sent: MessageSent, due: Due) -> tuple[int, ...]:
    """Return the ids of all that was posted: Telegram numbers an album's items in a row."""
    items = range(sent.message_id, sent.message_id + max(1, len(due.variant.album)))
    below = sent.follow_up_id
    return tuple(items) if below is None else (*(n for n in items if n < below), below)


@dataclass(frozen=True)
class Settled:
    """Telegram's last word about a call."""

    outcome: Literal["done", "absent", "refused"]
    description: str = ""


@dataclass(frozen=True)
class Again:
    """Nobody knows (`doubtful`), or not now: the same call is made again after this time."""

    after: timedelta
    problem: str
    doubtful: bool = False


@dataclass(frozen=True)
class Undeletable:
    """Telegram does not delete it, so it is edited."""

    description: str


Verdict = Settled | Again | Undeletable


def judge(step: Step, outcome: Outcome) -> Verdict:
    """Say what an answer means for `step`. Whatever was not answered may be repeated."""
    match outcome:
        case Posted():
            return Settled("done")
        case Unknown():
            return Again(_SOON, outcome.description, doubtful=True)
        case Refused(failure="rate_limited", retry_after=timedelta() as pause):
            return Again(pause, outcome.description)
        case Refused(failure=failure, retry_after=timedelta() as pause) if failure != "migrated":
            return Again(max(pause, _SOON), outcome.description)
    # What stands in a group that moved is not numbered in the new one: it stays.
    return _refused(step, outcome)


def _refused(step: Step, refused: Refused) -> Verdict:
    said = refused.description.lower()
    if any(part in said for part in _AS_WANTED):
        return Settled("done")
    if any(part in said for part in _GONE):
        return Settled("absent", refused.description)
    if isinstance(step, Delete) and _UNDELETABLE in said:
        return Undeletable(refused.description)
    return Settled("refused", refused.description)


def patiently(again: Again, since: datetime, now: datetime) -> Again | Settled:
    """Return `again`, or what ends it: a call that never gets an answer is not made for ever."""
    if not again.doubtful:
        return again
    if now - since > REACH:
        return Settled("refused", f"given up after {(now - since).days} days: {again.problem}")
    return replace(again, after=max(again.after, pause(since, now)))


def together(plan: Plan, settled: Iterable[Settled]) -> Settled:
    """Return the one word about all steps of `plan`."""
    said = list(settled)
    if not said:
        return Settled("refused", plan.note or "it has nothing that could be taken away")
    outcomes = [each.outcome for each in said]
    outcome = next(each for each in ("refused", "done", "absent") if each in outcomes)
    why = [plan.note, *(each.description for each in said if each.outcome == outcome)]
    return Settled(outcome, "; ".join(filter(None, why)))


def withdrawn(
    sent: MessageSent, action: ExpireAction, reason: Reason, settled: Settled, now: datetime
) -> MessageWithdrawn:
    """Return the fact that `sent` was withdrawn, or why it stays."""
    return MessageWithdrawn(
        delivery=sent.delivery,
        campaign=sent.campaign,
        channel=sent.channel,
        variant=sent.variant,
        kind=sent.kind,
        chat_id=sent.chat_id,
        message_id=sent.message_id,
        action=action,
        reason=reason,
        outcome=settled.outcome,
        description=settled.description,
        withdrawn_at=now,
    )


def is_over(action: ExpireAction, withdrawn: Iterable[MessageWithdrawn]) -> bool:
    """Tell whether what was `withdrawn` of a message leaves nothing to do for `action`."""
    return any(
        event.action in {"delete", action} or event.outcome == "absent" for event in withdrawn
    )


@dataclass(frozen=True)
class Standing:
    """A message that stands in a channel, as far as replacing it needs to know."""

    delivery: DeliveryId
    chat_id: int
    message_id: int
    sent_at: datetime
    replaces: bool
    edited: bool = False

    def is_before(self, other: "Standing") -> bool:
        """Tell which of two stands higher: by Telegram's numbers, where one chat gave both."""
        if self.chat_id == other.chat_id:
            return self.message_id < other.message_id
        return self.sent_at < other.sent_at


Place = tuple[str, str]
"""A campaign and a channel."""


class Shelf:
    """What stands of the campaigns whose messages replace each other: a fold of the log.

    Kept are the last eight days, and of messages that replace nothing the last one in its place.
    """

    def __init__(self) -> None:
        self._places: dict[Place, dict[DeliveryId, Standing]] = {}
        self._kept: dict[DeliveryId, Place] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def take(self, event: Event) -> None:
        """Fold one event; those of each delivery come in their order."""
        match event:
            case MessageSent():
                self._put(event)
                self._forget_older_than(event.sent_at - REACH)
            case MessageWithdrawn():
                self._withdraw(event)

    def replaced(self, campaign: str, channel: str, now: datetime) -> list[Standing]:
        """Return what is to go from the channel, since a later message replaces it."""
        here = list(self._places.get((campaign, channel), {}).values())
        return [
            one
            for one in here
            if any(other.replaces and one.is_before(other) for other in here)
            and now - one.sent_at <= REACH
            and not (one.edited and now - one.sent_at >= _DELETABLE)
        ]

    def _put(self, sent: MessageSent) -> None:
        place = sent.campaign, sent.channel
        here = self._places.setdefault(place, {})
        one = Standing(
            sent.delivery, sent.chat_id, sent.message_id, sent.sent_at, sent.delete_previous
        )
        here[sent.delivery] = one
        self._kept[sent.delivery] = place
        for other in list(_not_replacing(here.values())):
            if any(other.is_before(later) for later in _not_replacing(here.values())):
                self._drop(other.delivery)

    def _withdraw(self, event: MessageWithdrawn) -> None:
        place = self._kept.get(event.delivery)
        if place is None or (event.action == "unpin" and event.outcome != "absent"):
            return
        if event.action == "edit" and event.reason == "expired" and event.outcome != "absent":
            here = self._places[place]
            here[event.delivery] = replace(here[event.delivery], edited=True)
        else:
            self._drop(event.delivery)

    def _forget_older_than(self, limit: datetime) -> None:
        while self._kept:
            delivery, place = next(iter(self._kept.items()))
            if self._places[place][delivery].sent_at >= limit:
                return
            self._drop(delivery)

    def _drop(self, delivery: DeliveryId) -> None:
        place = self._kept.pop(delivery)
        del self._places[place][delivery]
        if not self._places[place]:
            del self._places[place]


def _not_replacing(standing: Iterable[Standing]) -> Iterator[Standing]:
    return (one for one in standing if not one.replaces)
