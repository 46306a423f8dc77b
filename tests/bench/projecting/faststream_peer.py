"""FastStream in its documented way: a handler an event, a transaction an event, an ack an event."""

import asyncio
from time import perf_counter

from faststream.middlewares import AckPolicy
from faststream.nats import JStream, NatsBroker, NatsMessage, PullSub
from nats.js.api import AckPolicy as Ack
from nats.js.api import ConsumerConfig

from analytics.domain.guard import Checkpoint
from analytics.domain.messages import Message, decode
from analytics.store import Store
from analytics.versions import Versions
from bench.projecting.scene import Log
from contracts.examples import SLOT

_PENDING = 100


async def run(dsn: str, log: Log, count: int) -> float:
    """Return the events a second of `count` that wait in the log."""
    broker = NatsBroker(log.url, logger=None, ack_policy=AckPolicy.NACK_ON_ERROR)
    done, lock = asyncio.Event(), asyncio.Lock()
    async with Store.open(dsn, 1) as store:
        await Versions(store.connection).begin(1)
        before = Checkpoint()

        @broker.subscriber(
            "cta.clicked.*",
            stream=JStream("EVENTS", declare=False),
            durable="peer",
            pull_sub=PullSub(batch_size=_PENDING),
            config=ConsumerConfig(ack_policy=Ack.EXPLICIT, max_ack_pending=_PENDING),
        )
        async def fold(message: NatsMessage) -> None:
            nonlocal before
            async with lock:  # the connection and the checkpoint are one
                metadata = message.raw_message.metadata
                decoded = decode(Message(metadata.sequence.stream, "", {}, message.body))
                after = Checkpoint(before.sequence + 1, decoded.identity, SLOT)
                await store.write([decoded], before, after)
                before = after
                if before.sequence == count:
                    done.set()

        begun = perf_counter()
        await broker.start()
        await done.wait()
        seconds = perf_counter() - begun
        await broker.stop()
    await log.js.delete_consumer("EVENTS", "peer")
    return count / seconds
