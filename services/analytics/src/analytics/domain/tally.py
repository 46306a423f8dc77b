"""What people did within a period, counted from packed acts: over any choice of posts, each once.

Exact. Acts come part by part and are not kept, so that it takes no more memory where there are
more of them. Beyond the posts that were chosen nothing is known of a person; who acted under two of
them is one.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

import numpy as np

from analytics.domain.acts import MINUTE, Acts, Codes, Minutes, Numbers, numbers
from analytics.domain.chart import Scale
from analytics.domain.figures import Figures
from analytics.domain.packing import CONVERSION, NOBODY, ROBOT, START, TAP, micros
from analytics.domain.people import KINDS, MOST, People

Keys: TypeAlias = tuple[str, ...]
Name: TypeAlias = tuple[str | None, ...]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_QUARTER = 15
"""Every zone is whole quarters of an hour from UTC, since long before the first tap."""
_SPREAD_BITS = 4


@dataclass(frozen=True)
class Posts:
    """Deliveries of one campaign, variant and channel, and what was posted in the period.

    `keys` stand for the deliveries, `posted` for the moments; `first` is the earliest of these.
    """

    campaign: str | None
    variant: str | None
    channel: str | None
    keys: bytes
    sent: int = 0
    audience: int | None = None
    first: datetime | None = None
    posted: bytes | None = None


@dataclass(frozen=True)
class Revenue:
    """What such deliveries earned in a currency, refunds subtracted."""

    campaign: str | None
    variant: str | None
    channel: str | None
    currency: str
    amount: Decimal


class Tally:
    """The acts within a period; those of other posts than the given ones count only where said.

    `by`: what figures will be asked for by. `chosen`: the posts are a choice. Else the trend has
    the acts of unknown deliveries, too. All acts are added, then it is settled; and again, until it
    is `whole`.
    """

    def __init__(
        self,
        posts: Sequence[Posts],
        revenue: Sequence[Revenue] = (),
        *,
        by: Sequence[Keys],
        chosen: bool,
        most: int = MOST,
    ) -> None:
        self._posts, self._revenue, self._chosen = posts, revenue, chosen
        self._cells = _Cells(posts)
        # What has no variant counts in no figure; the last place is for posts of others.
        self._named = np.array([*(one.variant is not None for one in posts), False])
        self._groups = [_Groups.of(posts, keys) for keys in ((), *by)]
        self._people = People([groups.of_cells for groups in self._groups], most=most)
        self._sums = np.zeros((len(posts) + 1, KINDS), np.int64)
        self._minutes = {TAP: Minutes(), CONVERSION: Minutes()}
        self._first_tap: int | None = None
        self._again = False

    @property
    def whole(self) -> bool:
        """Whether it is done: else all acts have to be added once more."""
        return self._people.whole

    def add(self, acts: Acts) -> None:
        """Count acts."""
        cells = self._cells.of(acts.deliveries)
        if not self._again:
            self._count(acts, cells)
        known = self._named[cells] & (acts.kinds != ROBOT) & (acts.people != NOBODY)
        self._people.add(acts.people[known], cells[known], acts.kinds[known])

    def settle(self) -> None:
        """Say that all acts were added."""
        self._people.settle()
        self._again = True

    def _count(self, acts: Acts, cells: Codes) -> None:
        taps = acts.moments[acts.kinds < START]
        if taps.size:
            first = int(taps.min())
            self._first_tap = first if self._first_tap is None else min(self._first_tap, first)
        sums = np.bincount(cells * KINDS + acts.kinds, minlength=self._sums.size)
        self._sums += sums.reshape(self._sums.shape)
        shown = cells < len(self._posts) if self._chosen else np.True_
        for kind, minutes in self._minutes.items():
            minutes.add(acts.moments[(acts.kinds == kind) & shown])

    @property
    def first(self) -> datetime | None:
        """When the first tap or post within the period was, taps of all posts among them."""
        moments = [posts.first for posts in self._posts if posts.first]
        if self._first_tap is not None:
            moments.append(_EPOCH + timedelta(microseconds=self._first_tap))
        return min(moments, default=None)

    def figures(self, keys: Keys) -> tuple[list[Figures], Figures]:
        """Return the figures of each group, those with the most taps first, and of all together."""
        found = self._figures(keys)
        seen = [one for one in found if one != Figures(**{key: getattr(one, key) for key in keys})]
        seen.sort(key=lambda one: (-one.clicks, -one.sent, [getattr(one, key) for key in keys]))
        return seen, self._figures(())[0]

    def _figures(self, keys: Keys) -> list[Figures]:
        place = next(place for place, one in enumerate(self._groups) if one.keys == keys)
        groups, steps = self._groups[place], self._people.steps(place)
        sums = np.zeros((len(groups.names), KINDS), np.int64)
        np.add.at(sums, groups.of_cells[self._named], self._sums[self._named])
        return [
            self._told(_figures(sums[group], steps[:, group]), keys, name)
            for group, name in enumerate(groups.names)
        ]

    def _told(self, counted: Figures, keys: Keys, name: Name) -> Figures:
        """Return the figures of a group with its name, and what was posted and earned."""

        def within(one: Posts | Revenue) -> bool:
            return one.variant is not None and _name(one, keys) == name

        posts = [one for one in self._posts if within(one)]
        audiences = [one.audience for one in posts if one.audience is not None]
        revenue: dict[str, Decimal] = defaultdict(Decimal)
        for one in self._revenue:
            if within(one):
                revenue[one.currency] += one.amount
        values: dict[str, Any] = {
            **dict(zip(keys, name, strict=True)),
            "sent": sum(one.sent for one in posts),
            "audience": sum(audiences) if audiences else None,
            "revenue": dict(revenue),
        }
        return replace(counted, **values)

    def trend(self, axis: Scale) -> dict[str, list[tuple[datetime, int]]]:
        """Return how many taps, conversions and posts there were in each step of the axis."""
        posted = numbers(b"".join(posts.posted or b"" for posts in self._posts))
        return {
            "Taps": _steps(axis, self._minutes[TAP]),
            "Conversions": _steps(axis, self._minutes[CONVERSION]),
            "Posts": _steps(axis, Minutes(posted)),
        }

    def hours(self, zone: ZoneInfo) -> list[tuple[int, int, int]]:
        """Return the day of the week from 1 for Monday, the hour there, and how many taps."""
        minutes, taps = self._minutes[TAP].all()
        quarters, places = np.unique(minutes // _QUARTER, return_inverse=True)
        counts: dict[tuple[int, int], int] = defaultdict(int)
        for quarter, count in zip(quarters, np.bincount(places, taps), strict=True):
            local = (_EPOCH + timedelta(minutes=int(quarter) * _QUARTER)).astimezone(zone)
            counts[local.isoweekday(), local.hour] += int(count)
        return [(day, hour, count) for (day, hour), count in counts.items()]


class _Cells:
    """Tells of which of `posts` a delivery is: the place of these, or one behind the last."""

    def __init__(self, posts: Sequence[Posts]) -> None:
        keys = numbers(b"".join(one.keys for one in posts))
        cells = np.repeat(np.arange(len(posts)), [len(one.keys) // 8 for one in posts])
        order = np.argsort(keys)
        self._none = np.int32(len(posts))
        self._keys, self._of_keys = keys[order], cells[order].astype(np.int32)
        # Keys are hashes: their last bits alone tell most of them apart, without a search.
        self._mask = (1 << (keys.size.bit_length() + _SPREAD_BITS)) - 1
        self._table = np.zeros(self._mask + 1, np.int32)
        self._table[self._keys & self._mask] = np.arange(keys.size)

    def of(self, deliveries: Numbers) -> Codes:
        """Return the place of each delivery."""
        if not self._keys.size:
            return np.full(deliveries.size, self._none, np.int32)
        places = self._table[deliveries & self._mask]
        missed = np.flatnonzero(self._keys[places] != deliveries)
        places[missed] = np.searchsorted(self._keys, deliveries[missed]) % self._keys.size
        found: Codes = self._of_keys[places]
        found[missed[self._keys[places[missed]] != deliveries[missed]]] = self._none
        return found


@dataclass(frozen=True)
class _Groups:
    """What the posts are grouped by, the names of the groups, and the group of each cell."""

    keys: Keys
    names: Sequence[Name]
    of_cells: Codes

    @classmethod
    def of(cls, posts: Sequence[Posts], keys: Keys) -> "_Groups":
        found = {_name(one, keys) for one in posts if one.variant is not None}
        names = sorted(found if keys else {()}, key=str)
        places = {name: place for place, name in enumerate(names)}
        groups = [places.get(_name(one, keys), 0) for one in posts]
        return cls(keys, names, np.array([*groups, 0], np.int32))


def _name(one: Posts | Revenue, keys: Keys) -> Name:
    return tuple(getattr(one, key) for key in keys)


def _figures(sums: Numbers, steps: Numbers) -> Figures:
    people, starters, buyers, converted = map(int, steps)
    return Figures(
        clicks=int(sums[TAP]),
        robots=int(sums[ROBOT]),
        people=people,
        starts=int(sums[START]),
        starters=starters,
        buyers=buyers,
        conversions=int(sums[CONVERSION]),
        converted=converted,
    )


def _steps(axis: Scale, acts: Minutes) -> list[tuple[datetime, int]]:
    """Return the beginning of each step, which is a whole minute, and how many acts are in it."""
    minutes, counts = acts.all()
    begins = np.array([micros(moment) // MINUTE for moment in axis.moments], np.int64)
    within = minutes >= begins[0]
    places = np.searchsorted(begins, minutes[within], side="right") - 1
    found = np.bincount(places, counts[within], minlength=begins.size)
    return [(moment, int(count)) for moment, count in zip(axis.moments, found, strict=True)]
