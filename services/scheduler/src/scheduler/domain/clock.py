"""Whether the clock can be believed: how far it is from the log's, and how that one runs."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

HOLD = timedelta(seconds=60)
"""A jump of more than this, or a difference to the log's clock, holds everything back."""

STEADY_SECONDS = 60.0
"""A time that jumped must run on for so long before it is believed."""


@dataclass(frozen=True)
class Jump:
    """A jump of this machine's clock, and when it was seen by the monotonic one."""

    by: timedelta
    at: float


@dataclass(frozen=True)
class Course:
    """How far the log's time is ahead of the monotonic clock, both in seconds.

    `believed` is how far it was when it was believed last, `present` how far it is `since` it
    moved away from that: the same where it did not.
    """

    believed: float
    present: float
    since: float

    @property
    def steady_at(self) -> datetime:
        """When a time that moved will have run steadily for long enough, by that time."""
        return datetime.fromtimestamp(self.present + self.since + STEADY_SECONDS, UTC)


def follow(course: Course | None, time: datetime, skew: timedelta, now: float) -> Course:
    """Return the course at the monotonic time `now`, as the log's time is `time`.

    What moved by no more than HOLD is believed. So is what moved further, once it runs steadily for
    a minute where it is and this machine's clock agrees, or at once where it is back: on one
    machine the two clocks are one, and nothing else tells one that is set right from one set wrong.
    """
    ahead, bound = time.timestamp() - now, HOLD.total_seconds()
    if course is None or abs(ahead - course.believed) <= bound:
        return Course(ahead, ahead, now)
    if abs(ahead - course.present) > bound:
        return Course(course.believed, ahead, now)
    steady = now - course.since >= STEADY_SECONDS and abs(skew) <= HOLD
    return Course(ahead, ahead, now) if steady else course


def hindrance(
    jump: Jump | None, asked_at: float | None, skew: timedelta, course: Course
) -> str | None:
    """Return why nothing may be emitted by this clock; None where it can be believed.

    `jump` is the last one of more than HOLD, `asked_at` when the log last said its time; what is
    ahead of the log's time by `skew` is this machine's clock.
    """
    if jump and (asked_at is None or asked_at <= jump.at):
        return f"the clock jumped by {_seconds(jump.by)}; waiting until the log says its time"
    if asked_at is not None and abs(skew) > HOLD:
        return (
            f"the clock is {_seconds(skew)} against the log's: set the time of this machine"
            " or of the NATS server right (NTP)"
        )
    if course.present == course.believed:
        return None
    by = timedelta(seconds=course.present - course.believed)
    return (
        f"the log's time jumped by {_seconds(by)}: it is believed when it is back, or at"
        f" {course.steady_at:%H:%M:%S} UTC if it runs on steadily until then"
    )


def _seconds(difference: timedelta) -> str:
    return f"{difference.total_seconds():+.1f} s"
