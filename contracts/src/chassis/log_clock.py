"""This machine's clock, put right by the log's: replicas judge by one time, whatever theirs say.

As long as the clock agrees with the log's to about a second, it counts as it is. What it is off by
beyond that is taken off. A jump shows at once against the monotonic clock, before the log is asked.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import nats.errors
from nats.js.errors import Error as JetStreamError

from chassis.cancellation import heed_cancellation
from chassis.clock import Clock, since_boot, utc_now
from chassis.log import Reader
from chassis.logs import logger

NOISE = timedelta(seconds=1)
"""What clocks that are set by NTP may differ by, and what asking the log may leave in doubt."""

_TELLING = timedelta(seconds=2)
"""An answer that was longer on its way says too little."""

_PERIOD = 5.0
_PAUSE = 1.0

log = logger(__name__)


@dataclass(frozen=True)
class Reckoning:
    """What was seen last, and by how much this clock is ahead: `skew`, but for `doubt`.

    Until the log was asked, the skew is what the clock jumped by since the first look.
    """

    wall: datetime | None = None
    monotonic: float = 0.0
    skew: timedelta = timedelta(0)
    doubt: timedelta = timedelta.max
    asked_at: float | None = None

    def right(self, wall: datetime) -> datetime:
        """Return the log's time when this clock says `wall`."""
        return wall - self.skew if abs(self.skew) > NOISE else wall


def look(state: Reckoning, wall: datetime, monotonic: float) -> tuple[Reckoning, timedelta]:
    """Return the state after a look at both clocks, and by how much the wall clock jumped."""
    jump = timedelta(0)
    if state.wall is not None:
        jump = (wall - state.wall) - timedelta(seconds=monotonic - state.monotonic)
    # Asked several times for every event, and `replace` takes three times as long.
    skew = state.skew + jump
    return Reckoning(wall, monotonic, skew, state.doubt, state.asked_at), jump


def compare(state: Reckoning, log_time: datetime, round_trip: timedelta) -> Reckoning:
    """Return the state after the log said its time, just before the last look at the clocks.

    The answer was written at some time of the round trip. What a quicker one told stays, unless
    this one contradicts it.
    """
    if state.wall is None or round_trip > _TELLING:
        return state
    doubt = round_trip / 2
    skew = state.wall - log_time - doubt
    if state.doubt <= doubt and abs(skew - state.skew) <= doubt:
        return replace(state, asked_at=state.monotonic)
    return replace(state, skew=skew, doubt=doubt, asked_at=state.monotonic)


class LogClock:
    """A Clock that says the log's time, as far as it is known."""

    def __init__(self, clock: Clock = utc_now, monotonic: Callable[[], float] = since_boot) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._state = Reckoning()
        self._told: list[Callable[[timedelta, float], None]] = []
        self._doubted = asyncio.Event()
        self._off = False

    def __call__(self) -> datetime:
        """Return the present."""
        wall = self._clock()
        self._state, jump = look(self._state, wall, self._monotonic())
        if abs(jump) > NOISE:
            log.warning("the clock jumped", by_seconds=jump.total_seconds())
            self._doubted.set()
            for told in self._told:
                told(jump, self._state.monotonic)
        return self._state.right(wall)

    @property
    def skew(self) -> timedelta:
        """By how much this machine's clock is ahead of the log's."""
        return self._state.skew

    @property
    def asked_at(self) -> float | None:
        """When the log last said its time, by the monotonic clock; None: it was not asked yet."""
        return self._state.asked_at

    @property
    def looked_at(self) -> float:
        """When the clocks were last looked at, by the monotonic one."""
        return self._state.monotonic

    def tell(self, told: Callable[[timedelta, float], None]) -> None:
        """Call `told` for each jump, with by how much, and when by the monotonic clock."""
        self._told.append(told)

    async def begin(self, reader: Reader) -> None:
        """Wait until the log has said its time."""
        await self.compare(reader)
        while self.asked_at is None:
            heed_cancellation()
            log.info("waiting until the log says its time")
            await asyncio.sleep(_PAUSE)
            await self.compare(reader)

    async def run(self, reader: Reader) -> None:
        """Compare with the log every few seconds, and after a jump at once, for ever."""
        while True:
            heed_cancellation()
            answered = await self.compare(reader)
            await (self._rest() if answered else asyncio.sleep(_PAUSE))

    async def compare(self, reader: Reader) -> bool:
        """Ask the log for its time; an answer that does not come changes nothing: False."""
        begun = self._monotonic()
        try:
            log_time = await reader.time()
        except (JetStreamError, nats.errors.Error, TimeoutError, OSError) as error:
            log.debug("the log did not say its time", problem=repr(error))
            return False
        self()
        round_trip = timedelta(seconds=self._state.monotonic - begun)
        self._state = compare(self._state, log_time, round_trip)
        self._report()
        return True

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(_PERIOD):
                await self._doubted.wait()
        except TimeoutError:
            return
        self._doubted.clear()

    def _report(self) -> None:
        off = abs(self.skew) > NOISE
        if off and not self._off:
            log.warning(
                "the clock differs from the log's, whose time counts",
                by_seconds=self.skew.total_seconds(),
            )
        elif self._off and not off:
            log.info("the clock agrees with the log's again")
        self._off = off
