"""The log as a test uses it: say events, read them back."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from nats.js import JetStreamContext

from analytics.domain.fold import Entry as Numbered
from chassis.log import Publisher, Reader
from chassis.service import Connection
from chassis.topology import ensure_stream
from contracts.envelope import Envelope
from contracts.events import CampaignDefined, Event
from contracts.streams import EVENTS
from harness.servers import connected

E = TypeVar("E", bound=Event)


@dataclass(frozen=True)
class Log:
    """A log with its stream in place."""

    js: JetStreamContext
    publisher: Publisher
    reader: Reader

    @property
    def connection(self) -> Connection:
        """The same as a service's parts get it."""
        return Connection(self.js, self.publisher, self.reader)

    async def say(self, *events: Event) -> None:
        """Publish `events` one after the other."""
        for event in events:
            await self.publisher.publish(event)

    async def envelopes(self) -> list[Envelope]:
        """Return everything in the log, in order."""
        return [entry.envelope for entry in await self.reader.replay((">",))]

    async def numbered(self) -> list[Numbered]:
        """Return everything that can be read in the log, with its sequences."""
        return [Numbered(e.sequence, e.envelope) for e in await self.reader.replay((">",))]

    async def effective_since(self, campaign: str = "guides") -> datetime:
        """Return since when the campaign's first definition counts: not before the log had it."""
        entries = await self.reader.replay((f"campaign.defined.{campaign}",))
        first = entries[0]
        said = first.envelope.data
        assert isinstance(said, CampaignDefined)
        return max(first.stored_at, said.effective_at or first.stored_at)

    async def events(self, kind: type[E]) -> list[E]:
        """Return every event of one kind, in order."""
        data = [envelope.data for envelope in await self.envelopes()]
        return [event for event in data if isinstance(event, kind)]


@asynccontextmanager
async def open_log(url: str) -> AsyncIterator[Log]:
    """Connect to `url` and make sure that the stream is there."""
    async with connected(url) as client:
        js = client.jetstream()
        await ensure_stream(js, EVENTS, replicas=1)
        yield Log(js, Publisher(js, source="test"), Reader(js))
