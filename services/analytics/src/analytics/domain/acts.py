"""Acts as arrays, and how many of them were in each minute."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from analytics.domain.filters import Span
from analytics.domain.packing import CONVERSION, micros

Numbers: TypeAlias = NDArray[np.int64]
Codes: TypeAlias = NDArray[np.int32]
Kinds: TypeAlias = NDArray[np.uint8]
Flags: TypeAlias = NDArray[np.bool_]

MINUTE = timedelta(minutes=1) // timedelta(microseconds=1)
_MOST = 1_000_000
"""Counts that wait to be added up: beyond them there are as many as minutes with an act."""

_APART = 4
"""Numbers farther apart are sorted: else there is a place for each between them."""


@dataclass(frozen=True)
class Packed:
    """Acts as the tables hold them, see `packing`; without `kinds` they are conversions."""

    deliveries: bytes
    people: bytes
    moments: bytes
    kinds: bytes | None = None


@dataclass(frozen=True)
class Acts:
    """One act at each place of the arrays."""

    deliveries: Numbers
    people: Numbers
    moments: Numbers
    kinds: Kinds

    @classmethod
    def read(cls, packed: Sequence[Packed], span: Span) -> "Acts":
        """Return those of the packed acts that are within `span`."""
        kinds = [
            bytes([CONVERSION]) * (len(one.people) // 8) if one.kinds is None else one.kinds
            for one in packed
        ]
        acts = cls(
            numbers(b"".join(one.deliveries for one in packed)),
            numbers(b"".join(one.people for one in packed)),
            numbers(b"".join(one.moments for one in packed)),
            np.frombuffer(b"".join(kinds), np.uint8),
        )
        return acts.only((acts.moments >= micros(span.start)) & (acts.moments < micros(span.end)))

    def only(self, wanted: Flags) -> "Acts":
        """Return the acts that are wanted."""
        if wanted.all():
            return self
        return Acts(
            self.deliveries[wanted], self.people[wanted], self.moments[wanted], self.kinds[wanted]
        )


class Minutes:
    """How many acts were in each minute since 1970: it grows with the minutes, not the acts."""

    def __init__(self, moments: Numbers | None = None) -> None:
        self._minutes: list[Numbers] = []
        self._counts: list[Numbers] = []
        if moments is not None:
            self.add(moments)

    def add(self, moments: Numbers) -> None:
        """Count acts of these microseconds since 1970."""
        if not moments.size:
            return
        minutes, counts = _histogram(moments // MINUTE)
        self._minutes.append(minutes)
        self._counts.append(counts)
        if sum(some.size for some in self._minutes) > _MOST:
            minutes, counts = self.all()
            self._minutes, self._counts = [minutes], [counts]

    def all(self) -> tuple[Numbers, Numbers]:
        """Return each minute with an act, in order, and how many there were."""
        if not self._minutes:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        if len(self._minutes) == 1:
            return self._minutes[0], self._counts[0]
        return _histogram(np.concatenate(self._minutes), np.concatenate(self._counts))


def numbers(packed: bytes) -> Numbers:
    """Return the numbers that were packed, eight bytes each."""
    return np.frombuffer(packed, ">i8").astype(np.int64)


def _histogram(some: Numbers, counts: Numbers | None = None) -> tuple[Numbers, Numbers]:
    """Return each number once, in order, and how often it is there; `counts` are of each."""
    least = int(some.min())
    if int(some.max()) - least < _APART * some.size:
        sums = np.bincount(some - least, counts)
        seen = np.flatnonzero(sums)
        return seen + least, sums[seen].astype(np.int64)
    once, places = np.unique(some, return_inverse=True)
    return once, np.bincount(places, counts).astype(np.int64)
