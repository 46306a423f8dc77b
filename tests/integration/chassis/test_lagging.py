"""The log is read to its end though one of its servers is behind; on three real servers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import nats
import nats.errors
import pytest
from nats.js import JetStreamContext

from analytics.feed import Feed, FeedError
from chaos.cluster import Server, make_cluster
from chassis.log import Publisher, Reader
from chassis.topology import ensure_stream
from contracts.events import CtaClicked, MessageUncertain
from contracts.examples import example
from contracts.streams import EVENTS

MISSED = 3_000
"""Enough for a server that comes back to be behind for a while."""


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[list[Server]]:
    servers = make_cluster(tmp_path, tmp_path)
    async with AsyncExitStack() as ending:
        for server in servers:
            ending.push_async_callback(server.member.kill)
            server.member.process.start()
        for server in servers:
            await server.member.process.answers(f"{server.monitor}/healthz", 60)
        yield servers


async def led(cluster: list[Server], js: JetStreamContext) -> tuple[Server, Server]:
    """Return the server that leads the log, and one that follows."""
    found = (await js.stream_info("EVENTS")).cluster
    leader = next(each for each in cluster if found and each.member.name == found.leader)
    return leader, next(each for each in cluster if each is not leader)


def missed(number: int) -> MessageUncertain:
    return example(MessageUncertain, attempt=number, description="x" * 1_000)


async def replayed(js: JetStreamContext, after: int) -> list[int]:
    read = await Reader(js).replay(("cta.clicked.>",), after=after)
    return [entry.sequence for entry in read]


async def fed(js: JetStreamContext, after: int) -> list[int]:
    """Read by a feed, and by another one where it says that it cannot go on, as a service does."""
    async with asyncio.timeout(60):
        while True:
            with suppress(FeedError, nats.errors.Error):
                return await fed_once(js, after)


async def fed_once(js: JetStreamContext, after: int) -> list[int]:
    found: list[int] = []
    async with Feed.replay(js, EVENTS, ("cta.clicked.>",)) as feed:
        while feed.waiting or not await feed.exhausted():
            found += [message.sequence for message in await feed.take()]
    return [sequence for sequence in found if sequence > after]


@pytest.mark.parametrize("read", [replayed, fed])
async def test_what_was_acknowledged_is_read_although_a_server_lags(
    cluster: list[Server], read: Callable[[JetStreamContext, int], Awaitable[list[int]]]
) -> None:
    async with await nats.connect(cluster[0].url) as client:
        await ensure_stream(client.jetstream(timeout=30), EVENTS, replicas=len(cluster))
        leader, follower = await led(cluster, client.jetstream())
    async with await nats.connect(leader.url) as client:
        js = client.jetstream()
        publisher = Publisher(js, source="test")
        follower.member.freeze()
        for first in range(0, MISSED, 100):
            # By a publisher: who was frozen may want to lead, and nobody answers for a while.
            some = [missed(first + number) for number in range(1, 101)]
            await asyncio.gather(*map(publisher.publish, some))
        follower.member.thaw()

        for number in range(30):
            await publisher.publish(example(CtaClicked, source_id=f"tap{number}"))
            assert await read(js, MISSED) == [MISSED + 1 + each for each in range(number + 1)]
