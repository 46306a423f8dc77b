"""Servers for the bench, and a log that is filled fast: nothing of that is measured."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from nats.js import JetStreamContext
from nats.js.api import PubAck

from chassis.log import Publisher, Reader
from chassis.service import Connection
from chassis.topology import ensure_stream
from contracts.envelope import Envelope
from contracts.events import (
    BotStarted,
    ConversionRecorded,
    CtaClicked,
    Event,
    MessageSent,
    PromoDue,
)
from contracts.examples import CHANNEL, SLOT, example
from contracts.ids import DeliveryId, delivery_id
from contracts.streams import EVENTS
from harness.servers import connected, database, embedded_nats
from stack.ports import free_port
from stack.postgres_server import PostgresServer

_DELIVERIES = 500
_PEOPLE = 20_000
_PENDING = 4_000


@dataclass(frozen=True)
class Scene:
    """A folder that other users may enter, and a Postgres server in it."""

    folder: Path
    postgres: str


@dataclass(frozen=True)
class Log:
    """A log on a server of its own."""

    url: str
    js: JetStreamContext
    folder: Path
    monitor: str

    @property
    def connection(self) -> Connection:
        """The same as a service's parts get it."""
        return Connection(self.js, Publisher(self.js, source="bench"), Reader(self.js))


@asynccontextmanager
async def scene() -> AsyncIterator[Scene]:
    """Run a Postgres server, as it ships."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # noqa: ASYNC240  Postgres may run as another user
        server = PostgresServer(folder / "postgres", port=free_port(), password="bench")
        await server.start()
        try:
            yield Scene(folder, server.dsn)
        finally:
            await server.process.stop()
            server.remove()


@asynccontextmanager
async def new_database(here: Scene) -> AsyncIterator[str]:
    """Yield the DSN of an empty database."""
    async with database(here.postgres) as dsn:
        yield dsn


@asynccontextmanager
async def filled_log(envelopes: Iterable[Envelope]) -> AsyncIterator[Log]:
    """Yield a log that holds `envelopes`; its server syncs rarely, as only reading is measured."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        server = embedded_nats(Path(name))
        config = Path(name) / "nats" / "nats.conf"
        config.write_text(config.read_text().replace(", sync_interval: always", ""))
        await server.start()
        try:
            async with connected(server.url) as client:
                js = client.jetstream(publish_async_max_pending=_PENDING)
                await ensure_stream(js, EVENTS, replicas=1)
                await _fill(js, envelopes)
                yield Log(server.url, js, Path(name), server.monitor)
        finally:
            await server.process.kill()


async def _fill(js: JetStreamContext, envelopes: Iterable[Envelope]) -> None:
    pending: list[asyncio.Future[PubAck]] = []
    for envelope in envelopes:
        headers = {"Nats-Msg-Id": envelope.id}
        pending.append(
            await js.publish_async(envelope.subject, envelope.document(), headers=headers)
        )
        if len(pending) == _PENDING:
            await asyncio.gather(*pending)
            pending.clear()
    await asyncio.gather(*pending)


def taps(count: int) -> Iterator[Envelope]:
    """Return taps of many people, on the CTAs of many deliveries."""
    return _enveloped(_tap(number) for number in range(count))


def mixed(count: int) -> Iterator[Envelope]:
    """Return a busy day: of 100 events 90 taps, 5 starts, 3 payments, one delivery due and sent."""
    return _enveloped(_mixed(number) for number in range(count))


def _enveloped(events: Iterable[Event]) -> Iterator[Envelope]:
    for number, event in enumerate(events):
        now = SLOT + timedelta(milliseconds=number)
        yield Envelope.of(event, source="/bench", now=now, cause=None)


def _tap(number: int) -> CtaClicked:
    return _TAP.model_copy(
        update={
            "source_id": f"{number:016x}",
            "delivery": _delivery(number % _DELIVERIES),
            "user_id": 7_000_000_000 + number * 7_919 % _PEOPLE,
            "clicked_at": SLOT + timedelta(milliseconds=number),
        }
    )


def _mixed(number: int) -> Event:
    place, slot = number % 100, number // 100
    person = 7_000_000_000 + number * 7_919 % _PEOPLE
    if place in {0, 1}:
        slots = {"delivery": _delivery(slot), "scheduled_for": SLOT + timedelta(minutes=slot)}
        if place == 0:
            return _DUE.model_copy(update=slots)
        return _SENT.model_copy(update={"delivery": slots["delivery"], "message_id": slot})
    here = {"delivery": _delivery(slot), "user_id": person}
    if place < 7:
        return _START.model_copy(update={**here, "update_id": number})
    if place < 10:
        return _PAID.model_copy(update={**here, "source_id": f"{number:016x}"})
    return _TAP.model_copy(update={**here, "source_id": f"{number:016x}"})


def _delivery(number: int) -> DeliveryId:
    if number not in _NAMES:
        _NAMES[number] = delivery_id("promos", CHANNEL, SLOT + timedelta(minutes=number))
    return _NAMES[number]


_NAMES: dict[int, DeliveryId] = {}
_TAP, _START, _PAID = example(CtaClicked), example(BotStarted), example(ConversionRecorded)
_DUE, _SENT = example(PromoDue), example(MessageSent)


def cut(envelopes: Sequence[Envelope], size: int) -> list[Sequence[Envelope]]:
    """Return the events in batches."""
    return [envelopes[start : start + size] for start in range(0, len(envelopes), size)]
