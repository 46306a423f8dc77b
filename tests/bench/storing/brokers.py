"""An empty log on one nats-server, or on three that are a cluster."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import nats
from nats.errors import Error
from nats.js import JetStreamContext
from nats.js.errors import Error as JetStreamError

from bench.scheduling.stored import fresh_log
from chaos.cluster import make_cluster
from chassis.topology import ensure_stream
from contracts.streams import EVENTS

_SECONDS = 60
_PAUSE_SECONDS = 0.2


@asynccontextmanager
async def one() -> AsyncIterator[JetStreamContext]:
    """Run one server, as it ships."""
    async with fresh_log() as log:
        yield log.js


@asynccontextmanager
async def three() -> AsyncIterator[JetStreamContext]:
    """Run a cluster of three that keeps the log three times."""
    with TemporaryDirectory(prefix="bench-") as name:
        servers = make_cluster(Path(name), Path(name))
        try:
            await asyncio.gather(*(server.member.begin() for server in servers))
            client = await nats.connect([server.url for server in servers])
            try:
                js = client.jetstream()
                await _agreed(js)
                yield js
            finally:
                await client.close()
        finally:
            await asyncio.gather(*(server.member.kill() for server in servers))


async def _agreed(js: JetStreamContext) -> None:
    """Make the log once the servers have a leader among them."""
    async with asyncio.timeout(_SECONDS):
        while True:
            try:
                await ensure_stream(js, EVENTS, replicas=3)
                await js.stream_info(EVENTS.name)
            except (Error, JetStreamError, TimeoutError):
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                return
