"""What a page shows: read from the query of its address, or refused with the field and remedy."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

PERIODS = {
    "1d": timedelta(days=1),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
    "90d": timedelta(days=90),
    "365d": timedelta(days=365),
}
EVER = "all"
DEFAULT_PERIOD = "30d"
KINDS = ("guide", "promo")
STATES = ("due", "claimed", "sent", "failed", "skipped", "uncertain", "missed")
ASPECTS = (*STATES, "late", "withdrawn")
LATE = timedelta(minutes=1)
"""A delivery that was sent, or still waits, longer than this after its instant is late."""

_CAMPAIGN = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_CHANNEL = re.compile(r"-?[0-9]{1,19}|@[A-Za-z][A-Za-z0-9_]{3,31}")
_FIRST = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = datetime(9000, 1, 1, tzinfo=UTC)
_EPOCH = _FIRST
_BIGINT = 2**63
_KEY = re.compile(r"[A-Za-z0-9_.-]{1,128}")


class BadFilterError(ValueError):
    """A value of the address cannot be used; says which, and what can."""

    def __init__(self, field: str, problem: str, remedy: str) -> None:
        super().__init__(f"{field} {problem}; {remedy}")
        self.field, self.problem, self.remedy = field, problem, remedy


@dataclass(frozen=True)
class Filter:
    """What was asked for, as it stands in the address; empty where nothing was."""

    period: str = DEFAULT_PERIOD
    since: str = ""
    until: str = ""
    campaign: str = ""
    kind: str = ""
    channel: str = ""
    zone: str = "UTC"

    @property
    def own_dates(self) -> bool:
        """Whether days were given, which win over the period."""
        return bool(self.since or self.until)

    def query(self, **changes: str) -> str:
        """Return the address's query for this filter with `changes`, the defaults left out."""
        plain = {field.name: field.default for field in fields(self)}
        asked = {name: getattr(self, name) for name in plain} | changes
        return urlencode({n: v for n, v in asked.items() if v and v != plain.get(n)})


@dataclass(frozen=True)
class Span:
    """From `start` up to, and without, `end`."""

    start: datetime
    end: datetime


def read(query: Mapping[str, str]) -> Filter:
    """Return the filter of a query; raises BadFilterError."""
    asked = Filter(
        **{
            field.name: query.get(field.name, "").strip() or str(field.default)
            for field in fields(Filter)
        }
    )
    _among("period", asked.period, (*PERIODS, EVER))
    if asked.kind:
        _among("kind", asked.kind, KINDS)
    if asked.campaign:
        campaign(asked.campaign)
    if asked.channel and not _CHANNEL.fullmatch(asked.channel):
        raise BadFilterError("channel", "is no channel", "give a chat id or an @username")
    zone(asked.zone)
    for name in ("since", "until"):
        if getattr(asked, name):
            _day(name, getattr(asked, name))
    if asked.since and asked.until and asked.since > asked.until:
        raise BadFilterError("since", "is after until", "exchange the two days")
    return asked


def campaign(text: str) -> str:
    """Return the id of a campaign; raises BadFilterError."""
    if not _CAMPAIGN.fullmatch(text):
        raise BadFilterError("campaign", "is no id", "give one as the campaign file has it")
    return text


def zone(key: str) -> ZoneInfo:
    """Return the zone; raises BadFilterError."""
    try:
        return ZoneInfo(key)
    except (ValueError, OSError, KeyError):
        raise BadFilterError(
            "zone", "is no time zone", "give an IANA name such as Europe/Berlin"
        ) from None


def span(asked: Filter, now: datetime) -> Span:
    """Return the moments of the period; days are whole, and told by the zone."""
    if not asked.own_dates:
        back = PERIODS.get(asked.period)
        return Span(now - back if back else _FIRST, _LAST)
    there = zone(asked.zone)
    end = _LAST
    if asked.until:
        following = _day("until", asked.until) + timedelta(days=1)
        end = datetime(following.year, following.month, following.day, tzinfo=there)
    if not asked.since:
        return Span(_FIRST, end.astimezone(UTC))
    day = _day("since", asked.since)
    start = datetime(day.year, day.month, day.day, tzinfo=there)
    return Span(start.astimezone(UTC), end.astimezone(UTC))


def aspect(text: str) -> str:
    """Return which deliveries are asked for, empty for all; raises BadFilterError."""
    if text:
        _among("state", text, ASPECTS)
    return text


def person(text: str) -> int:
    """Return the id of a person; raises BadFilterError."""
    if re.fullmatch(r"[0-9]{1,19}", text) and 0 < int(text) < _BIGINT:
        return int(text)
    raise BadFilterError(
        "person", "is no Telegram id", "give the digits of one, such as 7000000001"
    )


@dataclass(frozen=True)
class Cursor:
    """The place after which a page of a long table goes on: a moment, and a key within it."""

    at: datetime
    key: str

    def __str__(self) -> str:
        micros = (self.at - _EPOCH) // timedelta(microseconds=1)
        return urlsafe_b64encode(f"{micros}/{self.key}".encode()).decode().rstrip("=")


def cursor(text: str) -> Cursor | None:
    """Return the cursor that stands in an address, None for an empty one; raises BadFilterError."""
    if not text:
        return None
    try:
        micros, _, key = urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode().partition("/")
        at = _EPOCH + timedelta(microseconds=int(micros))
    except (ValueError, OverflowError):
        at, key = _LAST, ""
    if not _KEY.fullmatch(key) or not _FIRST <= at < _LAST or str(found := Cursor(at, key)) != text:
        raise BadFilterError("after", "is no place in this table", "begin at its first page")
    return found


def _among(field: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise BadFilterError(field, "is unknown", f"choose one of {', '.join(known)}")


def _day(field: str, text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    if not _FIRST.date() < day < _LAST.date() or day.isoformat() != text:
        raise BadFilterError(field, "is no day", "give one such as 2026-03-01")
    return day
