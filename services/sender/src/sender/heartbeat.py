"""Tells the log that an event is still being worked on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import nats.errors
from faststream.nats import NatsMessage

from chassis.logs import logger

_HEARTBEAT_SECONDS = 3

log = logger(__name__)


@asynccontextmanager
async def kept_alive(message: NatsMessage) -> AsyncIterator[None]:
    """Tell the log that the event is being worked on, so that nobody else is given it."""

    async def beat() -> None:
        while True:
            await asyncio.sleep(_HEARTBEAT_SECONDS)
            try:
                await message.in_progress()
            except (nats.errors.Error, OSError) as error:
                log.warning("a heartbeat was lost", problem=repr(error))

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()
