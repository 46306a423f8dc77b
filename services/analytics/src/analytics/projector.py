"""Inbound edge: the log. Folds it into Postgres, each event once, and goes on after every fault.

A session begins with a look at where the tables stand and whether this is still their log; then it
takes what is there, writes it with the checkpoint in one transaction, and acknowledges, which is
flow control only. Any fault ends the session, and the next begins at the checkpoint.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import nats.errors
from nats.js import JetStreamContext
from nats.js.errors import Error as JetStreamError
from nats.js.errors import NotFoundError
from prometheus_client import Counter, Gauge, Histogram

from analytics.domain.guard import Checkpoint, Stream, regression
from analytics.domain.messages import Decoded, Message, decode
from analytics.feed import Feed, FeedError
from analytics.schema import SCHEMA, VERSION
from analytics.store import GONE, UNFIT, CheckpointMovedError, Store
from chassis.cancellation import heed_cancellation
from chassis.logs import logger
from chassis.service import Connection
from chassis.topology import ensure_consumer
from contracts.streams import EVENTS, analytics_consumer

CHECKPOINT = Gauge(
    "fingerpost_projection_checkpoint", "Sequence of the last event folded into the tables."
)
LAG = Gauge("fingerpost_projection_lag_events", "Events in the log that are not in the tables yet.")
BATCH_SIZE = Histogram(
    "fingerpost_projection_batch_size",
    "Events folded in one transaction.",
    buckets=(1, 2, 5, 10, 50, 100, 500, 1_000),
)
QUARANTINED = Counter(
    "fingerpost_projection_quarantined", "Messages that could not be folded and were set aside."
)

CONSUMER = analytics_consumer(VERSION)

_PAUSE_SECONDS = 1.0
_STALLED_SECONDS = 10.0
_FAULTS = (*GONE, nats.errors.Error, JetStreamError, FeedError, CheckpointMovedError)

log = logger(__name__)


class LogRegressionError(RuntimeError):
    """The log lost events that the tables were folded from; a person must decide."""


class Projector:
    """Folds the log into the database at `dsn`; any number may run, one of them works."""

    def __init__(self, dsn: str) -> None:
        self.checkpoint = Checkpoint()
        self.last_sequence: int | None = None
        self._dsn = dsn
        self._js: JetStreamContext | None = None
        self._problem: str | None = "not connected to the log yet"
        self._leading = False
        self._seen = self.checkpoint
        self._moved_at = 0.0

    async def run(self, connection: Connection) -> None:
        """Fold for ever; raises where a person must decide: a lost log, a consumer unlike ours."""
        self._js = connection.js
        while True:
            try:
                async with Store.open(self._dsn) as store:
                    await self._session(connection.js, store)
            except _FAULTS as error:
                self._problem = repr(error)
                log.warning("folding the log was interrupted; will go on", problem=self._problem)
            finally:
                self._leading = False
            heed_cancellation()
            await asyncio.sleep(_PAUSE_SECONDS)

    async def check(self) -> None:
        """Raise what keeps the tables from following the log; measures the lag."""
        if self._js is None:
            raise RuntimeError(self._problem)
        self.last_sequence = (await self._js.stream_info(EVENTS.name)).state.last_seq
        if self._problem:
            raise RuntimeError(self._problem)
        if self._leading:
            self._check_progress(max(0, self.last_sequence - self.checkpoint.sequence))

    def _check_progress(self, lag: int) -> None:
        LAG.set(lag)
        now = asyncio.get_running_loop().time()
        if lag == 0 or self.checkpoint != self._seen:
            self._seen, self._moved_at = self.checkpoint, now
        if now - self._moved_at > _STALLED_SECONDS:
            raise RuntimeError(f"{lag} events wait; none was folded for {_STALLED_SECONDS:g} s")

    async def _session(self, js: JetStreamContext, store: Store) -> None:
        await self._become_leader(store)
        await store.prepare()
        checkpoint = await self._same_log(js, await store.checkpoint())
        await ensure_consumer(js, EVENTS, CONSUMER)
        async with Feed.open(js, EVENTS, CONSUMER, after=checkpoint.sequence) as feed:
            store.on_lost(feed.end)
            self._stands_at(checkpoint)
            self._leading, self._problem = True, None
            log.info("folding the log", after=checkpoint.sequence)
            while True:
                heed_cancellation()
                new = _unseen(await feed.take(), checkpoint.sequence)
                if new:
                    checkpoint = await self._fold(store, [*map(decode, new)], checkpoint)
                await feed.acknowledge()

    async def _become_leader(self, store: Store) -> None:
        if await store.lead():
            return
        log.info("another replica folds the log; standing by")
        self._problem = None
        while not await store.lead():  # noqa: ASYNC110  a lock in Postgres calls nobody
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _same_log(self, js: JetStreamContext, checkpoint: Checkpoint) -> Checkpoint:
        info = await js.stream_info(EVENTS.name)
        if info.created is None:
            raise FeedError("the server does not say when the log was created")
        stream = Stream(info.created, info.state.last_seq, await _identity(js, checkpoint.sequence))
        problem = regression(checkpoint, stream)
        if problem:
            remedy = (
                "restore the log from its backup; or accept the loss and fold this log anew:"
                f" DROP SCHEMA {SCHEMA} CASCADE, then start analytics"
            )
            log.critical("the tables do not follow from this log", problem=problem, remedy=remedy)
            raise LogRegressionError(f"{problem}; {remedy}")
        return replace(checkpoint, stream_created=info.created)

    async def _fold(self, store: Store, batch: Sequence[Decoded], before: Checkpoint) -> Checkpoint:
        """Write `batch`; an event that cannot be folded is found by halving, and quarantined."""
        last = batch[-1]
        after = replace(before, sequence=last.message.sequence, identity=last.identity)
        try:
            await store.write(batch, before, after)
        except UNFIT as error:
            if len(batch) == 1:
                unfit = last._replace(event=None, problem=f"cannot be folded: {error!r}")
                await store.write([unfit], before, after)
                batch = [unfit]
            else:
                middle = len(batch) // 2
                halfway = await self._fold(store, batch[:middle], before)
                return await self._fold(store, batch[middle:], halfway)
        self._written(batch, after)
        return after

    def _written(self, batch: Sequence[Decoded], checkpoint: Checkpoint) -> None:
        self._stands_at(checkpoint)
        BATCH_SIZE.observe(len(batch))
        for item in batch:
            if item.event is None:
                QUARANTINED.inc()
                log.error(
                    "message quarantined", sequence=item.message.sequence, problem=item.problem
                )

    def _stands_at(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        CHECKPOINT.set(checkpoint.sequence)


def _unseen(taken: Sequence[Message], after: int) -> list[Message]:
    """Return what follows sequence `after`, in order.

    What waited too long is handed over again, behind what waits here: it may be in `taken` twice.
    """
    unseen = []
    for message in taken:
        if message.sequence > after:
            unseen.append(message)
            after = message.sequence
    return unseen


async def _identity(js: JetStreamContext, sequence: int) -> str | None:
    """Return whose message stands at `sequence`, None where there is none (any more)."""
    if sequence == 0:
        return None
    try:
        found = await js.get_msg(EVENTS.name, sequence)
    except NotFoundError:
        return None
    return decode(Message(sequence, found.subject or "", {}, found.data or b"")).identity
