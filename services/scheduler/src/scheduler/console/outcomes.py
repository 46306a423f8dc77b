"""What became of deliveries: asked of the log by their subjects, many at once but not all."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from chassis.log import Entry, Reader
from contracts.envelope import UnreadableEventError
from contracts.events import (
    Due,
    Event,
    MessageClaimed,
    MessageFailed,
    MessageSent,
    MessageSkipped,
    MessageUncertain,
    MessageWithdrawn,
    SlotMissed,
)
from contracts.events.slot import Trigger
from contracts.ids import DeliveryId, VariantId
from contracts.subjects import due_of, messages_of, missed_of

_AT_ONCE = 64

Word = Literal[
    "sent",
    "failed",
    "uncertain",
    "skipped",
    "sending",
    "waiting",
    "missed",
    "not said",
    "unreadable",
]


@dataclass(frozen=True)
class Outcome:
    """What the log says of one delivery; `reason` why it is not simply sent."""

    word: Word
    reason: str = ""
    trigger: Trigger | None = None
    variant: VariantId | None = None


class Outcomes:
    """Asks the log; raises an error of nats-py while it is out of reach."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._at_once = asyncio.Semaphore(_AT_ONCE)

    async def of(self, deliveries: Iterable[DeliveryId]) -> dict[DeliveryId, Outcome]:
        """Return what became of each."""
        wanted = list(deliveries)
        found = await asyncio.gather(*(self._one(delivery) for delivery in wanted))
        return dict(zip(wanted, found, strict=True))

    async def due(self, deliveries: Iterable[DeliveryId]) -> set[DeliveryId]:
        """Return those that were said to be due."""
        wanted = list(deliveries)
        found = await asyncio.gather(*(self._said(due_of(delivery)) for delivery in wanted))
        return {delivery for delivery, entry in zip(wanted, found, strict=True) if entry}

    async def _one(self, delivery: DeliveryId) -> Outcome:
        try:
            slot = await self._said(due_of(delivery)) or await self._said(missed_of(delivery))
            if not slot or not isinstance(slot.envelope.data, Due):
                return _unsent(slot)
            message = await self._newest(messages_of(delivery))
        except UnreadableEventError as error:
            return Outcome("unreadable", str(error))
        due = slot.envelope.data
        word, reason = _told(message.envelope.data if message else None)
        return Outcome(word, reason, due.trigger, due.variant.id)

    async def _newest(self, subjects: Sequence[str]) -> Entry | None:
        found = [entry for subject in subjects if (entry := await self._said(subject))]
        return max(found, key=lambda entry: entry.sequence, default=None)

    async def _said(self, subject: str) -> Entry | None:
        async with self._at_once:
            return await self._reader.last(subject)


def _unsent(slot: Entry | None) -> Outcome:
    if slot and isinstance(slot.envelope.data, SlotMissed):
        return Outcome("missed", slot.envelope.data.reason)
    return Outcome("not said")


def _told(event: Event | None) -> tuple[Word, str]:
    match event:
        case MessageSent():
            return "sent", "found later" if event.reconciled else ""
        case MessageWithdrawn():
            return "sent", f"{event.reason}, {event.action}: {event.outcome}"
        case MessageFailed(retry_at=None):
            return "failed", f"{event.failure}: {event.description}"
        case MessageFailed():
            return "waiting", f"to try again after {event.failure}: {event.description}"
        case MessageSkipped():
            return "skipped", event.reason
        case MessageUncertain():
            return "uncertain", f"{event.policy}: {event.description}"
        case MessageClaimed():
            return "sending", ""
        case _:
            return "waiting", "for the sender"
