"""Charts as numbers that a template draws: bars over time, and the hours of a week.

A chart is drawn by the server and stretched by the browser, so it needs no library; the words
beside it are ordinary text and keep their size on a phone.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from analytics.domain.filters import Span

Unit = Literal["minute", "hour", "day", "week", "month"]

HEIGHT = 100
_SMALLEST = 1.5
_LABELS = 5
_MOST_BARS = 200
_HOURS, _DAYS, _SHADES = 24, 7, 8
_DAY_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_LONGEST: tuple[tuple[timedelta, Unit], ...] = (
    (timedelta(hours=2), "minute"),
    (timedelta(days=4), "hour"),
    (timedelta(days=140), "day"),
    (timedelta(days=1000), "week"),
)


@dataclass(frozen=True)
class Scale:
    """The beginning of each step of time, in the zone that names it."""

    unit: Unit
    moments: tuple[datetime, ...]

    def name(self, moment: datetime) -> str:
        """Write the beginning of a step."""
        match self.unit:
            case "minute":
                return f"{moment:%H:%M}"
            case "hour":
                return f"{moment:%d %b, %H:%M}"
            case "month":
                return f"{moment:%b %Y}"
            case _:
                return f"{moment:%d %b}"


@dataclass(frozen=True)
class Bar:
    """One step: where it is drawn on a width of one a step, and a height of HEIGHT."""

    x: float
    y: float
    height: float
    count: int


@dataclass(frozen=True)
class Panel:
    """One kind of act over time."""

    name: str
    bars: tuple[Bar, ...]
    top: int
    total: int


@dataclass(frozen=True)
class Chart:
    """All that is drawn, in panels above each other, and a sentence that says the same."""

    panels: tuple[Panel, ...]
    steps: tuple[str, ...]
    labels: tuple[str, ...]
    summary: str
    unit: Unit

    @property
    def rows(self) -> list[tuple[str, list[int]]]:
        """The steps in which something happened, newest first, with the count of each panel."""
        found = [
            (name, [panel.bars[place].count for panel in self.panels])
            for place, name in enumerate(self.steps)
        ]
        return [row for row in reversed(found) if any(row[1])]


@dataclass(frozen=True)
class Hour:
    """One hour of one day of the week, and how dark it is drawn: 0 (nothing) to 8."""

    count: int
    shade: int


@dataclass(frozen=True)
class Week:
    """The hours of each day of the week, and a sentence on them."""

    days: tuple[tuple[str, tuple[Hour, ...]], ...]
    summary: str


def scale(first: datetime | None, span: Span, now: datetime, zone: ZoneInfo) -> Scale:
    """Return steps that fit the time since `first`, the first act within `span`."""
    end = min(span.end, now)
    start = max(span.start, first or end - timedelta(hours=1))
    unit: Unit = next((unit for most, unit in _LONGEST if end - start < most), "month")
    if unit == "minute":
        start = min(start, max(span.start, end - timedelta(hours=1)))
    moments = [_floor(end.astimezone(zone), unit)]
    while moments[-1] > start and len(moments) < _MOST_BARS:
        moments.append(_before(moments[-1], unit))
    return Scale(unit, tuple(reversed(moments)))


def _floor(moment: datetime, unit: Unit) -> datetime:
    if unit in {"minute", "hour"}:
        whole = moment.replace(second=0, microsecond=0)
        return whole.replace(minute=0) if unit == "hour" else whole
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if unit == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if unit == "month" else day


def _before(moment: datetime, unit: Unit) -> datetime:
    """Return the beginning of the step before; hours are of real time, days of the calendar."""
    if unit in {"minute", "hour"}:
        back = timedelta(minutes=1) if unit == "minute" else timedelta(hours=1)
        return (moment.astimezone(UTC) - back).astimezone(moment.tzinfo)
    return _floor(moment - timedelta(days=1), unit)


def draw(axis: Scale, acts: Mapping[str, Iterable[tuple[datetime, int]]]) -> Chart:
    """Return the chart of acts by name, each counted by the beginning of its step."""
    steps = tuple(axis.name(moment) for moment in axis.moments)
    panels = tuple(_panel(axis, name, counted) for name, counted in acts.items())
    last = len(steps) - 1
    places = sorted({round(last * number / (_LABELS - 1)) for number in range(_LABELS)})
    return Chart(
        panels, steps, tuple(steps[place] for place in places), _summary(axis, panels), axis.unit
    )


def _panel(axis: Scale, name: str, counted: Iterable[tuple[datetime, int]]) -> Panel:
    counts = [0] * len(axis.moments)
    for moment, count in counted:
        # Postgres and Python may tell midnight differently on a day when clocks change.
        place = bisect_right(axis.moments, moment) - 1
        counts[max(place, 0)] += count
    top = _round_up(max(counts))
    bars = tuple(_bar(place, count, top) for place, count in enumerate(counts))
    return Panel(name, bars, top, sum(counts))


def _bar(place: int, count: int, top: int) -> Bar:
    height = max(round(HEIGHT * count / top, 2), _SMALLEST) if count else 0
    return Bar(place, round(HEIGHT - height, 2), height, count)


def _round_up(most: int) -> int:
    """Return an even, round number that `most` fits under."""
    power: int = 10 ** max(0, len(str(most)) - 1)
    return next(top for top in (int(factor * power) for factor in (2, 4, 6, 8, 10)) if top >= most)


def _summary(axis: Scale, panels: Sequence[Panel]) -> str:
    main, *others = panels
    name, steps = main.name.lower(), f"{len(axis.moments)} {axis.unit}s"
    if not main.total:
        return f"No {name} in the last {steps}."
    most = max(main.bars, key=lambda bar: bar.count)
    when = axis.name(axis.moments[int(most.x)])
    rest = "".join(f", {panel.total:,} {panel.name.lower()}" for panel in others)
    return (
        f"{main.total:,} {name}{rest} in the last {steps}; most {name} at {when} ({most.count:,})."
    )


def week(counted: Iterable[tuple[int, int, int]], name: str) -> Week:
    """Return the week of (day from 1 for Monday, hour, count)."""
    counts = {(day, hour): count for day, hour, count in counted}
    most = max(counts.values(), default=0)
    days = tuple(
        (
            _DAY_NAMES[day - 1],
            tuple(_hour(counts.get((day, hour), 0), most) for hour in range(_HOURS)),
        )
        for day in range(1, _DAYS + 1)
    )
    if not most:
        return Week(days, f"No {name} yet.")
    (day, hour), _ = max(counts.items(), key=lambda item: (item[1], -item[0][0], -item[0][1]))
    return Week(days, f"Most {name} on {_DAY_NAMES[day - 1]}, {hour:02}:00 to {hour + 1:02}:00.")


def _hour(count: int, most: int) -> Hour:
    return Hour(count, -(-_SHADES * count // most) if count else 0)
