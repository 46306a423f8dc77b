"""What a program may ask for: each parameter's meaning, how its text is read, and what is refused.

The meanings are those of the OpenAPI document.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from difflib import get_close_matches
from typing import Any
from zoneinfo import ZoneInfo

from analytics.domain import filters
from analytics.domain.filters import BadFilterError

LIMIT, MOST = 100, 1_000
"""Rows of a page where nobody says how many, and at most."""

_BIGINT = 2**63
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CHANNEL = re.compile(r"-?[0-9]{1,19}|@[A-Za-z][A-Za-z0-9_]{3,31}")
_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?"
    r"(Z|[+-][0-9]{2}:[0-9]{2}))?"
)


@dataclass(frozen=True)
class Parameter:
    """One parameter: its meaning, its JSON Schema, and what reads it."""

    meaning: str
    schema: Mapping[str, Any]
    read: Callable[[str, str], Any]
    default: str = ""


def _chosen(*known: str) -> Callable[[str, str], str]:
    def read(field: str, text: str) -> str:
        if text not in known:
            raise BadFilterError(field, "is unknown", f"choose one of {', '.join(known)}")
        return text

    return read


def _matching(pattern: re.Pattern[str], remedy: str) -> Callable[[str, str], str]:
    def read(field: str, text: str) -> str:
        if not pattern.fullmatch(text):
            raise BadFilterError(field, "is no such id", remedy)
        return text

    return read


def _number(least: int, most: int) -> Callable[[str, str], int]:
    def read(field: str, text: str) -> int:
        if re.fullmatch(r"[0-9]{1,19}", text) and least <= int(text) <= most:
            return int(text)
        raise BadFilterError(field, "is no such number", f"give one from {least} to {most}")

    return read


def _channel(field: str, text: str) -> str:
    return _matching(_CHANNEL, "give a chat id or an @username")(field, text).lower()


def _zone(_: str, text: str) -> ZoneInfo:
    return filters.zone(text)


def _text(_: str, text: str) -> str:
    return text


def _moment(field: str, text: str) -> datetime | date:
    """Read an instant, or a day."""
    try:
        if _MOMENT.fullmatch(text):
            if "T" not in text and " " not in text:
                return date.fromisoformat(text)
            return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise BadFilterError(
        field, "is no instant and no day", "give one such as 2026-03-01T12:00:00Z or 2026-03-01"
    )


PARAMETERS: dict[str, Parameter] = {
    "since": Parameter(
        "From this instant on, or from the beginning of this day in `zone`.",
        {"type": "string", "examples": ["2026-03-01", "2026-03-01T12:00:00Z"]},
        _moment,
    ),
    "until": Parameter(
        "Before this instant, or up to the end of this day in `zone`.",
        {"type": "string", "examples": ["2026-03-31"]},
        _moment,
    ),
    "zone": Parameter(
        "IANA time zone in which days are told.",
        {"type": "string", "default": "UTC", "examples": ["Europe/Berlin"]},
        _zone,
        "UTC",
    ),
    "campaign": Parameter(
        "Id of the campaign.",
        {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
        _matching(_ID, "give one as the campaign file has it"),
    ),
    "variant": Parameter(
        "Id of the variant.",
        {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
        _matching(_ID, "give one as the campaign file has it"),
    ),
    "kind": Parameter(
        "Kind of the campaign.",
        {"type": "string", "enum": list(filters.KINDS)},
        _chosen(*filters.KINDS),
    ),
    "channel": Parameter(
        "Chat id or @username of the channel.",
        {"type": "string", "examples": ["-1001234567890", "@channel"]},
        _channel,
    ),
    "user": Parameter(
        "Telegram id of the person.",
        {"type": "integer", "minimum": 1, "maximum": _BIGINT - 1},
        _number(1, _BIGINT - 1),
    ),
    "state": Parameter(
        "What became of the delivery.",
        {"type": "string", "enum": list(filters.STATES)},
        _chosen(*filters.STATES),
    ),
    "verdict": Parameter(
        "Whose taps.",
        {"type": "string", "enum": ["human", "robot"], "default": "human"},
        _chosen("human", "robot"),
        "human",
    ),
    "model": Parameter(
        "Which of a person's touches share a conversion.",
        {"type": "string", "enum": ["first", "last", "linear"], "default": "last"},
        _chosen("first", "last", "linear"),
        "last",
    ),
    "limit": Parameter(
        "Rows of a page.",
        {"type": "integer", "minimum": 1, "maximum": MOST, "default": LIMIT},
        _number(1, MOST),
        str(LIMIT),
    ),
    "after": Parameter("`next` of the page before.", {"type": "string", "maxLength": 2_000}, _text),
}


def read(query: Sequence[tuple[str, str]], known: Collection[str]) -> dict[str, Any]:
    """Return the value of each known parameter, None where none was given.

    `since` and `until` come as instants. Raises BadFilterError, also for a parameter that is
    unknown, empty or given twice: a filter that does nothing would be taken for one that does.
    """
    given = {}
    for name, text in query:
        if name not in known:
            close = get_close_matches(name, known, n=1)
            remedy = f"did you mean {close[0]}?" if close else f"use {', '.join(sorted(known))}"
            raise BadFilterError(name[:64], "is no parameter here", remedy)
        if name in given:
            raise BadFilterError(name, "is given twice", "give it once")
        if not text:
            raise BadFilterError(name, "is empty", "give a value, or leave it out")
        given[name] = text
    values: dict[str, Any] = {}
    for name in known:
        text = given.get(name, PARAMETERS[name].default)
        values[name] = PARAMETERS[name].read(name, text) if text else None
    return values | _period(values)


def _period(values: Mapping[str, Any]) -> dict[str, Any]:
    """Make days instants."""
    there = values.get("zone") or UTC
    found = {}
    for name, days in (("since", 0), ("until", 1)):
        value = values.get(name)
        if value is None:
            continue
        if not isinstance(value, datetime):
            if not _FIRST.date() <= value < _LAST.date():
                raise BadFilterError(name, "is out of reach", "give a day from 1970 on")
            value = datetime.combine(value + timedelta(days=days), time(), there).astimezone(UTC)
        if not _FIRST - timedelta(days=1) <= value <= _LAST:
            raise BadFilterError(name, "is out of reach", "give an instant from 1970 on")
        found[name] = value
    if len(found) == 2 and found["since"] > found["until"]:  # noqa: PLR2004  both of them
        raise BadFilterError("since", "is after until", "exchange the two")
    return found
