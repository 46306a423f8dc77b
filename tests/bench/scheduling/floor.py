"""The floor: the same messages at the same instants with nothing around them but nats-py."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from nats.aio.client import Client
from nats.aio.msg import Msg

from bench.scheduling.stored import Message
from harness.servers import connected

_WINDOW = 4_000
_SECONDS = 60


@dataclass
class Pipeline:
    """Publishes without waiting, and counts the acknowledgements as they come."""

    client: Client
    messages: Sequence[Message]
    acknowledged: dict[str, float] = field(default_factory=dict)
    refused: list[bytes] = field(default_factory=list)

    async def run(self) -> None:
        """Publish each message at its instant; return when all are acknowledged."""
        inbox = self.client.new_inbox()
        subscription = await self.client.subscribe(f"{inbox}.*", cb=self._answered)
        for number, message in enumerate(self.messages):
            while (left := message.due - time.time()) > 0:
                await asyncio.sleep(left)  # again where a timer in whole milliseconds is early
            await self.client.publish(
                message.subject,
                message.body,
                reply=f"{inbox}.{number}",
                headers=message.headers,
            )
        while len(self.acknowledged) < len(self.messages):
            await asyncio.sleep(0.001)
        await subscription.unsubscribe()
        if self.refused:
            raise RuntimeError(f"the floor was refused: {self.refused[0]!r}")

    async def _answered(self, answer: Msg) -> None:
        number = int(answer.subject.rpartition(".")[2])
        self.acknowledged[self.messages[number].delivery] = time.time()
        if b'"error"' in answer.data:
            self.refused.append(answer.data)


async def pipelined(client: Client, messages: Sequence[Message]) -> None:
    """Publish with one reply subject for all, and count the answers."""
    await Pipeline(client, messages).run()


async def gathered(client: Client, messages: Sequence[Message]) -> None:
    """Publish by `js.publish`, as many at once as the scheduler's default."""
    js = client.jetstream()
    room = asyncio.Semaphore(_WINDOW)

    async def one(message: Message) -> None:
        async with room:
            await js.publish(
                message.subject, message.body, headers=message.headers, timeout=_SECONDS
            )

    await asyncio.sleep(max(0.0, messages[0].due - time.time()))
    await asyncio.gather(*(one(message) for message in messages))


async def in_futures(client: Client, messages: Sequence[Message]) -> None:
    """Publish by `js.publish_async`."""
    js = client.jetstream(publish_async_max_pending=_WINDOW)
    await asyncio.sleep(max(0.0, messages[0].due - time.time()))
    await asyncio.gather(
        *[await js.publish_async(m.subject, m.body, headers=m.headers) for m in messages]
    )


Way = Callable[[Client, Sequence[Message]], Awaitable[None]]
WAYS: dict[str, Way] = {
    "pipelined": pipelined,
    "js.publish": gathered,
    "js.publish_async": in_futures,
}


async def publish(way: Way, url: str, messages: Sequence[Message]) -> None:
    """Publish `messages` at their instants in one of the ways; raises TimeoutError."""
    async with connected(url) as client, asyncio.timeout(_limit(messages)):
        await way(client, messages)


async def publish_in_time(url: str, messages: Sequence[Message]) -> list[float]:
    """Publish each message at its instant; return how late the acknowledgements were."""
    async with connected(url) as client, asyncio.timeout(_limit(messages)):
        pipeline = Pipeline(client, messages)
        await pipeline.run()
        return [pipeline.acknowledged[message.delivery] - message.due for message in messages]


def _limit(messages: Sequence[Message]) -> float:
    return max(0.0, messages[-1].due - time.time()) + _SECONDS
