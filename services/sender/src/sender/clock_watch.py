"""Holds everything back while the clock cannot be believed, and says so."""

from collections.abc import Callable

from prometheus_client import Gauge

from chassis.log_clock import LogClock
from chassis.logs import logger
from sender.domain.clock import hindrance

Hindrance = Callable[[], str | None]
"""Returns why no time may be judged by now; None where all is well."""

_SKEW = Gauge(
    "fingerpost_sender_clock_skew_seconds",
    "By how much this machine's clock is ahead of the log's.",
)
_HELD = Gauge(
    "fingerpost_sender_clock_held",
    "1 while nothing is sent, skipped or withdrawn, as the clock cannot be believed.",
)

log = logger(__name__)


class ClockWatch:
    """Tells whether the wall clock that `clock` puts right is too far off for that."""

    def __init__(self, clock: LogClock) -> None:
        self._clock = clock
        self._held: str | None = None
        _SKEW.set_function(self._ahead)
        _HELD.set_function(lambda: self.hindrance() is not None)

    def hindrance(self) -> str | None:
        """Look at the clocks; return why nothing may be judged now, None where all is well."""
        self._clock()
        held = hindrance(self._clock.skew)
        if held and not self._held:
            log.error("holding back: nothing is sent, skipped or withdrawn", problem=held)
        elif self._held and not held:
            log.warning("the clock is believed again; going on")
        self._held = held
        return held

    def _ahead(self) -> float:
        return self._clock.skew.total_seconds()

    async def check(self) -> None:
        """Readiness: the clock can be believed."""
        if held := self.hindrance():
            raise RuntimeError(held)
