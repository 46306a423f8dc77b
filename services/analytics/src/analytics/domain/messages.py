"""A message of the log as the projection meets it: an event, or something to set aside."""

import json
from collections.abc import Mapping
from hashlib import blake2b
from typing import NamedTuple

from analytics.domain.rows import QuarantineRow
from contracts.envelope import Envelope, UnreadableEventError


class Message(NamedTuple):
    """One message and its place in the log."""

    sequence: int
    subject: str
    headers: Mapping[str, str]
    data: bytes


class Decoded(NamedTuple):
    """A message with what it says; `event` None: it cannot be read, and `problem` says why."""

    message: Message
    event: Envelope | None
    problem: str = ""

    @property
    def identity(self) -> str:
        """The event's id; of what cannot be read, a hash of its bytes."""
        if self.event:
            return self.event.id
        return f"unreadable:{blake2b(self.message.data, digest_size=16).hexdigest()}"


def decode(message: Message) -> Decoded:
    """Read one message; never raises for what stands in it."""
    try:
        return Decoded(message, Envelope.parse(message.data))
    except UnreadableEventError as error:
        return Decoded(message, None, str(error))


def quarantined(message: Message, reason: str) -> QuarantineRow:
    """Return the row by which `message` is kept; NUL, which Postgres refuses, is replaced."""
    return QuarantineRow(
        sequence=message.sequence,
        subject=message.subject,
        headers=json.dumps(dict(message.headers)),
        data=message.data,
        reason=reason.replace("\0", "\N{REPLACEMENT CHARACTER}"),
    )
