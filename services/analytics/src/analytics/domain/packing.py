"""How acts of people are packed into bytes, apart from the SQL that packs them: what it must be.

A stretch is 512 places of the log. Each act in it is 25 bytes, in four columns: whose delivery (64
bits of a hash of its id), who, when (microseconds since 1970), and what.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import groupby
from typing import Any, NamedTuple

from analytics.domain.rows import StretchRow

BITS = 9
"""A stretch is 2 to this power places: a longer one is read faster, and written at more cost."""

NOBODY = -(2**63)
"""Stands for a person who is not known."""

TAP, ROBOT, START, CONVERSION = range(4)
"""What was done, the verdict on taps included. Of conversions those are in stretches that have
their delivery from the CTA's token: to which one others are due depends on what else is known."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Act(NamedTuple):
    """One tap, start or conversion."""

    sequence: int
    delivery: str
    user_id: int | None
    at: datetime
    kind: int

    @property
    def stretch(self) -> int:
        """The stretch that it is in."""
        return self.sequence >> BITS

    @property
    def packed(self) -> bytes:
        """Its bytes, those of the four columns behind each other."""
        person = NOBODY if self.user_id is None else self.user_id
        when = micros(self.at).to_bytes(8, signed=True)
        return key_of(self.delivery) + person.to_bytes(8, signed=True) + when + bytes([self.kind])


def act_of(table: str, row: tuple[Any, ...]) -> Act | None:
    """Return what is packed of a row of a table; None: nothing."""
    match table:
        case "clicks":
            _, sequence, delivery, _, user_id, _, verdict, _, _, at = row
            return Act(sequence, delivery, user_id, at, ROBOT if verdict == "robot" else TAP)
        case "starts":
            _, sequence, delivery, _, user_id, _, at = row
            return Act(sequence, delivery, user_id, at, START)
        case "conversions":
            _, sequence, _, _, kind, _, _, user_id, delivery, *_, refund_of, _, at = row
            if kind != "refund" and refund_of is None and delivery is not None:
                return Act(sequence, delivery, user_id, at, CONVERSION)
    return None


def stretch_of(number: int, packed: Sequence[bytes]) -> StretchRow:
    """Return the row of a stretch, of its packed acts in the order of the log."""
    moments = [_EPOCH + int.from_bytes(one[16:24], signed=True) * _MICROSECOND for one in packed]
    return StretchRow(
        number,
        min(moments),
        max(moments),
        b"".join(one[:8] for one in packed),
        b"".join(one[8:16] for one in packed),
        b"".join(one[16:24] for one in packed),
        b"".join(one[24:] for one in packed),
    )


def stretches_of(acts: Iterable[Act]) -> Iterator[StretchRow]:
    """Yield the rows of acts that come in the order of the log."""
    for stretch, found in groupby(acts, key=lambda act: act.stretch):
        yield stretch_of(stretch, [act.packed for act in found])


def key_of(delivery: str) -> bytes:
    """Return what stands for a delivery."""
    return sha256(delivery.encode()).digest()[:8]


def micros(moment: datetime) -> int:
    """Return the microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND
