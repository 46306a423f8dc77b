"""An event loop whose time passes only while all wait, and then at once.

So what a test says of seconds holds on any machine, however slow, and costs none. It is for tests
without sockets and threads: it would not wait for their answers.
"""

import asyncio
import selectors
from collections.abc import Callable
from typing import Any


class PassingTime(asyncio.SelectorEventLoop):
    """Its clock stands still while something is done."""

    def __init__(self) -> None:
        self._now = 1_000.0
        super().__init__(_Skipping(self._pass))

    def time(self) -> float:
        """Return the seconds that passed, counted from any moment."""
        return self._now

    def _pass(self, seconds: float) -> None:
        self._now += seconds


class _Skipping(selectors.DefaultSelector):
    def __init__(self, skip: Callable[[float], None]) -> None:
        super().__init__()
        self._skip = skip

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, Any]]:
        found = super().select(None if timeout is None else 0)
        if timeout and not found:
            self._skip(timeout)
        return found
