"""Where the slots of one definition lie, which of them are left out, and how late each is fired."""

from bisect import bisect_right, insort
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from hashlib import blake2b
from heapq import merge
from itertools import chain, pairwise, takewhile
from typing import Literal, Protocol
from zoneinfo import ZoneInfo

from contracts.calendar import blackout, cron_fields, quiet_hours
from contracts.campaign import Campaign, CronSchedule, IntervalSchedule, Schedule
from scheduler.domain.cron import CronTimes

Exclusion = Literal["quiet_hours", "blackout"]

INSTANT = timedelta(microseconds=1)
"""The least difference between two times."""

LONGEST_DELAY = timedelta(days=3)
"""No jitter and no offset of channels delays a slot by more: the horizon is longer."""

_MARKS = 64
_MOST = 1 << 62
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Slot:
    """One planned instant of a campaign. `gap` is the time until the schedule's next one.

    `ordinal` counts the slots that can be fired; one that is left out has that of the next.
    """

    at: datetime
    ordinal: int
    gap: timedelta
    exclusion: Exclusion | None = None

    @property
    def next_ordinal(self) -> int:
        """The number of the next slot that can be fired."""
        return self.ordinal if self.exclusion else self.ordinal + 1


class _Times(Protocol):
    def after(self, instant: datetime) -> Iterator[datetime]: ...

    def latest(self, until: datetime, *, after: datetime, at_most: int) -> list[datetime]: ...


class _IntervalTimes:
    """Every instant t of the UTC epoch grid with (t - phase) divisible by `every`."""

    def __init__(self, schedule: IntervalSchedule) -> None:
        self._every = schedule.every
        self._origin = _EPOCH + schedule.phase

    def after(self, instant: datetime) -> Iterator[datetime]:
        moment = self._origin + (self.index(instant) + 1) * self._every
        while moment < _LAST:
            yield moment
            moment += self._every

    def latest(self, until: datetime, *, after: datetime, at_most: int) -> list[datetime]:
        newest = self.index(until)
        oldest = max(self.index(after), newest - at_most)
        return [self.at(number) for number in range(oldest + 1, newest + 1)]

    def at(self, index: int) -> datetime:
        """Return an instant of the grid by its number."""
        return self._origin + index * self._every

    def index(self, instant: datetime) -> int:
        """Number the newest instant of the grid that is not after `instant`."""
        return (instant - self._origin) // self._every


