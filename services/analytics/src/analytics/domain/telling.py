"""One event of the log as a line that a person reads."""

from dataclasses import dataclass
from datetime import datetime

from contracts.envelope import Envelope
from contracts.events import Event

_FIELDS = (
    "campaign", "variant", "channel", "attempt", "failure", "policy", "reason", "outcome", "action",
    "description", "via", "verdict", "cta", "source", "kind", "amount", "currency", "note", "actor",
)  # fmt: skip
_LONGEST = 200


@dataclass(frozen=True)
class Line:
    """What the page shows of an event; `fact` is such as `cta.clicked`."""

    sequence: int
    at: datetime
    fact: str
    text: str
    person: int | None
    campaign: str | None


def line(sequence: int, envelope: Envelope) -> Line:
    """Tell an event in one line."""
    event = envelope.data
    parts = (f"{name} {value}" for name in _FIELDS if (value := _value(event, name)) != "")
    return Line(
        sequence,
        envelope.time,
        event.type.removeprefix("fingerpost.").rpartition(".")[0],
        ", ".join(parts)[:_LONGEST],
        getattr(event, "user_id", None),
        getattr(event, "campaign", None),
    )


def _value(event: Event, name: str) -> str:
    value = getattr(event, name, None)
    if name == "variant" and value is not None and not isinstance(value, str):
        value = value.id
    return "" if value is None else str(value)
