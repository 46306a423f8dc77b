"""Builds a version of the projection from the log, beside the one that analysts read.

It copies in bulk until it is where the live version was, makes keys and indexes, goes on to where
the live version is now, compares both there, and gives analysts the new one in one transaction.
What is stopped at any point goes on there: the new version's own checkpoint says how far it is.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from nats.js import JetStreamContext

from analytics.comparison import TableComparison, compare
from analytics.continuity import last_sequence, past, same_log
from analytics.domain.guard import Checkpoint, HaltError
from analytics.domain.versions import Version
from analytics.feed import Feed
from analytics.folding import Folding
from analytics.history import History
from analytics.postgres import Postgres, connect
from analytics.store import Store
from analytics.versions import Versions
from chassis.topology import ensure_consumer
from contracts.streams import EVENTS, analytics_consumer

Phase = Literal["waiting", "copying", "indexing", "catching up", "comparing", "swapping", "done"]

_NEAR = 5_000
"""So few events behind the live version, both are folded to one place and compared."""

_REPORT = 20_000
_WAIT_SECONDS = 1.0


@dataclass(frozen=True)
class Progress:
    """How far a build is: its checkpoint, and the sequence at which the phase ends.

    `rate` is in events a second; `seconds_left` of the phase, None where it cannot be told.
    """

    version: int
    phase: Phase
    checkpoint: int = 0
    target: int = 0
    rate: float = 0.0
    seconds_left: float | None = None


@dataclass(frozen=True)
class Built:
    """What a build came to; `replaced` is the version that analysts read before.

    `comparison` with it, None: they were folded from different logs.
    """

    version: int
    checkpoint: int
    replaced: int | None = None
    comparison: tuple[TableComparison, ...] | None = ()
    shown: bool = False

    @property
    def equal(self) -> bool:
        """Whether the new version and the one before it hold the same rows."""
        return self.comparison is not None and not any(t.differences for t in self.comparison)


class Builder:
    """Builds one version; `tell` hears of the progress, often."""

    def __init__(
        self,
        dsn: str,
        js: JetStreamContext,
        version: int,
        tell: Callable[[Progress], None],
        *,
        archive: Path | None = None,
    ) -> None:
        self._dsn = dsn
        self._archive = archive
        self._js = js
        self._version = version
        self._tell = tell

    async def run(self, *, swap: bool = True, accept_differences: bool) -> Built:
        """Build the version, and give it to analysts unless it differs or `swap` is False.

        One that is not given to them is left complete, and can be given later. Raises HaltError.
        """
        async with (
            connect(self._dsn, "catalogue") as catalogue,
            Store.open(self._dsn, self._version) as store,
        ):
            versions = Versions(catalogue)
            await self._take_lead(store)
            own = await self._own(versions)
            if own.live:  # somebody else was faster
                return Built(self._version, own.checkpoint, shown=True)
            if not own.built:
                await self._copy(versions, store)
            self._tell(Progress(self._version, "indexing"))
            await versions.finish(self._version)
            async with self._folding(store) as folding:
                built = await self._compared(versions, store, folding)
                if swap and (built.equal or accept_differences):
                    await self._swap(versions, folding, built.replaced)
                    built = replace(built, checkpoint=folding.checkpoint.sequence, shown=True)
                return built

    async def _take_lead(self, store: Store) -> None:
        self._tell(Progress(self._version, "waiting"))
        while not await store.lead():  # noqa: ASYNC110  a lock in Postgres calls nobody
            await asyncio.sleep(_WAIT_SECONDS)

    async def _copy(self, versions: Versions, store: Store) -> None:
        """Fold in bulk up to where the live version is now, or else to the end of the log."""
        live, end = await _live(versions), await last_sequence(self._js)
        bulk = Store(store.connection, self._version, bulk=True)
        async with self._folding(bulk) as folding:
            await self._fold(folding, "copying", min(live.checkpoint, end) if live else end)

    async def _compared(self, versions: Versions, store: Store, folding: Folding) -> Built:
        """Fold to one place with the live version, and compare the two there."""
        while live := await _live(versions):
            if not await self._of_this_log(live):
                return Built(self._version, folding.checkpoint.sequence, live.number, None)
            await self._fold(folding, "catching up", live.checkpoint)
            async with _snapshot(self._dsn) as connection:
                now = await _live(Versions(connection))
                if not now or now.number != live.number:
                    continue
                if now.checkpoint - live.checkpoint > _NEAR:
                    continue
                await self._fold(folding, "catching up", now.checkpoint)
                self._tell(Progress(self._version, "comparing", folding.checkpoint.sequence))
                async with store.connection.transaction(readonly=True):
                    found = await compare(store.connection, self._version, connection, now.number)
                sequence = folding.checkpoint.sequence
                return Built(self._version, sequence, now.number, tuple(found))
        return Built(self._version, folding.checkpoint.sequence)

    async def _swap(self, versions: Versions, folding: Folding, replaced: int | None) -> None:
        await self._fold(folding, "catching up", await last_sequence(self._js))
        self._tell(Progress(self._version, "swapping", folding.checkpoint.sequence))
        await versions.swap(self._version, replaced, folding.until)
        self._tell(Progress(self._version, "done", folding.checkpoint.sequence))

    async def _fold(self, folding: Folding, phase: Phase, target: int) -> None:
        """Fold up to `target`, and say how it goes."""
        loop = asyncio.get_running_loop()
        begun, begun_at = folding.checkpoint.sequence, loop.time()
        for stop in range(begun + _REPORT, target, _REPORT):
            await folding.until(stop)
            seconds = loop.time() - begun_at
            checkpoint = folding.checkpoint.sequence
            rate = (checkpoint - begun) / seconds
            left = (target - checkpoint) / rate if rate else None
            self._tell(Progress(self._version, phase, checkpoint, target, rate, left))
        await folding.until(target)

    @asynccontextmanager
    async def _folding(self, store: Store) -> AsyncIterator[Folding]:
        try:
            checkpoint = await same_log(self._js, await store.checkpoint())
        except HaltError as error:
            remedy = f"python -m analytics drop {self._version}, then build again"
            raise HaltError(error.problem, remedy) from error
        consumer = analytics_consumer(self._version)
        await ensure_consumer(self._js, EVENTS, consumer)
        async with Feed.open(self._js, EVENTS, consumer, after=checkpoint.sequence) as feed:
            store.on_lost(feed.end)
            moved = await past(self._js, self._archive, after=checkpoint.sequence)
            history = History(feed, moved, after=checkpoint.sequence)
            folding = Folding(store, history, checkpoint)
            try:
                yield folding
            finally:
                await folding.stop()

    async def _own(self, versions: Versions) -> Version:
        return next(v for v in await versions.all() if v.number == self._version)

    async def _of_this_log(self, live: Version) -> bool:
        try:
            await same_log(
                self._js, Checkpoint(live.checkpoint, live.identity, live.stream_created)
            )
        except HaltError:
            return False
        return True


async def _live(versions: Versions) -> Version | None:
    return next((version for version in await versions.all() if version.live), None)


@asynccontextmanager
async def _snapshot(dsn: str) -> AsyncIterator[Postgres]:
    """Yield a connection that sees the database as it is now, whatever is written meanwhile."""
    async with (
        connect(dsn, "comparison") as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        yield connection
