"""Whether the clock can be believed: wall against monotonic, and against the log's time."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

WARN = timedelta(seconds=1)
HOLD = timedelta(seconds=60)
"""A jump of more than this, or a difference to the log's clock, holds everything back."""

STEADY_SECONDS = 60.0
"""After a jump the clock must run on for so long before it is believed again."""


@dataclass(frozen=True)
class ClockState:
    """What was seen last; `jumped` is the jump that the clock has not outlived yet."""

    wall: datetime | None = None
    monotonic: float = 0.0
    skew: timedelta | None = None
    jumped: timedelta | None = None
    jumped_at: float = 0.0


def observe(state: ClockState, wall: datetime, monotonic: float) -> tuple[ClockState, timedelta]:
    """Return the state after a look at both clocks, and by how much the wall clock jumped."""
    jump = timedelta(0)
    if state.wall is not None:
        jump = (wall - state.wall) - timedelta(seconds=monotonic - state.monotonic)
    state = replace(state, wall=wall, monotonic=monotonic)
    if abs(jump) > HOLD:
        return replace(state, jumped=jump, jumped_at=monotonic, skew=None), jump
    return state, jump


def compare(
    state: ClockState, wall: datetime, log_time: datetime, round_trip: timedelta
) -> ClockState:
    """Return the state after the log said its time, in an answer that took `round_trip`."""
    apart = wall - log_time
    # The answer was written at some time of the round trip: only what exceeds it is known.
    sure = max(abs(apart) - round_trip, timedelta(0))
    return replace(state, skew=sure if apart >= timedelta(0) else -sure)


def hindrance(state: ClockState, monotonic: float) -> str | None:
    """Return why nothing may be emitted by this clock; None where it can be believed."""
    if state.skew is not None and abs(state.skew) > HOLD:
        return (
            f"the clock is {_seconds(state.skew)} against the log's: set the time of this machine"
            " or of the NATS server right (NTP)"
        )
    if state.jumped is None:
        return None
    steady = monotonic - state.jumped_at
    if state.skew is None or steady < STEADY_SECONDS:
        return (
            f"the clock jumped by {_seconds(state.jumped)}; waiting until it runs steadily for"
            f" {STEADY_SECONDS:.0f} s and agrees with the log's"
        )
    return None


def _seconds(difference: timedelta) -> str:
    return f"{difference.total_seconds():+.1f} s"
