"""Events as the checker reads them, by the design's words alone."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from chaos.judging.run import Message
from chaos.judging.verdict import Broken

_ATTRIBUTES = ("specversion", "id", "source", "type", "time", "subject", "dataschema")
_TYPE = re.compile(r"fingerpost\.([a-z]+\.[a-z]+)\.v1")

_SLOT = "delivery campaign revision channel scheduled_for ordinal"
_DUE = f"{_SLOT} variant expires_at trigger on_uncertain"
_MESSAGE = "delivery campaign channel variant kind"
_ATTEMPT = f"{_MESSAGE} attempt"
_DECISION = "campaign revision actor decided_at"

NEEDED: Mapping[str, str] = {
    "campaign.defined": "campaign revision definition",
    "campaign.paused": _DECISION,
    "campaign.resumed": _DECISION,
    "campaign.retired": _DECISION,
    "campaign.triggered": f"{_DECISION} request",
    "campaign.backfilled": f"{_DECISION} request since until",
    "guide.due": _DUE,
    "promo.due": _DUE,
    "slot.missed": f"{_SLOT} kind reason",
    "message.claimed": f"{_ATTEMPT} claimant claimed_at bot_id",
    "message.sent": f"{_ATTEMPT} chat_id message_id sent_at latency_ms",
    "message.failed": f"{_ATTEMPT} description failure failed_at",
    "message.uncertain": f"{_ATTEMPT} description policy",
    "message.skipped": f"{_MESSAGE} reason skipped_at",
    "message.unreadable": "delivery sequence description found_at",
    "message.withdrawn": f"{_MESSAGE} chat_id message_id action reason outcome withdrawn_at",
    "channel.disabled": "channel bot_id happened_at",
    "channel.enabled": "channel bot_id happened_at",
    "channel.migrated": "channel bot_id happened_at chat_id",
    "cta.clicked": "source_id delivery cta user_id via verdict rule clicked_at",
    "bot.started": "bot_id update_id delivery cta user_id started_at",
    "bot.stopped": "bot_id update_id user_id said_at",
    "invite.created": "campaign channel chat bot_id name link created_at",
    "conversion.recorded": "source source_id kind occurred_at",
    "forget.requested": "bot_id update_id user_id said_at",
    "user.forgotten": "request_id forgotten_at replaces acts",
}
"""What each kind of event must say, by the aggregate and the fact of its type."""

DUES = ("guide.due", "promo.due")
SLOTS = (*DUES, "slot.missed")
ACTS = ("cta.clicked", "bot.started", "conversion.recorded")
MESSAGES = tuple(kind for kind in NEEDED if kind.startswith("message."))


@dataclass(frozen=True)
class Fact:
    """One event at its place in the log; `kind` is `<aggregate>.<fact>`."""

    sequence: int
    stored_at: float
    subject: str
    header: str | None
    """By what the log knows a repeat of it: its header `Nats-Msg-Id`."""
    kind: str
    id: str
    cause: str
    story: str
    said_at: str
    data: Mapping[str, Any]

    @property
    def delivery(self) -> str | None:
        """The delivery that it tells about, if any."""
        value = self.data.get("delivery")
        return value if isinstance(value, str) else None

    @property
    def name(self) -> str:
        """How a person finds it."""
        return f"#{self.sequence} {self.subject}"


class Facts:
    """All that the log says, and the messages that say nothing."""

    def __init__(self, log: Sequence[Message]) -> None:
        self.all: list[Fact] = []
        self.unreadable: list[tuple[Message, str]] = []
        for message in log:
            found = read(message)
            if isinstance(found, Fact):
                self.all.append(found)
            else:
                self.unreadable.append((message, found))

    def of(self, *kinds: str) -> list[Fact]:
        """Return the facts of some kinds, in the log's order."""
        return [fact for kind in kinds for fact in self._by_kind[kind]]

    @cached_property
    def _by_kind(self) -> Mapping[str, list[Fact]]:
        found: dict[str, list[Fact]] = defaultdict(list)
        for fact in self.all:
            found[fact.kind].append(fact)
        return found

    @cached_property
    def by_delivery(self) -> Mapping[str, list[Fact]]:
        """What the log says about each delivery."""
        found: dict[str, list[Fact]] = defaultdict(list)
        for fact in self.all:
            if fact.delivery and fact.kind in (*SLOTS, *MESSAGES):
                found[fact.delivery].append(fact)
        return found


def read(message: Message) -> Fact | str:
    """Return the event that a message is, or why it is none."""
    if message.is_garbage:
        return "the world made it so"
    said = message.document
    if not isinstance(said, dict):
        return "no JSON object"
    missing = [
        name for name in (*_ATTRIBUTES, "correlationid", "causationid") if not said.get(name)
    ]
    if missing:
        return f"without {', '.join(missing)}"
    match = _TYPE.fullmatch(said["type"])
    if match is None or match[1] not in NEEDED:
        return f"of the unknown type {said['type']!r}"
    data = said.get("data")
    lacking = [n for n in NEEDED[match[1]].split() if not isinstance(data, dict) or n not in data]
    if lacking or not isinstance(data, dict):
        return f"its data without {', '.join(lacking)}"
    if said["subject"] != message.subject:
        return f"it says that its subject is {said['subject']!r}"
    return Fact(
        sequence=message.sequence,
        stored_at=message.stored_at,
        subject=message.subject,
        header=message.headers.get("Nats-Msg-Id"),
        kind=match[1],
        id=said["id"],
        cause=said["causationid"],
        story=said["correlationid"],
        said_at=said["time"],
        data=data,
    )


def instant(text: object) -> datetime:
    """Return a written time, in UTC."""
    moment = datetime.fromisoformat(str(text))
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def seconds(text: object) -> float:
    """Return a written time in seconds since 1970."""
    return instant(text).timestamp()


def repeated(
    facts: Iterable[Fact], name_of: Callable[[Fact], str] = lambda fact: fact.id
) -> list[list[Fact]]:
    """Return those facts that the log has more than once, by their ids or another name."""
    same: dict[str, list[Fact]] = defaultdict(list)
    for fact in facts:
        same[name_of(fact)].append(fact)
    return [group for group in same.values() if len(group) > 1]


def misnamed(invariant: int, facts: Iterable[Fact]) -> Iterator[Broken]:
    """Yield a case for each fact whose repeat the log would not have known."""
    for fact in facts:
        if fact.header != fact.id:
            sentence = f"the log knows it as {fact.header}, and it is {fact.id}"
            yield Broken(invariant, sentence, (fact.name,))
