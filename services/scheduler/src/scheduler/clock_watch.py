"""Watches the clock, and holds everything back while it cannot be believed."""

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta

import nats.errors
from nats.js.errors import Error as JetStreamError
from prometheus_client import Gauge

from chassis.cancellation import heed_cancellation
from chassis.clock import Clock
from chassis.log import Reader
from chassis.logs import logger
from scheduler.domain.clock import WARN, ClockState, compare, hindrance, observe

_PERIOD = 5.0

SKEW = Gauge(
    "fingerpost_scheduler_clock_skew_seconds",
    "This machine's clock minus the log's, as far as the way there leaves no doubt.",
)
HELD = Gauge(
    "fingerpost_scheduler_clock_held",
    "1 while nothing is emitted, as the clock cannot be believed.",
)

log = logger(__name__)


class ClockNotBelievedError(Exception):
    """The clock jumped, or differs from the log's; the text says by how much."""


class ClockWatch:
    """Compares the wall clock with the monotonic one and with the log's."""

    def __init__(self, clock: Clock, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._state = ClockState()
        self._held: str | None = None
        self._far_off = False

    def hindrance(self) -> str | None:
        """Look at the clocks; return why nothing may be emitted now, None where all is well."""
        monotonic = self._monotonic()
        self._state, jump = observe(self._state, self._clock(), monotonic)
        if abs(jump) > WARN:
            log.warning("the clock jumped", by_seconds=jump.total_seconds())
        held = hindrance(self._state, monotonic)
        if held and not self._held:
            log.error("holding back: no slot is emitted", problem=held)
        elif self._held and not held:
            log.warning("the clock is believed again; going on")
        self._held = held
        HELD.set(held is not None)
        return held

    async def check(self) -> None:
        """Check for readiness; raises ClockNotBelievedError."""
        if self._held:
            raise ClockNotBelievedError(self._held)

    async def compare(self, reader: Reader) -> None:
        """Ask the log for its time; an answer that does not come changes nothing."""
        begun = self._monotonic()
        try:
            log_time = await reader.time()
        except (JetStreamError, nats.errors.Error, TimeoutError, OSError) as error:
            log.debug("the log did not say its time", problem=repr(error))
            return
        round_trip = timedelta(seconds=self._monotonic() - begun)
        self._state = compare(self._state, self._clock(), log_time, round_trip)
        self._report()

    async def run(self, reader: Reader) -> None:
        """Compare with the log every few seconds, for ever."""
        while True:
            heed_cancellation()
            await asyncio.sleep(_PERIOD)
            await self.compare(reader)

    def _report(self) -> None:
        skew = self._state.skew or timedelta(0)
        SKEW.set(skew.total_seconds())
        far_off = abs(skew) > WARN
        if far_off and not self._far_off:
            log.warning(
                "the clock differs from the log's; slots come early or late by as much",
                by_seconds=skew.total_seconds(),
            )
        self._far_off = far_off
