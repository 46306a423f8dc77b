"""The one place that reads the time. Everything else takes `now` as an argument, or a Clock."""

import time
import zoneinfo
from collections.abc import Callable
from datetime import UTC, datetime

# Every process knows the zones of the pinned `tzdata`, not those of its machine: replicas that
# disagree about a zone would plan one slot at two instants, and post it twice.
zoneinfo.reset_tzpath(to=())

Clock = Callable[[], datetime]
"""Returns the present as an aware UTC datetime."""


def utc_now() -> datetime:
    """Return the present."""
    return datetime.now(UTC)


_SINCE_BOOT = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def since_boot() -> float:
    """Return seconds of a clock that nobody sets, and that goes on while the machine sleeps.

    `time.monotonic` stands still then, on Linux: the time of before would seem to be the right one.
    """
    return time.clock_gettime(_SINCE_BOOT)
