"""Taps that wait in the log until they are rows: ours, the bare statements, and the peers."""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from contextlib import suppress
from time import perf_counter

import asyncpg

from analytics.domain.guard import Checkpoint
from analytics.domain.messages import Message, decode
from analytics.feed import MOST
from analytics.projector import Projector
from analytics.store import Store
from analytics.versions import Versions
from bench.projecting import faststream_peer, library_peer
from bench.projecting.scene import Log, Scene, cut, filled_log, mixed, new_database, taps
from bench.rows import Row, progress, row
from contracts.envelope import Envelope
from contracts.examples import SLOT

EVENTS = 200_000
ONE_BY_ONE = 3_000
BATCH = MOST
AIM = 25_000
_LOOK_SECONDS = 0.01
_VIEW = "SELECT count(*) FROM fingerpost.promo_conversion"

Run = Callable[[str, Log], Awaitable[float]]


async def measure(here: Scene, rounds: int) -> list[Row]:
    """Return rates in events a second; each round has databases of its own, and takes turns."""
    events = list(taps(EVENTS))
    gc.freeze()  # the events are the bench's, not the projector's; and so does the service
    found: dict[str, list[float]] = {}

    async def timed(name: str, run: Callable[[str], Awaitable[float]]) -> None:
        async with new_database(here) as dsn:
            found.setdefault(name, []).append(await run(dsn))
            progress(f"{name}: {found[name][-1]:,.0f}")

    async with (
        filled_log(events) as log,
        filled_log(events[:ONE_BY_ONE]) as short,
        filled_log(mixed(EVENTS)) as busy,
    ):
        for _ in range(rounds):
            await timed("ours", lambda dsn: ours(dsn, log))
            await timed("floor", lambda dsn: floor(dsn, events))
            await timed("mixed", lambda dsn: ours(dsn, busy))
            await timed("view", lambda dsn: view(dsn, busy))
            await timed("faststream", lambda dsn: faststream_peer.run(dsn, short, ONE_BY_ONE))
            await timed("library", lambda dsn: library_peer.documented(dsn, events[:ONE_BY_ONE]))
            await timed("loop", lambda dsn: library_peer.batched(dsn, events, BATCH))
    return [
        row(
            f"{EVENTS:,} waiting taps to rows (peer: eventsourcing, batch loop)",
            found["ours"],
            "events/s",
            floor=found["floor"],
            peer=found["loop"],
            at_least=AIM,
        ),
        _share("share of the rate of the statements alone", found["ours"], found["floor"], 50),
        _share("share of the batch loop's rate", found["ours"], found["loop"], 100),
        row(f"the same (peer: eventsourcing as documented, {ONE_BY_ONE:,})", found["ours"],
            "events/s", peer=found["library"]),
        row(f"the same (peer: FastStream, a transaction each, {ONE_BY_ONE:,})", found["ours"],
            "events/s", peer=found["faststream"]),
        row(f"{EVENTS:,} mixed events to rows", found["mixed"], "events/s", at_least=AIM),
        row("promo_conversion over these, by an analyst", found["view"], "s"),
    ]  # fmt: skip


def _share(name: str, ours: list[float], other: list[float], least: float) -> Row:
    shares = [100 * a / b for a, b in zip(ours, other, strict=True)]
    return row(name, shares, "%", at_least=least)


async def ours(dsn: str, log: Log) -> float:
    """Run the projector as the service does, until it folded all that waits."""
    last = (await log.js.stream_info("EVENTS")).state.last_seq
    async with Store.open(dsn, 1) as store:
        await Versions(store.connection).begin(1)
    projector = Projector(dsn)
    begun = perf_counter()
    task = asyncio.create_task(projector.run(log.connection))
    while projector.checkpoint.sequence < last:
        await asyncio.sleep(_LOOK_SECONDS)
    seconds = perf_counter() - begun
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    await log.js.delete_consumer("EVENTS", "analytics-v1")
    return last / seconds


async def floor(dsn: str, events: list[Envelope]) -> float:
    """Write the same batches, decoded before, one after the other."""
    batches = [
        [decode(Message(number, e.subject, {}, e.document())) for number, e in enumerate(part, at)]
        for at, part in zip(range(1, len(events) + 1, BATCH), cut(events, BATCH), strict=True)
    ]
    async with Store.open(dsn, 1) as store:
        await Versions(store.connection).begin(1)
        before, begun = Checkpoint(), perf_counter()
        for batch in batches:
            after = Checkpoint(batch[-1].message.sequence, batch[-1].identity, SLOT)
            await store.write(batch, before, after)
            before = after
        return len(events) / (perf_counter() - begun)


async def view(dsn: str, log: Log) -> float:
    """Return how long an analyst waits for the figures of every promo, variant and day."""
    await ours(dsn, log)
    connection = await asyncpg.connect(dsn)
    try:
        begun = perf_counter()
        await connection.fetchval(_VIEW)
        return perf_counter() - begun
    finally:
        await connection.close()
