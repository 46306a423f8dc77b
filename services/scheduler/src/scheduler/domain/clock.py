"""Whether the clock can be believed: how it jumped, and how far it is from the log's."""

from dataclasses import dataclass
from datetime import timedelta

HOLD = timedelta(seconds=60)
"""A jump of more than this, or a difference to the log's clock, holds everything back."""

STEADY_SECONDS = 60.0
"""After a jump the clock must run on for so long before it is believed again."""


@dataclass(frozen=True)
class Jump:
    """A jump of the clock, and when it was seen by the monotonic one."""

    by: timedelta
    at: float


def hindrance(jump: Jump | None, skew: timedelta, asked_at: float | None, now: float) -> str | None:
    """Return why nothing may be emitted by this clock; None where it can be believed.

    `jump` is the last one of more than HOLD. All but `skew` are times by the monotonic clock.
    """
    asked = asked_at is not None and (jump is None or asked_at > jump.at)
    if asked and abs(skew) > HOLD:
        return (
            f"the clock is {_seconds(skew)} against the log's: set the time of this machine"
            " or of the NATS server right (NTP)"
        )
    if jump is None or (asked and now - jump.at >= STEADY_SECONDS):
        return None
    return (
        f"the clock jumped by {_seconds(jump.by)}; waiting until it runs steadily for"
        f" {STEADY_SECONDS:.0f} s and agrees with the log's"
    )


def _seconds(difference: timedelta) -> str:
    return f"{difference.total_seconds():+.1f} s"
