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
        """The event's id, whether or not this version can read the rest; else a hash of the bytes.

        So a message is the same before and after an upgrade that learns to read it.
        """
        name = self.event.id if self.event else _id_of(self.message.data)
        return _storable(name) or f"hash:{blake2b(self.message.data, digest_size=16).hexdigest()}"


def decode(message: Message) -> Decoded:
    """Read one message; never raises for what stands in it."""
    try:
        return Decoded(message, Envelope.parse(message.data))
    except UnreadableEventError as error:
        return Decoded(message, None, str(error))


def quarantined(message: Message, reason: str) -> QuarantineRow:
    """Return the row by which `message` is kept, whatever stands in it."""
    return QuarantineRow(
        sequence=message.sequence,
        subject=_storable(message.subject),
        headers=json.dumps(dict(message.headers)),
        data=message.data,
        reason=_storable(reason),
    )


def _id_of(data: bytes) -> str:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return ""
    name = document.get("id") if isinstance(document, dict) else None
    return name if isinstance(name, str) else ""


def _storable(text: str) -> str:
    """Return `text` with what Postgres refuses, NUL and halves of surrogate pairs, replaced."""
    return text.encode(errors="replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
