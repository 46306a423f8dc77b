"""Whether the time can be believed by which deliveries are judged: that of the log. Pure.

What is skipped, taken for lost or withdrawn stays so, and waiting harms nothing. Where the log's
clock and this machine's are far apart, nobody can say which is wrong: so nothing is judged.
"""

from datetime import timedelta

HOLD = timedelta(seconds=60)
"""A difference between the two clocks of more than this holds everything back."""


def hindrance(skew: timedelta) -> str | None:
    """Return why nothing may be judged now; `skew` is what this clock is ahead of the log's."""
    if abs(skew) <= HOLD:
        return None
    return (
        f"the clock is {skew.total_seconds():+.1f} s against the log's: set the time of this"
        " machine or of the NATS server right (NTP)"
    )