class Timetable:
    """The slots of `definition` after `since`, and one at `since` with `run_now`.

    The first that can be fired is number `first_ordinal` of the campaign.
    """

    def __init__(
        self,
        definition: Campaign,
        since: datetime,
        *,
        first_ordinal: int = 0,
        run_now: bool = False,
    ) -> None:
        self.begin = since - INSTANT if run_now else since
        """All slots are later than this."""
        self._definition = definition
        self._first_ordinal = first_ordinal
        self._now_at = since if run_now else None
        self._since = since
        self._times = [_times(schedule, definition.zone) for schedule in definition.timing]
        self._zone = ZoneInfo(definition.zone)
        self._quiet = [quiet_hours(text) for text in definition.quiet_hours]
        self._blackouts = [blackout(text) for text in definition.blackouts]
        self._last_channel = max(0, len(definition.channels) - 1)
        self._marks = [(self.begin, first_ordinal)]

    def slots(self, after: datetime) -> Iterator[Slot]:
        """Yield the slots later than `after` in their order, for ever unless the plan ends."""
        after = max(after, self.begin)
        ordinal = self._uncapped(after)
        limit = self._definition.limit
        # Where nothing follows, the gap runs to the end of the calendar.
        for at, following in pairwise(chain(self._instants(after), (_LAST,))):
            if (limit and ordinal >= limit) or self._ended(at):
                return
            slot = Slot(at, ordinal, following - at, self.exclusion(at))
            yield slot
            ordinal = slot.next_ordinal

    def latest(self, until: datetime, *, after: datetime, at_most: int) -> list[datetime]:
        """Return the instants of the newest `at_most` slots in (after, until], oldest first."""
        if not self._definition.enabled or until <= self.begin:
            return []
        after = self._bounded(max(after, self.begin))
        until = self._until(until)
        if self._definition.limit and self._uncapped(until) >= self._definition.limit:
            until = min(until, self._last)
        found = set(self._now(after, until))
        for times in self._times:
            found.update(times.latest(until, after=self._low(after), at_most=at_most))
        return sorted(found)[-at_most:]

    def ordinal_after(self, moment: datetime) -> int:
        """Return the number of the first slot after `moment` that can be fired."""
        ordinal = self._uncapped(moment)
        limit = self._definition.limit
        return ordinal if limit is None else min(ordinal, max(self._first_ordinal, limit))

    def know(self, at: datetime, ordinal: int) -> None:
        """Take the log's word that the slot `at` has this number, to spare counting up to it."""
        self._mark(at - INSTANT, ordinal)

    def planned(self, at: datetime) -> Slot:
        """Return the slot `at` without its number."""
        following = next(self._instants(at), _LAST)
        return Slot(at, 0, following - at, self.exclusion(at))

    def of_the_past(self, since: datetime) -> "Timetable":
        """Return where the slots after `since` would have been before this plan took effect."""
        plan = self._definition.model_copy(update={"limit": None})
        return Timetable(plan, since)

    def exclusion(self, moment: datetime) -> Exclusion | None:
        """Return why nothing is posted at `moment`, None where the plan has nothing against it."""
        if not (self._quiet or self._blackouts):
            return None
        local = moment.astimezone(self._zone)
        if any(first <= local.date() <= last for first, last in self._blackouts):
            return "blackout"
        time = local.time()
        for begin, end in self._quiet:
            within = begin <= time < end if begin < end else time >= begin or time < end
            if within:
                return "quiet_hours"
        return None

    def delay(self, slot: Slot, position: int) -> timedelta:
        """Return how long after its slot the channel at `position` is fired.

        It is less than the gap to the next slot, and than `LONGEST_DELAY`.
        """
        plan = self._definition
        longest = plan.jitter + plan.channel_offset * self._last_channel
        if not longest:
            return longest
        delay = plan.channel_offset * position
        if plan.jitter:
            delay += plan.jitter * self._chance(slot.at)
        allowed = min(slot.gap, LONGEST_DELAY)
        if longest < allowed:
            return delay
        # Whole microseconds, so that every replica comes to the same instant.
        scaled = (delay // INSTANT) * (allowed // INSTANT) // (longest // INSTANT + 1)
        return scaled * INSTANT

    def _chance(self, at: datetime) -> float:
        """Return a number from 0 to 1 that is the same for whoever asks about this slot."""
        text = f"{self._definition.id}\n{at.isoformat()}"
        return int.from_bytes(blake2b(text.encode(), digest_size=4).digest()) / 2**32

    def _uncapped(self, moment: datetime) -> int:
        """Number the first slot after `moment`, limit set aside; counts on from what it knows."""
        begin, ordinal = self._marks[max(0, bisect_right(self._marks, (moment, _MOST)) - 1)]
        if moment <= begin:
            return ordinal
        ordinal += self._count(begin, self._until(moment))
        self._mark(moment, ordinal)
        return ordinal

    def _mark(self, moment: datetime, ordinal: int) -> None:
        if self._grid is None and moment > self.begin:
            insort(self._marks, (moment, ordinal))
            del self._marks[1:-_MARKS]

    def _count(self, after: datetime, until: datetime) -> int:
        """Return how many slots in (after, until] can be fired, limit set aside."""
        if not self._definition.enabled or until <= after:
            return 0
        if self._grid:
            return max(0, self._grid.index(until) - self._grid.index(self._low(after)))
        instants = takewhile(lambda at: at <= until, self._instants(after))
        return sum(self.exclusion(at) is None for at in instants)

    @cached_property
    def _last(self) -> datetime:
        """The slot by which the limit is reached; to be asked for where it was."""
        left = max(0, (self._definition.limit or 0) - self._first_ordinal)
        if self._grid and left:
            return self._grid.at(self._grid.index(self._low(self.begin)) + left)
        last = deque(self.slots(self.begin), maxlen=1)
        return last[0].at if last else self.begin

    @cached_property
    def _grid(self) -> _IntervalTimes | None:
        """The one grid on which all slots lie, where nothing else has a say."""
        plain = len(self._times) == 1 and not (self._quiet or self._blackouts or self._now_at)
        times = self._times[0]
        return times if plain and isinstance(times, _IntervalTimes) else None

    def _instants(self, after: datetime) -> Iterator[datetime]:
        """Yield all instants of the schedules from `start` on, in their order."""
        if not self._definition.enabled:
            return
        after = self._bounded(after)
        # What lies on a schedule at the very moment of the definition is not of this plan.
        streams = [times.after(self._low(after)) for times in self._times]
        last: datetime | None = None
        for at in merge(self._now(after, _LAST), *streams):
            if at != last:
                yield at
                last = at

    def _now(self, after: datetime, until: datetime) -> Sequence[datetime]:
        now_at = self._now_at
        return [now_at] if now_at and after < now_at <= until else []

    def _low(self, after: datetime) -> datetime:
        """Return after when the schedules have slots of this plan, `after` at the earliest."""
        return max(self._bounded(after), self._since)

    def _bounded(self, after: datetime) -> datetime:
        start = self._definition.start
        return max(after, start - INSTANT) if start else after

    def _until(self, moment: datetime) -> datetime:
        return min(moment, self._definition.end or moment)

    def _ended(self, at: datetime) -> bool:
        end = self._definition.end
        return end is not None and at > end


def _times(schedule: Schedule, zone: str) -> _Times:
    if isinstance(schedule, CronSchedule):
        return CronTimes(
            cron_fields(schedule.cron),
            schedule.zone or zone,
            repeat_in_overlap=schedule.repeat_in_overlap,
        )
    return _IntervalTimes(schedule)
