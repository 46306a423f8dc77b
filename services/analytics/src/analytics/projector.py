"""Inbound edge: the log. Folds it into Postgres, each event once, and goes on after every fault.

A session begins with a look at which version is to be folded, where it stands and whether this is
still its log; then it takes what is there, writes it with the checkpoint in one transaction, and
acknowledges, which is flow control only. Any fault ends the session, and the next begins at the
checkpoint. What a person must decide halts it: readiness says so, with the remedy, until it is so.
"""

import asyncio
from pathlib import Path

import nats.errors
from nats.js import JetStreamContext
from nats.js.errors import Error as JetStreamError
from prometheus_client import Gauge

from analytics import schema
from analytics.analysts import admit_analysts
from analytics.builder import Builder, Progress
from analytics.continuity import last_sequence, past, same_log
from analytics.domain.guard import Checkpoint, HaltError
from analytics.domain.versions import Begin, Build, Follow, Task, Wait, task
from analytics.feed import Feed, FeedError
from analytics.folding import Folding
from analytics.history import History
from analytics.postgres import GONE, connect
from analytics.store import CheckpointMovedError, Store
from analytics.versions import InUseError, Versions
from chassis.cancellation import heed_cancellation
from chassis.logs import logger
from chassis.service import Connection
from chassis.topology import DestructiveChangeError, ensure_consumer
from contracts.streams import EVENTS, analytics_consumer

CHECKPOINT = Gauge(
    "fingerpost_projection_checkpoint", "Sequence of the last event folded into the tables."
)
LAG = Gauge("fingerpost_projection_lag_events", "Events in the log that are not in the tables yet.")
LAST = Gauge("fingerpost_projection_log_sequence", "Sequence of the last event in the log.")
FOLDING = Gauge(
    "fingerpost_projection_folding", "1 while this process folds the log, 0 while it does not."
)
HALTED = Gauge(
    "fingerpost_projection_halted", "1 while folding waits for a person's decision, else 0."
)
BUILD_LEFT = Gauge(
    "fingerpost_projection_build_left_events", "Events that a new version has yet to fold."
)

_LONG = 50_000
"""A log of more events is copied in bulk when it is met first: in less than half of the time."""

_PAUSE_SECONDS = 1.0
_HALT_SECONDS = 5.0
_REMIND_SECONDS = 300.0
_STALLED_SECONDS = 10.0
_FAULTS = (*GONE, nats.errors.Error, JetStreamError, FeedError, CheckpointMovedError)

log = logger(__name__)


