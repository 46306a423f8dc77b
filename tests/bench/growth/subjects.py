"""A nats-server whose log holds more and more subjects: its memory, and its start after a kill."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import count, islice
from pathlib import Path
from time import perf_counter

import psutil
from nats.aio.client import Client

from bench.growth.curves import Figure, Growth
from bench.rows import progress
from chassis.topology import ensure_stream
from contracts.envelope import Envelope
from contracts.events import Event, MessageClaimed, MessageSent, PromoDue
from contracts.examples import CHANNEL, SLOT, example
from contracts.ids import delivery_id
from contracts.streams import EVENTS
from harness.servers import connected, embedded_nats
from stack.nats_server import NatsServer

SIZES = {"small": (10_000, 30_000), "full": (10_000, 100_000, 1_000_000)}
SUBJECTS, IDS, DELIVERIES = "subjects alone", "subjects and ids", "events of deliveries"
RESTART = "start after kill -9"
_AT_ONCE = 1_000
_SETTLE_SECONDS = 2
_SECONDS = 60
_START_SECONDS = 300
_KILOBYTE = 1024


@dataclass(frozen=True)
class Said:
    """One message of the log; without an id it is not kept in the duplicate window."""

    subject: str
    body: bytes
    id: str = ""


async def measure(size: str) -> Growth:
    """Fill a log up to each size, three times with other messages."""
    memory = {}
    starts: list[tuple[float, float]] = []
    for name, kind in _KINDS.items():
        memory[name] = await _filled(name, kind(), SIZES[size], starts)
    sizes = SIZES[size]
    restarts = tuple(zip(sizes, (seconds for _, seconds in starts[-len(sizes) :]), strict=True))
    return Growth(
        "subjects",
        "nats-server by subjects",
        "unique subjects",
        "Resident memory above that of an empty log, after a kill -9 and a start, so that what the"
        " filling left behind is not in it. Each message has a subject of its own; a delivery has"
        " three. Ids are those of the duplicate window, in which all messages still are.",
        (
            *(Figure(name, "kB", tuple(points)) for name, points in memory.items()),
            Figure(RESTART, "s", restarts),
        ),
    )


async def _filled(
    name: str,
    messages: Iterator[Said],
    sizes: Iterable[int],
    starts: list[tuple[float, float]],
) -> list[tuple[float, float]]:
    found: list[tuple[float, float]] = []
    async with _server() as server:
        held, empty = 0, await _restarted(server, 0, [])
        for size in sizes:
            progress(f"a log with {size:,} {name}")
            async with connected(server.url) as client:
                await _say(client, islice(messages, size - held))
            held = size
            found.append((size, max(1.0, await _restarted(server, held, starts) - empty)))
    return found


async def _restarted(server: NatsServer, held: int, starts: list[tuple[float, float]]) -> float:
    """Kill the server and start it; return its resident memory then, in kB."""
    await asyncio.sleep(_SETTLE_SECONDS)
    await server.process.kill()
    begun = perf_counter()
    server.process.start()
    await server.process.answers(f"{server.monitor}/healthz", _START_SECONDS)
    starts.append((held, perf_counter() - begun))
    async with connected(server.url) as client:
        state = (await client.jetstream().stream_info(EVENTS.name)).state
    if state.messages != held:
        raise RuntimeError(f"the log holds {state.messages} messages, not {held}")
    await asyncio.sleep(_SETTLE_SECONDS)
    return float(psutil.Process(server.process.pid).memory_info().rss) / _KILOBYTE


async def _say(client: Client, messages: Iterable[Said]) -> None:
    """Publish without waiting but for every thousandth and the last: the server keeps the order."""
    js = client.jetstream()
    for batch in iter(lambda: list(islice(messages, _AT_ONCE)), []):
        for said in batch[:-1]:
            await client.publish(said.subject, said.body, headers=_headers(said))
        last = batch[-1]
        await js.publish(last.subject, last.body, headers=_headers(last), timeout=_SECONDS)


def _headers(said: Said) -> dict[str, str] | None:
    return {"Nats-Msg-Id": said.id} if said.id else None


@asynccontextmanager
async def _server() -> AsyncIterator[NatsServer]:
    """Run a server with an empty log that syncs rarely: how fast it stores is not measured."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        server = embedded_nats(Path(name))
        config = Path(name) / "nats" / "nats.conf"
        config.write_text(config.read_text().replace(", sync_interval: always", ""))
        await server.start()
        try:
            async with connected(server.url) as client:
                await ensure_stream(client.jetstream(), EVENTS, replicas=1)
            yield server
        finally:
            await server.process.kill()


def _subjects() -> Iterator[Said]:
    return (Said(f"cta.clicked.{number}", b"{}") for number in count())


def _ids() -> Iterator[Said]:
    for number in count():
        yield Said(f"cta.clicked.{number}", b"{}", f"cta.clicked.callback.{number:018}")


def _deliveries() -> Iterator[Said]:
    for number in count():
        slot = SLOT + timedelta(seconds=number)
        names = {"delivery": delivery_id("promos", CHANNEL, slot)}
        for event in (_DUE, _CLAIMED, _SENT):
            yield _said(event.model_copy(update=names))


def _said(event: Event) -> Said:
    envelope = Envelope.of(event, source="/bench", now=SLOT, cause=None)
    return Said(envelope.subject, envelope.document(), envelope.id)


_DUE, _CLAIMED, _SENT = example(PromoDue), example(MessageClaimed), example(MessageSent)
_KINDS: dict[str, Callable[[], Iterator[Said]]] = {
    SUBJECTS: _subjects,
    IDS: _ids,
    DELIVERIES: _deliveries,
}
