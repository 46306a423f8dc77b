"""Where a page of a long list ends: an opaque text, from which the next page goes on.

It holds the keys of the last row and no number of rows, so rows that arrive meanwhile neither
repeat nor hide another. It is read as what anybody may have written.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Literal

from analytics.domain.filters import BadFilterError

Kind = Literal["moment", "day", "text"]
Value = datetime | date | str

LONGEST = 2_000
"""Characters of a cursor."""


def cursor(name: str, values: Sequence[Value]) -> str:
    """Return the place behind the row with these keys in the list of this name."""
    parts = [name, *(v if isinstance(v, str) else v.isoformat() for v in values)]
    return urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def place(name: str, kinds: Sequence[Kind], text: str) -> tuple[Value, ...]:
    """Return the keys that a cursor of this list holds; raises BadFilterError."""
    try:
        parts = json.loads(urlsafe_b64decode(text[:LONGEST] + "=" * (-len(text) % 4)))
        values = tuple(_value(kind, part) for kind, part in zip(kinds, parts[1:], strict=True))
        # Written in one way only: what was not written here is not read either.
        if parts[0] == name and cursor(name, values) == text:
            return values
    except (ValueError, TypeError, KeyError, IndexError, RecursionError, OverflowError):
        pass
    raise BadFilterError(
        "after", f"is no place in {name}", "take `next` of the page before, or begin without it"
    )


def _value(kind: Kind, part: object) -> Value:
    if not isinstance(part, str) or "\0" in part:
        raise ValueError("is no text")
    part.encode()  # raises for half of a surrogate pair
    if kind == "text":
        return part
    if kind == "day":
        return date.fromisoformat(part)
    return datetime.fromisoformat(part).astimezone(UTC)
