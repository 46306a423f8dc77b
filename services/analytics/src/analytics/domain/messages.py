"""A message of the log as the projection meets it: an event, or something to set aside."""

import json
from collections.abc import Mapping
from datetime import datetime
from hashlib import blake2b
from typing import Any, Literal, NamedTuple, Protocol, cast

from pydantic import BaseModel, ValidationError, create_model

from analytics.domain.rows import QuarantineRow
from analytics.domain.taps import read_tap
from contracts.envelope import Envelope, UnreadableEventError
from contracts.events import EVENTS, CtaClicked, Event


class Message(NamedTuple):
    """One message and its place in the log; `headers` as pairs, or as they came."""

    sequence: int
    subject: str
    headers: Mapping[str, str] | bytes
    data: bytes
    reply: str = ""
    """Where it is acknowledged."""
    left: int = 0
    """How many messages waited when it was handed over."""


class Said(Protocol):
    """What the fold asks of an event's envelope."""

    @property
    def id(self) -> str:
        """Name the event, the same for every attempt to say it."""

    @property
    def time(self) -> datetime:
        """When it was said."""

    @property
    def correlationid(self) -> str:
        """Name the story that the event belongs to."""

    @property
    def data(self) -> Event:
        """The fact."""


class Decoded(NamedTuple):
    """A message with what it says; `event` None: it cannot be read, and `problem` says why."""

    message: Message
    event: Said | None
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
    if message.subject.startswith(_TAPS) and (tap := read_tap(message.data)):
        return Decoded(message, tap)
    if said := _read_fast(message):
        return Decoded(message, said)
    try:
        return Decoded(message, Envelope.parse(message.data))
    except UnreadableEventError as error:
        return Decoded(message, None, str(error))


def _expecting(kind: type[Event]) -> type[BaseModel]:
    """Return the envelope of one kind of event, which is read and checked in one go."""
    fields: dict[str, Any] = {
        name: (field.annotation, field)
        for name, field in Envelope.model_fields.items()
        if name not in {"type", "data"}
    }
    config = Envelope.model_config
    return create_model(
        kind.__name__, __config__=config, **fields, type=(Literal[kind.type], ...), data=(kind, ...)
    )


_TAPS = f"{CtaClicked.fact()}."
_EXPECTED = {f"{kind.fact()}.": _expecting(kind) for kind in EVENTS}


def _read_fast(message: Message) -> Said | None:
    """Read what the subject promises, in half of the time; None where it is anything else."""
    aggregate, fact, _ = (*message.subject.split(".", 2), "", "", "")[:3]
    expected = _EXPECTED.get(f"{aggregate}.{fact}.")
    if expected is None:
        return None
    try:
        said = expected.model_validate_json(message.data)
    except ValidationError:
        return None
    return cast("Said", said)


def quarantined(message: Message, reason: str) -> QuarantineRow:
    """Return the row by which `message` is kept, whatever stands in it."""
    return QuarantineRow(
        sequence=message.sequence,
        subject=_storable(message.subject),
        headers=json.dumps(pairs(message.headers)),
        data=message.data,
        reason=_storable(reason),
    )


def pairs(headers: Mapping[str, str] | bytes) -> dict[str, str]:
    """Return the headers of a message, whichever way it came."""
    if not isinstance(headers, bytes):
        return dict(headers)
    _, *lines = headers.decode(errors="replace").split("\r\n")
    named = (line.partition(":") for line in lines if line)
    return {name: value.strip() for name, _, value in named}


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
