"""Waiting for something to become true, with a limit."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

_LOOK_SECONDS = 0.05


async def until(
    look: Callable[[], Awaitable[T]], good: Callable[[T], object], *, seconds: float = 20
) -> T:
    """Look again and again until what is seen is `good`, and return it; fail after `seconds`."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        seen = await look()
        if good(seen):
            return seen
        assert asyncio.get_running_loop().time() < deadline, f"in {seconds} s only: {seen!r:.2000}"
        await asyncio.sleep(_LOOK_SECONDS)
