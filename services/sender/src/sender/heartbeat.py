"""Tells the log that an event is still being worked on."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import nats.errors
from faststream.nats.message import NatsMessage

from chassis.logs import logger

_HEARTBEAT_SECONDS = 3

log = logger(__name__)


@contextmanager
def kept_alive(message: NatsMessage) -> Iterator[None]:
    """Tell the log that the event is being worked on, so that nobody else is given it."""
    beating: list[asyncio.Task[None]] = []
    # Most are done long before: for those a timer, which costs less than a task.
    first = asyncio.get_running_loop().call_later(
        _HEARTBEAT_SECONDS, lambda: beating.append(asyncio.create_task(_beat(message)))
    )
    try:
        yield
    finally:
        first.cancel()
        for task in beating:
            task.cancel()


async def _beat(message: NatsMessage) -> None:
    while True:
        try:
            await message.in_progress()
        except (nats.errors.Error, OSError) as error:
            log.warning("a heartbeat was lost", problem=repr(error))
        await asyncio.sleep(_HEARTBEAT_SECONDS)
