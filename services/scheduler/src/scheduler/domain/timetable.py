"""Where the slots of one definition lie, which of them are left out, and how late each is fired."""

from collections.abc import Iterable, Iterator, Sequence
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
        return [self._origin + n * self._every for n in range(oldest + 1, newest + 1)]

    def index(self, instant: datetime) -> int:
        """Number the newest instant of the grid that is not after `instant`."""
        return (instant - self._origin) // self._every


class Timetable:
    """The slots of `definition`; one that takes effect at `now_at` has its first slot then."""

    def __init__(self, definition: Campaign, *, now_at: datetime | None = None) -> None:
        self._definition = definition
        self._now_at = now_at
        self._times = [_times(schedule, definition.zone) for schedule in definition.timing]
        self._zone = ZoneInfo(definition.zone)
        self._quiet = [quiet_hours(text) for text in definition.quiet_hours]
        self._blackouts = [blackout(text) for text in definition.blackouts]
        self._last_channel = max(0, len(definition.channels) - 1)

    def slots(self, after: datetime, ordinal: int) -> Iterator[Slot]:
        """Yield the slots later than `after` in their order, `ordinal` being the first's number."""
        limit = self._definition.limit
        # Where nothing follows, the gap runs to the end of the calendar.
        for at, following in pairwise(chain(self._instants(after), (_LAST,))):
            if (limit and ordinal >= limit) or self._ended(at):
                return
            slot = Slot(at, ordinal, following - at, self.exclusion(at))
            yield slot
            ordinal = slot.next_ordinal

    def latest(self, until: datetime, *, after: datetime, at_most: int) -> list[datetime]:
        """Return the newest `at_most` instants in (after, until], oldest first; limit set aside."""
        if not self._definition.enabled:
            return []
        after, until = self._bounded(after), min(until, self._definition.end or until)
        found = set(self._now(after, until))
        for times in self._times:
            found.update(times.latest(until, after=after, at_most=at_most))
        return sorted(found)[-at_most:]

    def count(self, after: datetime, until: datetime) -> int:
        """Return how many slots in (after, until] can be fired; limit set aside."""
        if not self._definition.enabled:
            return 0
        if self._simple:
            until = min(until, self._definition.end or until)
            low = self._bounded(after)
            return max(0, self._simple.index(until) - self._simple.index(low))
        instants = takewhile(lambda at: at <= until, self._instants(after))
        return sum(not self._ended(at) and self.exclusion(at) is None for at in instants)

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
        """Return how long after its slot the channel at `position` is fired; less than the gap."""
        plan = self._definition
        longest = plan.jitter + plan.channel_offset * self._last_channel
        if not longest:
            return longest
        delay = plan.jitter * self._chance(slot.at) + plan.channel_offset * position
        if longest < slot.gap:
            return delay
        # Whole microseconds, so that every replica comes to the same instant.
        scaled = (delay // INSTANT) * (slot.gap // INSTANT) // (longest // INSTANT + 1)
        return scaled * INSTANT

    def _chance(self, at: datetime) -> float:
        """Return a number from 0 to 1 that is the same for whoever asks about this slot."""
        text = f"{self._definition.id}\n{at.isoformat()}"
        return int.from_bytes(blake2b(text.encode(), digest_size=4).digest()) / 2**32

    @cached_property
    def _simple(self) -> _IntervalTimes | None:
        """The one grid on which all slots lie, where nothing else has a say."""
        plain = len(self._times) == 1 and not (self._quiet or self._blackouts or self._now_at)
        times = self._times[0]
        return times if plain and isinstance(times, _IntervalTimes) else None

    def _instants(self, after: datetime) -> Iterator[datetime]:
        """Yield all instants of the schedules from `start` on, without end, in their order."""
        if not self._definition.enabled:
            return
        after = self._bounded(after)
        streams: list[Iterable[datetime]] = [times.after(after) for times in self._times]
        last: datetime | None = None
        for at in merge(self._now(after, _LAST), *streams):
            if at != last:
                yield at
                last = at

    def _now(self, after: datetime, until: datetime) -> Sequence[datetime]:
        now_at = self._now_at
        return [now_at] if now_at and after < now_at <= until else []

    def _bounded(self, after: datetime) -> datetime:
        start = self._definition.start
        return max(after, start - INSTANT) if start else after

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
