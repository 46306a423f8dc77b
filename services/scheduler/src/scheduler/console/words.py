"""Schedules, durations and moments as people read them."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import product
from zoneinfo import ZoneInfo

from contracts.calendar import cron_fields
from contracts.campaign import Campaign, CronSchedule, Schedule

_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
_PLAIN = re.compile(r"\d{1,2}(,\d{1,2})*", re.ASCII)


def duration(value: timedelta) -> str:
    """Write `1 h 30 min`; what is less than a second is left away."""
    left, parts = int(value.total_seconds()), []
    for unit, seconds in _UNITS:
        amount, left = divmod(left, seconds)
        if amount:
            parts.append(f"{amount} {unit}")
    return " ".join(parts) or "0 s"


def timing(plan: Campaign) -> str:
    """Say when the campaign posts: its schedules, and what bounds them."""
    text = " and ".join(dict.fromkeys(_schedule(part, plan.zone) for part in plan.timing))
    if plan.run_now:
        text += ", and once at the beginning"
    if plan.start:
        text += f", from {local(plan.start, plan.zone)}"
    if plan.end:
        text += f", until {local(plan.end, plan.zone)}"
    if plan.limit:
        text += f", {plan.limit} times"
    return text


def local(moment: datetime, zone: str) -> str:
    """Write a moment as the zone's clocks and calendars show it, with its offset."""
    there = moment.astimezone(ZoneInfo(zone))
    offset = there.isoformat()[-6:]
    return f"{there:%a %Y-%m-%d} {clock(moment, zone)} {offset}"


def clock(moment: datetime, zone: str) -> str:
    """Write the time of day; seconds only where there are some."""
    there = moment.astimezone(ZoneInfo(zone))
    return f"{there:%H:%M:%S}" if there.second else f"{there:%H:%M}"


def key_time(moment: datetime) -> str:
    """Write a moment so that a request's key can carry it."""
    there = moment.astimezone(UTC)
    return f"{there:%Y%m%dT%H%M%S}" + (f"{there:%f}" if there.microsecond else "") + "Z"


def several(number: int, what: str, plural: str = "") -> str:
    """Write `1 slot`, `2 slots`, `2 deliveries`."""
    return f"{number:,} {what if number == 1 else plural or what + 's'}"


def listed(names: Iterable[str], at_most: int = 4) -> str:
    """List the first of many names."""
    all_names = list(names)
    if len(all_names) <= at_most:
        return ", ".join(all_names)
    return f"{', '.join(all_names[: at_most - 1])} and {len(all_names) - at_most + 1} more"


def _schedule(schedule: Schedule, zone: str) -> str:
    if isinstance(schedule, CronSchedule):
        return f"{_cron(schedule.cron)} ({schedule.zone or zone})"
    shift = f", shifted by {duration(schedule.phase)}" if schedule.phase else ""
    return f"every {duration(schedule.every)}{shift}"


def _cron(expression: str) -> str:
    minute, hour, day, month, weekday = cron_fields(expression).split()
    plain = _PLAIN.fullmatch(minute) and _PLAIN.fullmatch(hour)
    if not plain or (day, month) != ("*", "*"):
        return f"cron {expression}"
    times = [f"{int(h):02}:{int(m):02}" for h, m in product(hour.split(","), minute.split(","))]
    days = "daily" if weekday == "*" else f"on weekday {weekday}" if weekday.isdigit() else weekday
    return f"{days} at {', '.join(times)}"
