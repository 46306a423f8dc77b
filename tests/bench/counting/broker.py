"""What the services ask of NATS: how much by the server's own count, and what by an observer.

The observer hears everything that clients send. It is believed only as far as it and the server
agree.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from harness.servers import connected

_READS = ("$JS.API.DIRECT.GET.", "$JS.API.STREAM.MSG.GET.")
_KINDS = {
    "$JS.API.CONSUMER.MSG.NEXT.": "pull",
    "$JS.API.": "other request",
    "$JS.ACK.": "ack",
    "$KV.": "renewal",
}
_LOOK_SECONDS = 0.05
_PATIENCE_SECONDS = 60
_OF_THE_SERVER = ("_INBOX.", "$JS.EVENT.", "$SRV.")


def kind(subject: str, reply: str) -> str:
    """Name what a client sent; empty for what the server sent.

    An event of the log is named by its fact: `cta.clicked`.
    """
    if subject.startswith(_OF_THE_SERVER) or reply.startswith("$JS.ACK."):
        return ""
    if subject.startswith(_READS):
        return "read"
    for prefix, name in _KINDS.items():
        if subject.startswith(prefix):
            return name
    return ".".join(subject.split(".")[:2])


@dataclass(frozen=True)
class Traffic:
    """What clients sent: by connection, as the server counts it, and by kind."""

    sent: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)

    def since(self, before: "Traffic") -> "Traffic":
        """Return what came between `before` and now."""
        sent, kinds = Counter(self.sent), Counter(self.kinds)
        sent.subtract(before.sent)
        kinds.subtract(before.kinds)
        return Traffic(sent, kinds)


class Broker:
    """Counts what clients send to one nats-server."""

    _hearing: Subscription

    def __init__(self, client: Client, monitor: str) -> None:
        self._client = client
        self._monitor = monitor
        self._kinds = Counter[str]()

    @classmethod
    @asynccontextmanager
    async def observed(cls, url: str, monitor: str) -> AsyncIterator["Broker"]:
        """Count from now on."""
        async with connected(url) as client:
            broker = cls(client, monitor)
            broker._hearing = await client.subscribe(">", cb=broker._hear)
            yield broker

    async def traffic(self) -> Traffic:
        """Return all so far; connections of one name are added up, those without left out."""
        await self._heard()
        async with httpx.AsyncClient(timeout=_PATIENCE_SECONDS) as client:
            answer = await client.get(f"{self._monitor}/connz", params={"limit": 1_000})
        sent = Counter[str]()
        for connection in answer.raise_for_status().json()["connections"]:
            if name := connection.get("name"):
                sent[name] += connection["in_msgs"]
        return Traffic(sent, Counter(self._kinds))

    async def _heard(self) -> None:
        """Wait until all was heard that the server sent us before it answers."""
        await self._client.flush(_PATIENCE_SECONDS)
        while self._hearing.pending_msgs:
            await asyncio.sleep(0)

    async def settled(self, kind: str, count: int, seconds: float = _PATIENCE_SECONDS) -> Traffic:
        """Return all so far once so much of a kind was heard; raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while self._kinds[kind] < count:
                await asyncio.sleep(_LOOK_SECONDS)
        return await self.traffic()

    async def _hear(self, message: Msg) -> None:
        if said := kind(message.subject, message.reply):
            self._kinds[said] += 1
