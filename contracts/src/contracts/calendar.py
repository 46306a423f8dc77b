"""What people write about times: cron expressions, quiet hours, blackouts, moments in a zone."""

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}

_FIELDS = 5
_ANY_DAY = datetime(2000, 1, 1)  # noqa: DTZ001  a wall time: the zone plays no part in parsing
_DAY = timedelta(days=1)
_MINUTES = 24 * 60
_SAMPLE = 100
"""Slots of a cron expression that are compared for their distance."""

_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME = r"[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?"
QUIET_HOURS = r"([01][0-9]|2[0-3]):([0-5][0-9]) ?- ?([01][0-9]|2[0-3]|24(?=:00)):([0-5][0-9])"
BLACKOUT = rf"({_DATE})(?: ?\.\. ?({_DATE}))?"
MOMENT = rf"{_DATE}(?:[T ]{_TIME}(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])?)?"
"""How the three are written; whether such a date exists is another question."""


def cron_fields(expression: str) -> str:
    """Return the five fields of a cron expression or macro; raises ValueError with a remedy."""
    text = " ".join(expression.split())
    if text.startswith("@"):
        if text.lower() not in MACROS:
            raise ValueError(f"{text!r} is no macro; write one of {', '.join(MACROS)}")
        return MACROS[text.lower()]
    if len(text.split()) != _FIELDS:
        raise ValueError(
            f"{text!r} must have five fields: minute hour day-of-month month day-of-week,"
            " such as 0 9 * * mon-fri"
        )
    try:
        next(CronSim(text, _ANY_DAY))
    except CronSimError as error:
        part = str(error).removeprefix("Bad ")
        raise ValueError(
            f"{text!r}: no such {part}; correct it, or begin from an example: 0 9 * * mon-fri"
        ) from error
    except StopIteration as error:
        raise ValueError(f"{text!r} names a date that never comes; correct it") from error
    return text


def cron_minutes(expression: str) -> set[int]:
    """Return the minutes of the day (0 to 1439) at which a cron expression has slots."""
    cron = CronSim(cron_fields(expression), _ANY_DAY)
    return {hour * 60 + minute for hour in cron.hours for minute in cron.minutes}


def cron_gap(expression: str) -> timedelta:
    """Return the shortest wall time from one slot to the next; the first hundred are compared."""
    slots = islice(CronSim(cron_fields(expression), _ANY_DAY), _SAMPLE)
    return min(later - slot for slot, later in pairwise(slots))


@lru_cache(maxsize=1024)
def quiet_hours(text: str) -> tuple[time, time]:
    """Read `22:00-07:00`: from when, and until when (exclusive; 24:00 is midnight, as 00:00)."""
    match = re.fullmatch(QUIET_HOURS, text)
    if not match:
        raise ValueError(f"{text!r} must be two times of day such as 22:00-07:00")
    begin = time(int(match[1]), int(match[2]))
    end = time(int(match[3]) % 24, int(match[4]))
    if begin == end:
        raise ValueError(f"{text!r} begins when it ends; leave it out, or write two times")
    return begin, end


def quiet_minutes(texts: Iterable[str]) -> set[int]:
    """Return the minutes of the day (0 to 1439) that lie in one of the quiet hours."""
    minutes: set[int] = set()
    for begin, end in map(quiet_hours, texts):
        first, last = (moment.hour * 60 + moment.minute for moment in (begin, end))
        length = (last - first) % _MINUTES
        minutes.update((first + passed) % _MINUTES for passed in range(length))
    return minutes


@lru_cache(maxsize=1024)
def blackout(text: str) -> tuple[date, date]:
    """Read `2026-12-24` or `2026-12-24..2026-12-26`: the first and the last date without posts."""
    match = re.fullmatch(BLACKOUT, text)
    if not match:
        raise ValueError(f"{text!r} must be a date such as 2026-12-24, or 2026-12-24..2026-12-26")
    try:
        begin, end = (date.fromisoformat(part or match[1]) for part in match.groups())
    except ValueError as error:
        raise ValueError(f"{text!r}: {error}; correct the date") from error
    if end < begin:
        raise ValueError(f"{text!r} ends before it begins; exchange the two dates")
    return begin, end


def moment(text: str, zone: str, *, ends: bool = False) -> datetime:
    """Read a date or a date with time, in `zone` where it has no offset of its own; as UTC.

    A date alone is its first moment, or its last second where something `ends` with it. A wall
    time that a clock change skips is taken by the offset from before the change.
    """
    if not re.fullmatch(MOMENT, text):
        raise ValueError(
            f"{text!r} must be a date such as 2026-12-01, 2026-12-01T09:00"
            " or 2026-12-01T09:00+01:00"
        )
    try:
        read = datetime.fromisoformat(text)
        if ends and len(text) == len("2026-12-01"):
            read += _DAY - timedelta(seconds=1)
        return (read if read.tzinfo else read.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"{text!r} lies outside the years 1 to 9999; correct it") from error
    except ValueError as error:
        raise ValueError(f"{text!r}: {error}; correct the date") from error
