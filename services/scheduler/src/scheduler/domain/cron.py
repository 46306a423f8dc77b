"""When a cron expression fires. Cron speaks in wall times; this decides which instants they are.

cronsim reads the expression and finds its dates, on times labelled UTC, so that its own handling
of zones plays no part. A wall time is written here as a datetime labelled UTC, too.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from datetime import MAXYEAR, UTC, datetime, time, timedelta
from itertools import chain, islice, takewhile
from typing import NamedTuple
from zoneinfo import ZoneInfo

from cronsim import CronSim

_SECOND = timedelta(seconds=1)
_MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)

_FIRST = datetime(2, 1, 1, tzinfo=UTC)
_LAST = datetime(MAXYEAR - 1, 12, 30, tzinfo=UTC)
"""Searches start between these: no step of a day or of an offset then leaves the calendar."""


class CronTimes:
    """The instants at which a cron expression fires in a zone.

    Where the hour field is `*`, it follows elapsed time: what a clock change repeats fires again,
    what it leaves out does not fire. Any other wall time fires once on each of its dates: in the
    first pass where it is repeated (in both with `repeat_in_overlap`), beside the gap where it
    is left out. A date that the zone leaves out has no instants.
    """

    def __init__(self, expression: str, zone: str, *, repeat_in_overlap: bool = False) -> None:
        cron = CronSim(expression, _FIRST)
        hours, minutes = sorted(cron.hours), sorted(cron.minutes)
        self._times = tuple(timedelta(minutes=60 * h + m) for h in hours for m in minutes)
        _, hour, *days = expression.split()
        self._dates = " ".join(["* * *", *days])
        self._zone = ZoneInfo(zone)
        self._elapsed = hour in {"*", "*/1"}
        self._both_passes = self._elapsed or repeat_in_overlap

    def after(self, instant: datetime) -> Iterator[datetime]:
        """Yield the instants strictly later than `instant`, ascending, up to the year 9998."""
        midnights = self._midnights(self._midnight_of(instant) - _DAY)
        for stretch in _in_order(self._stretch(midnight) for midnight in midnights):
            yield from stretch.later_than(instant)

    def latest(self, until: datetime, *, after: datetime, at_most: int) -> list[datetime]:
        """Return the newest `at_most` instants in (after, until], ascending."""
        oldest = self._midnight_of(after) - _DAY
        midnights = self._midnights(self._midnight_of(until) + _DAY, backwards=True)
        wanted = takewhile(lambda midnight: midnight >= oldest, midnights)
        stretches = _in_order(self._stretch(midnight) for midnight in wanted)
        newest_first = chain.from_iterable(s.newest_first(after, until) for s in stretches)
        return list(islice(newest_first, at_most))[::-1]

    def _midnights(self, start: datetime, *, backwards: bool = False) -> Iterator[datetime]:
        cron = CronSim(self._dates, start, reverse=backwards)
        midnight = start + _DAY if backwards else start - _DAY
        while True:
            # cronsim steps by seconds: from the edge of a date, the next one is one second away.
            cron.dt = midnight if backwards else midnight + _DAY - _SECOND
            try:
                midnight = datetime.combine(next(cron).date(), time(), UTC)
            except (StopIteration, OverflowError):
                return
            if midnight.year == MAXYEAR:
                return
            yield midnight

    def _stretch(self, midnight: datetime) -> "_Stretch":
        begin = self._instant(midnight, fold=0)
        end = self._instant(midnight + _DAY - _MINUTE, fold=1)
        if end - begin == _DAY - _MINUTE:  # no zone changes its clocks twice within three days
            return _Stretch(begin, self._times)
        walls = (midnight + at for at in self._times)
        instants = {instant for wall in walls for instant in self._instants(wall)}
        return _Stretch(begin, sorted(instant - begin for instant in instants))

    def _instants(self, wall: datetime) -> Sequence[datetime]:
        first, second = self._instant(wall, fold=0), self._instant(wall, fold=1)
        if first > second:
            return [] if self._elapsed else self._beside_gap(wall, second, first)
        return [first, second] if self._both_passes else [first]

    def _beside_gap(self, wall: datetime, before: datetime, after: datetime) -> Sequence[datetime]:
        """Return the first instant after the gap or, to stay on the date, a last minute before."""
        seconds = range(int((after - before).total_seconds()))
        gap = bisect_left(seconds, x=True, key=lambda s: self._wall(before + s * _SECOND) > wall)
        after_gap = before + gap * _SECOND
        last_second = after_gap - _SECOND
        last_minute = last_second - self._wall(last_second).second * _SECOND
        sides = (after_gap, last_minute)
        return [side for side in sides if self._wall(side).date() == wall.date()][:1]

    def _instant(self, wall: datetime, *, fold: int) -> datetime:
        return wall.replace(tzinfo=self._zone, fold=fold).astimezone(UTC)

    def _wall(self, instant: datetime) -> datetime:
        return instant.astimezone(self._zone).replace(tzinfo=UTC, fold=0)

    def _midnight_of(self, instant: datetime) -> datetime:
        within_calendar = min(max(instant, _FIRST), _LAST)
        return datetime.combine(self._wall(within_calendar).date(), time(), UTC)


class _Stretch(NamedTuple):
    """The instants of a date, as distances from its begin: those of most dates are the same."""

    begin: datetime
    distances: Sequence[timedelta]

    def later_than(self, instant: datetime) -> Iterator[datetime]:
        first = bisect_right(self.distances, instant - self.begin)
        return (self.begin + distance for distance in self.distances[first:])

    def newest_first(self, after: datetime, until: datetime) -> Iterator[datetime]:
        first = bisect_right(self.distances, after - self.begin)
        end = bisect_right(self.distances, until - self.begin)
        return (self.begin + distance for distance in reversed(self.distances[first:end]))

    def interleaves(self, other: "_Stretch") -> bool:
        starts = self.begin + self.distances[0], other.begin + other.distances[0]
        ends = self.begin + self.distances[-1], other.begin + other.distances[-1]
        return max(starts) < min(ends)

    def merged(self, other: "_Stretch") -> "_Stretch":
        shift = other.begin - self.begin
        both = [*self.distances, *(shift + distance for distance in other.distances)]
        return _Stretch(self.begin, sorted(both))


def _in_order(stretches: Iterable[_Stretch]) -> Iterator[_Stretch]:
    """Merge neighbours whose instants interleave: a repeated hour can hold a midnight."""
    held: _Stretch | None = None
    for stretch in stretches:
        if not stretch.distances:
            continue
        if held and held.interleaves(stretch):
            held = held.merged(stretch)
            continue
        if held:
            yield held
        held = stretch
    if held:
        yield held
