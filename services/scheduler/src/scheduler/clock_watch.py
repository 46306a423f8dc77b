"""Holds everything back while the clock cannot be believed."""

from datetime import timedelta

from prometheus_client import Gauge

from chassis.log_clock import LogClock
from chassis.logs import logger
from scheduler.domain.clock import HOLD, Course, Jump, follow, hindrance

SKEW = Gauge(
    "fingerpost_scheduler_clock_skew_seconds",
    "By how much this machine's clock is ahead of the log's.",
)
HELD = Gauge(
    "fingerpost_scheduler_clock_held",
    "1 while nothing is emitted, as the clock cannot be believed.",
)

log = logger(__name__)


class ClockNotBelievedError(Exception):
    """The clock jumped, or differs from the log's; the text says by how much."""


class ClockWatch:
    """Tells whether the wall clock that `clock` puts right is too far off for that."""

    def __init__(self, clock: LogClock) -> None:
        self._clock = clock
        self._jump: Jump | None = None
        self._course: Course | None = None
        self._held: str | None = None
        clock.tell(self._jumped)

    def hindrance(self) -> str | None:
        """Look at the clocks; return why nothing may be emitted now, None where all is well."""
        clock = self._clock
        self._course = follow(self._course, clock(), clock.skew, clock.looked_at)
        held = hindrance(self._jump, clock.asked_at, clock.skew, self._course)
        if held and not self._held:
            log.error("holding back: no slot is emitted", problem=held)
        elif self._held and not held:
            log.warning("the clock is believed again; going on")
        self._held = held
        HELD.set(held is not None)
        SKEW.set(clock.skew.total_seconds())
        return held

    async def check(self) -> None:
        """Check for readiness; raises ClockNotBelievedError."""
        if self._held:
            raise ClockNotBelievedError(self._held)

    def _jumped(self, by: timedelta, at: float) -> None:
        if abs(by) > HOLD:
            self._jump = Jump(by, at)
