"""Who tapped, started and converted under which posts: exact, whatever was chosen, each once.

People are told apart by a hash of who they are: who is in one of its parts is in no other, and
what the parts come to adds up. So each part is counted where the processor has it at hand; and
where there are more acts than four million, some parts are looked at, and the others later.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analytics.domain.acts import Codes, Flags, Kinds, Numbers
from analytics.domain.packing import CONVERSION, START, TAP

KINDS = 4
MOST = 4_000_000
"""Acts that are looked at together: each takes 12 bytes until its part is counted."""

_PART_BITS = 5
_PARTS = 1 << _PART_BITS
_PARTER, _MIXER = 0xC2B2AE3D27D4EB4F, 0x9E3779B97F4A7C15
"""Odd, and like chance: the first bits of a product with them tell numbers apart that are near."""
_STEPS = 4


class People:
    """Counts the people of cells by groupings of these; each says the group of every cell."""

    def __init__(self, groupings: Sequence[Codes], *, most: int = MOST) -> None:
        self._groupings = groupings
        self._found = [np.zeros((_STEPS, groups.max() + 1), np.int64) for groups in groupings]
        self._most = most
        self._done, self._end = 0, _PARTS
        self._kept: list[_Sorted] = []

    @property
    def whole(self) -> bool:
        """Whether everybody was counted."""
        return self._done == _PARTS

    def add(self, people: Numbers, cells: Codes, kinds: Kinds) -> None:
        """Look at what known people did; for those of some parts there may be no room yet."""
        acts = _Sorted.of(people, cells * KINDS + kinds)
        self._kept.append(acts.only(self._done, self._end))
        while sum(some.people.size for some in self._kept) > self._most:
            if self._end - self._done == 1:
                break
            self._end -= (self._end - self._done) // 2
            self._kept = [some.only(self._done, self._end) for some in self._kept]

    def settle(self) -> None:
        """Count whom there was room for; for the others all acts have to be added again."""
        for part in range(self._done, self._end) if self._kept else ():
            some = [acts.part(part) for acts in self._kept]
            people = np.concatenate([people for people, _ in some])
            codes = np.concatenate([codes for _, codes in some])
            self._count(people, codes // KINDS, codes % KINDS)
        self._done, self._end, self._kept = self._end, _PARTS, []

    def _count(self, people: Numbers, cells: Codes, kinds: Codes) -> None:
        who = alike(people)
        for groups, found in zip(self._groupings, self._found, strict=True):
            size = found.shape[1]
            found[:] += _steps(who, groups[cells], kinds, size)

    def steps(self, grouping: int) -> Numbers:
        """Return for each group of a grouping four counts, one below the other.

        Who tapped; of them who started; of these who converted; and who tapped and converted.
        """
        return self._found[grouping]


@dataclass(frozen=True)
class _Sorted:
    """Acts in the order of the parts: of each part from where the one before ends to its end."""

    people: Numbers
    codes: Codes
    ends: Numbers

    @classmethod
    def of(cls, people: Numbers, codes: Codes) -> "_Sorted":
        parts = _hash(people, _PARTER, _PART_BITS).astype(np.uint8)
        order = np.argsort(parts, kind="stable")
        ends = np.cumsum(np.bincount(parts, minlength=_PARTS))
        return cls(people[order], codes[order], np.concatenate(([0], ends)))

    def only(self, first: int, end: int) -> "_Sorted":
        """Return the acts of some parts."""
        if self.ends[first] == 0 and self.ends[end] == self.people.size:
            return self
        kept = slice(self.ends[first], self.ends[end])
        ends = np.clip(self.ends - self.ends[first], 0, kept.stop - kept.start)
        return _Sorted(self.people[kept].copy(), self.codes[kept].copy(), ends)

    def part(self, number: int) -> tuple[Numbers, Codes]:
        """Return the acts of one part."""
        kept = slice(self.ends[number], self.ends[number + 1])
        return self.people[kept], self.codes[kept]


def alike(numbers: Numbers) -> Codes:
    """Return for each number the place of one that equals it: of all that do the same."""
    places = np.arange(numbers.size, dtype=np.int32)
    mixer = _MIXER
    found = _slotted(numbers, places, mixer)
    left = np.flatnonzero(numbers[found] != numbers)
    while left.size:
        mixer = mixer * _MIXER * _MIXER % (1 << 64)
        mine = numbers[left]
        found[left] = again = _slotted(mine, places[left], mixer)
        left = left[numbers[again] != mine]
    return found


def _slotted(numbers: Numbers, places: Codes, mixer: int) -> Codes:
    """Return for each number the place of the last one in its slot: mostly that of its equals."""
    bits = numbers.size.bit_length() + 1
    slots = _hash(numbers, mixer, bits)
    table = np.empty(1 << bits, np.int32)
    table[slots] = places
    return table[slots]


def _hash(numbers: Numbers, mixer: int, bits: int) -> Numbers:
    """Return so many bits of each number that look like chance."""
    mixed = numbers.view(np.uint64) * np.uint64(mixer)
    mixed >>= np.uint64(64 - bits)
    return mixed.view(np.int64)


def _steps(who: Codes, groups: Codes, kinds: Codes, size: int) -> Numbers:
    """Return the steps of each group, of acts by people who are told apart by `who`."""
    pairs = who if size == 1 else alike(who.astype(np.int64) * size + groups)
    tapped, started, turned = (_among(pairs, kinds == kind) for kind in (TAP, START, CONVERSION))
    began = tapped & started
    steps = (tapped, began, began & turned, tapped & turned)
    return np.array([np.bincount(groups[some], minlength=size) for some in steps])


def _among(places: Codes, wanted: Flags) -> Flags:
    """Return of each place whether it is among those that are wanted."""
    found = np.zeros(places.size, np.bool_)
    found[places[wanted]] = True
    return found
