"""Following what people gave back for sending."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, cast

import pytest

from chassis.clock import utc_now
from contracts.ids import DeliveryId
from sender import handlers


class _Broken:
    def __init__(self) -> None:
        self.asked = 0
        self.asked_again = asyncio.Event()

    async def follow(self, *_: object, **__: object) -> AsyncIterator[object]:
        self.asked += 1
        if self.asked == 1:
            raise KeyError("an answer that nobody expected")
        self.asked_again.set()
        await asyncio.Event().wait()
        yield


class _Desk:
    clock = staticmethod(utc_now)


async def test_a_failure_does_not_end_it_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "_AFTER_FAILURE", 0.01)
    reader = _Broken()

    following = asyncio.create_task(
        handlers.take_up_resolved(cast("Any", reader), cast("Any", _Desk))
    )
    async with asyncio.timeout(10):
        await reader.asked_again.wait()

    assert not following.done()
    following.cancel()
    with pytest.raises(asyncio.CancelledError):
        await following


class _Swallows:
    """Loses the first cancellation, as nats-py may on Python 3.11, and fails."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.count = 0

    async def last(self, _: str) -> None:
        self.count += 1
        self.asked.set()
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        raise KeyError("an answer that came together with the cancellation")


async def test_a_cancellation_that_was_swallowed_is_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "_AFTER_FAILURE", 0.01)
    reader = _Swallows()
    taking_up = asyncio.create_task(
        handlers._take_up(DeliveryId("d"), cast("Any", reader), cast("Any", _Desk))
    )
    await reader.asked.wait()

    taking_up.cancel()
    done, _ = await asyncio.wait({taking_up}, timeout=5)

    assert done
    assert taking_up.cancelled()
    assert reader.count == 1
