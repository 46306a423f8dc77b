"""What a run left in the log: the messages, when they were planned and when the server took them.

The server's time of a message is read just before it is written, so the last write of a run (one
fsync) is not in it; the time of the acknowledgement, where it is known, has it.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig

from chassis.log import Publisher
from chassis.topology import ensure_stream
from contracts.events import CampaignDefined
from contracts.streams import EVENTS
from contracts.subjects import DUES
from harness.servers import connected, embedded_nats

_BATCH = 1_000
_ANSWER_SECONDS = 10
_LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class Message:
    """One due event to be published at `due`, in seconds of the Unix epoch."""

    subject: str
    body: bytes
    headers: dict[str, str]
    due: float
    stored: float

    @property
    def delivery(self) -> str:
        """Name the delivery as the scheduler's log lines do."""
        return self.subject.rsplit(".", 1)[-1]

    @property
    def late(self) -> float:
        """How many seconds after its instant the server took it; negative would be early."""
        return self.stored - self.due


@dataclass(frozen=True)
class Log:
    """A fresh nats-server of this run, with the empty stream in place."""

    url: str
    js: JetStreamContext
    folder: Path
    monitor: str
    pid: int

    async def define(self, definitions: Sequence[CampaignDefined]) -> None:
        """Say the campaigns, one after the other."""
        publisher = Publisher(self.js, source="bench")
        for event in definitions:
            await publisher.publish(event, patience=_ANSWER_SECONDS)

    async def holds(self, count: int, *, seconds: float) -> None:
        """Wait until the stream holds `count` messages; raises TimeoutError."""
        deadline = asyncio.get_running_loop().time() + seconds
        while (held := (await self.js.stream_info(EVENTS.name)).state.messages) < count:
            if asyncio.get_running_loop().time() > deadline:
                raise TimeoutError(f"the log holds {held} messages, not {count}, in {seconds} s")
            await asyncio.sleep(_LOOK_SECONDS)

    async def dues(self) -> list[Message]:
        """Return all due events, in the log's order."""
        wanted = ConsumerConfig(
            ack_policy=AckPolicy.NONE, filter_subjects=list(DUES), mem_storage=True
        )
        info = await self.js.add_consumer(EVENTS.name, wanted)
        subscription = await self.js.pull_subscribe_bind(info.name, EVENTS.name)
        found: list[Message] = []
        while len(found) < (info.num_pending or 0):
            for message in await subscription.fetch(_BATCH, timeout=_ANSWER_SECONDS):
                data = json.loads(message.data)["data"]
                planned = datetime.fromisoformat(data.get("due_at") or data["scheduled_for"])
                stored = message.metadata.timestamp.timestamp()
                headers = dict(message.headers or {})
                found.append(
                    Message(message.subject, message.data, headers, planned.timestamp(), stored)
                )
        await subscription.unsubscribe()
        return found


@asynccontextmanager
async def fresh_log() -> AsyncIterator[Log]:
    """Yield an empty log on a nats-server of its own, as it ships: every write is synced."""
    with TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        server = embedded_nats(folder)
        await server.start()
        try:
            async with connected(server.url) as client:
                js = client.jetstream()
                await ensure_stream(js, EVENTS, replicas=1)
                yield Log(server.url, js, folder, server.monitor, server.process.pid)
        finally:
            await server.process.kill()
