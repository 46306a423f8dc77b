"""The chart of clicks over time, as numbers that a template draws."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

WIDTH, HEIGHT = 960, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 8, 12, 26
_MARKS = 6


@dataclass(frozen=True)
class Scale:
    """Equal steps of time, the first of which begins at `start`."""

    start: datetime
    step: timedelta
    count: int
    unit: str

    @property
    def moments(self) -> list[datetime]:
        """The beginning of each step."""
        return [self.start + self.step * number for number in range(self.count)]


@dataclass(frozen=True)
class Bar:
    """One step: where it is drawn, and what it says."""

    x: float
    y: float
    width: float
    height: float
    clicks: int
    at: str


@dataclass(frozen=True)
class Mark:
    """A label of an axis and where it stands."""

    at: float
    label: str


@dataclass(frozen=True)
class Chart:
    """All that is drawn, and a sentence that says the same."""

    bars: tuple[Bar, ...]
    times: tuple[Mark, ...]
    levels: tuple[Mark, ...]
    summary: str
    unit: str


def scale(first: datetime | None, now: datetime) -> Scale:
    """Return minutes, hours or days, so that everything since `first` (at most 60 days) shows."""
    span = now - (first or now)
    if span < timedelta(hours=1):
        return _ending(now, timedelta(minutes=1), 60, "minute")
    if span < timedelta(hours=48):
        return _ending(now, timedelta(hours=1), 48, "hour")
    return _ending(now, timedelta(days=1), 60, "day")


def _ending(now: datetime, step: timedelta, count: int, unit: str) -> Scale:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    last = epoch + (now - epoch) // step * step
    return Scale(last - step * (count - 1), step, count, unit)


def draw(axis: Scale, clicks: Mapping[datetime, int]) -> Chart:
    """Return the chart of `clicks` by the beginning of their step."""
    counts = [clicks.get(moment, 0) for moment in axis.moments]
    top = _round_up(max(counts))
    names = [_name(axis, moment) for moment in axis.moments]
    every = axis.count // _MARKS
    return Chart(
        bars=tuple(
            _bar(number, count, top, axis.count, name)
            for number, (count, name) in enumerate(zip(counts, names, strict=True))
        ),
        times=tuple(
            Mark(_x(number + 0.5, axis.count), names[number])
            for number in range(every // 2, axis.count, every)
        ),
        levels=tuple(Mark(_y(level, top), f"{level:,}") for level in sorted({0, top // 2, top})),
        summary=_summary(axis, counts, names),
        unit=axis.unit,
    )


def _bar(number: int, count: int, top: int, steps: int, name: str) -> Bar:
    gap = 0.15 * (WIDTH - _LEFT - _RIGHT) / steps
    x, y = _x(number, steps) + gap / 2, _y(count, top)
    return Bar(x, y, _x(number + 1, steps) - gap / 2 - x, _y(0, top) - y, count, name)


def _x(number: float, steps: int) -> float:
    return round(_LEFT + number * (WIDTH - _LEFT - _RIGHT) / steps, 2)


def _y(level: int, top: int) -> float:
    return round(HEIGHT - _BOTTOM - level * (HEIGHT - _TOP - _BOTTOM) / top, 2)


def _round_up(most: int) -> int:
    """Return an even, round number that `most` fits under."""
    power: int = 10 ** max(0, len(str(most)) - 1)
    return next(top for top in (int(factor * power) for factor in (2, 4, 6, 8, 10)) if top >= most)


def _name(axis: Scale, moment: datetime) -> str:
    return f"{moment:%d %b}" if axis.unit == "day" else f"{moment:%H:%M}"


def _summary(axis: Scale, counts: list[int], names: list[str]) -> str:
    total = sum(counts)
    if not total:
        return f"No taps in the last {axis.count} {axis.unit}s."
    most = max(counts)
    return (
        f"{total:,} taps in the last {axis.count} {axis.unit}s,"
        f" most of them ({most:,}) at {names[counts.index(most)]} UTC."
    )
