"""The one place that reads the time. Everything else takes `now` as an argument, or a Clock."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Returns the present as an aware UTC datetime."""


def utc_now() -> datetime:
    """Return the present."""
    return datetime.now(UTC)
