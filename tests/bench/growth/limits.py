"""What gives way first as an installation grows. Pure: measured figures in, limits out.

The size is that of `deploy/scaling.md`: 100,000 channels, each posted to every four hours, and
10,000 taps a second while posts are fresh. A limit counts for one cluster of this machine's kind;
what takes more replicas, or more bots, is a cost and no limit.
"""

from collections.abc import Sequence
from dataclasses import dataclass

CHANNELS = 100_000
POSTS_A_DAY = 6
TAPS_A_SECOND = 10_000
EVENTS_OF_A_POST = 3
"""It is due, claimed, sent; each on a subject of its own."""

BROKER_GIGABYTES = 64
BROKER_FULL_DAYS = 30
"""The log is to hold so many days before what is older must be moved out."""

_DAY = 86_400
_WINDOW_SECONDS = 3_600
_PER_GIGABYTE = 1024 * 1024


@dataclass(frozen=True)
class Measured:
    """What one machine does: rates a second, memory in kB of the broker."""

    acknowledged: float
    folded: float
    emitted: float
    subject: float
    id: float


@dataclass(frozen=True)
class Limit:
    """How much of something there is, and how much this size wants of it."""

    name: str
    has: float
    wants: float
    unit: str
    then: str

    @property
    def headroom(self) -> float:
        """How many times the size fits; below 1 it does not."""
        return self.has / self.wants


def limits(found: Measured) -> list[Limit]:
    """Return the limits, the first one to give way first."""
    posts = CHANNELS * POSTS_A_DAY / _DAY
    events = TAPS_A_SECOND + EVENTS_OF_A_POST * posts
    subjects = CHANNELS * POSTS_A_DAY * EVENTS_OF_A_POST
    days = BROKER_GIGABYTES * _PER_GIGABYTE / (subjects * found.subject)
    window = TAPS_A_SECOND * _WINDOW_SECONDS * found.id / _PER_GIGABYTE
    unordered = [
        Limit(
            "acknowledged publishes of the log",
            found.acknowledged,
            events,
            "events/s",
            "disks of their own, then a log for each group of bots",
        ),
        Limit(
            "one projector",
            found.folded,
            events,
            "events/s",
            "it falls behind and catches up after the peak; a faster core and disk of Postgres",
        ),
        Limit(
            "the broker's memory by subjects",
            days,
            BROKER_FULL_DAYS,
            f"days in {BROKER_GIGABYTES} GB",
            "move what is older out of the log",
        ),
        Limit(
            "the broker's memory by ids, at an hour of peak",
            BROKER_GIGABYTES,
            window,
            "GB",
            "a shorter duplicate window",
        ),
        Limit(
            "due events at once, spread over an hour",
            found.emitted,
            CHANNELS / _WINDOW_SECONDS,
            "events/s",
            "`channel_offset` spreads a slot",
        ),
    ]
    return sorted(unordered, key=lambda limit: limit.headroom)


def first(found: Sequence[Limit]) -> str:
    """Name what gives way first, or what would."""
    least = min(found, key=lambda limit: limit.headroom)
    what = f"{least.name}, {least.headroom:.2g} times what is wanted"
    if least.headroom < 1:
        return f"**What breaks first: {what}.** Then: {least.then}."
    return f"**Nothing breaks at this size; the first would be {what}.** Then: {least.then}."