class Projector:
    """Folds the log into the database at `dsn`; any number may run, one of them works."""

    def __init__(self, dsn: str, archive: Path | None = None) -> None:
        """`archive`: where the archive is that holds what was moved out of the log."""
        self.checkpoint = Checkpoint()
        self.last_sequence: int | None = None
        self._dsn = dsn
        self._archive = archive
        self._js: JetStreamContext | None = None
        self._problem: str | None = "not connected to the log yet"
        self._word: str | None = None
        self._leading = False
        self._seen = self.checkpoint
        self._moved_at = 0.0
        self._halted: str | None = None
        self._reminded_at = float("-inf")

    async def run(self, connection: Connection) -> None:
        """Fold for ever."""
        self._js = connection.js
        while True:
            pause = _PAUSE_SECONDS
            try:
                await self._work(connection.js)
            except HaltError as error:
                self._halt(error)
                pause = _HALT_SECONDS
            except _FAULTS as error:
                self._problem = repr(error)
                log.warning("folding the log was interrupted; will go on", problem=self._problem)
            finally:
                self._leading = False
            heed_cancellation()
            await asyncio.sleep(pause)

    async def check(self) -> str | None:
        """Raise what keeps the tables from following the log; measures the lag."""
        if self._js is None:
            raise RuntimeError(self._problem)
        self.last_sequence = await last_sequence(self._js)
        LAST.set(self.last_sequence)
        FOLDING.set(self._leading)
        if self._problem:
            raise RuntimeError(self._problem)
        if self._leading:
            self._check_progress(max(0, self.last_sequence - self.checkpoint.sequence))
        return self._word

    def _check_progress(self, lag: int) -> None:
        LAG.set(lag)
        now = asyncio.get_running_loop().time()
        if lag == 0 or self.checkpoint != self._seen:
            self._seen, self._moved_at = self.checkpoint, now
        if now - self._moved_at > _STALLED_SECONDS:
            raise RuntimeError(f"{lag} events wait; none was folded for {_STALLED_SECONDS:g} s")

    def _halt(self, error: HaltError) -> None:
        self._problem = f"halted: {error}"
        HALTED.set(1)
        now = asyncio.get_running_loop().time()
        if self._halted != error.problem or now - self._reminded_at > _REMIND_SECONDS:
            self._halted, self._reminded_at = error.problem, now
            log.critical("folding the log is halted", problem=error.problem, remedy=error.remedy)

    def _works(self, word: str | None = None) -> None:
        """Be ready, with a word on how."""
        self._problem, self._halted, self._word = None, None, word
        HALTED.set(0)

    async def _work(self, js: JetStreamContext) -> None:
        """Do what the database's versions ask for, until something changes."""
        try:
            match await self._task():
                case Follow(version):
                    await self._follow(js, version)
                case Begin(version) if await last_sequence(js) > _LONG:
                    await self._build(js, version, new=True)
                case Begin(version):
                    await self._begin(version)
                    await self._follow(js, version)
                case Build(version, new):
                    await self._build(js, version, new=new)
                case Wait(version):
                    self._works(f"version {version} of a newer release is live; nothing to do")
                    await asyncio.sleep(_HALT_SECONDS)
        except (InUseError, DestructiveChangeError) as error:
            problem, _, remedy = str(error).partition("; ")
            raise HaltError(problem, remedy) from error

    async def _task(self) -> Task:
        async with (
            connect(self._dsn, "catalogue") as connection,
            # As of one moment: what another one makes meanwhile would be there, and not live.
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            return task(await Versions(connection).all(), schema.FOLD)

    async def _begin(self, version: int) -> None:
        """Make the first version, unless another replica is just doing it."""
        async with Store.open(self._dsn, version) as store:
            await self._become_leader(store)
            versions = Versions(store.connection)
            if version not in {known.number for known in await versions.all()}:
                await versions.begin(version)
                log.info("made the tables", version=version)

    async def _build(self, js: JetStreamContext, version: int, *, new: bool) -> None:
        """Build a version of this release's tables beside what is live, and give it to analysts."""
        self._problem = f"version {version} is being built by another replica"
        async with Store.open(self._dsn, version) as store:
            while not await store.lead():
                await asyncio.sleep(_PAUSE_SECONDS)
                if isinstance(await self._task(), Follow):
                    return  # who built it was faster, and folds on
            versions = Versions(store.connection)
            if new and version not in {known.number for known in await versions.all()}:
                await versions.create(version)
        log.info("building a version of the tables", version=version)
        builder = Builder(self._dsn, js, version, self._tell, archive=self._archive)
        built = await builder.run(accept_differences=True)
        BUILD_LEFT.set(0)
        log.info(
            "analysts were given a version of the tables",
            version=version,
            replaced=built.replaced,
            differing={
                table.table: len(table.differences)
                for table in built.comparison or ()
                if table.differences
            },
        )

    def _tell(self, progress: Progress) -> None:
        left = max(0, progress.target - progress.checkpoint)
        BUILD_LEFT.set(left)
        word = f"version {progress.version} is being built: {progress.phase}"
        if progress.seconds_left is not None:
            word += f", {left} events and about {progress.seconds_left:.0f} s left"
        # Not ready: a rolling update then leaves the release that folds the live version running.
        self._problem = word

    async def _follow(self, js: JetStreamContext, version: int) -> None:
        async with Store.open(self._dsn, version) as store:
            await self._become_leader(store)
            if await self._task() != Follow(version):
                return  # while this one stood by, analysts were given another version
            if await Versions(store.connection).refresh(version):
                log.info("analysts were given this release's views", version=version)
            await admit_analysts(store.connection)
            checkpoint = await same_log(js, await store.checkpoint())
            consumer = analytics_consumer(version)
            await ensure_consumer(js, EVENTS, consumer)
            async with Feed.open(js, EVENTS, consumer, after=checkpoint.sequence) as feed:
                store.on_lost(feed.end)
                moved = await past(js, self._archive, after=checkpoint.sequence)
                history = History(feed, moved, after=checkpoint.sequence)
                self._stands_at(checkpoint)
                self._works()
                self._leading = True
                log.info("folding the log", version=version, after=checkpoint.sequence)
                folding = Folding(store, history, checkpoint, self._stands_at, live=True)
                await _for_ever(folding)

    async def _become_leader(self, store: Store) -> None:
        if await store.lead():
            return
        log.info("another replica folds the log; standing by", version=store.version)
        self._works("standing by")
        await self._lead(store)

    async def _lead(self, store: Store) -> None:
        while not await store.lead():  # noqa: ASYNC110  a lock in Postgres calls nobody
            await asyncio.sleep(_PAUSE_SECONDS)

    def _stands_at(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        CHECKPOINT.set(checkpoint.sequence)


async def _for_ever(folding: Folding) -> None:
    try:
        while True:
            heed_cancellation()
            await folding.step()
    finally:
        await folding.stop()
