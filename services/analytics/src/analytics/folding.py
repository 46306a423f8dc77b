"""Folds what a feed hands over into one version: the same while it is built and while it is live.

While one batch is written, the next is read and decoded. A batch that holds an event that cannot
be folded is halved until that event stands alone, and is quarantined.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from time import perf_counter

from prometheus_client import Counter, Histogram

from analytics.domain.guard import Checkpoint
from analytics.domain.messages import Decoded, Message, decode, pairs
from analytics.feed import Feed
from analytics.history import History
from analytics.store import UNFIT, Store
from chassis import tracing
from chassis.cancellation import heed_cancellation
from chassis.logs import detailed, logger

BATCH_SIZE = Histogram(
    "fingerpost_projection_batch_size",
    "Events folded in one transaction.",
    buckets=(1, 2, 5, 10, 50, 100, 500, 1_000, 2_000),
)
BATCH_SECONDS = Histogram(
    "fingerpost_projection_batch_seconds",
    "Time that the transaction of a batch took.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5, 20),
)
QUARANTINED = Counter(
    "fingerpost_projection_quarantined_total",
    "Messages that could not be folded and were set aside.",
)

log = logger(__name__)


class Folding:
    """Where one version stands, and what moves it on."""

    def __init__(
        self,
        store: Store,
        feed: Feed | History,
        checkpoint: Checkpoint,
        tell: Callable[[Checkpoint], None] = lambda _: None,
        *,
        live: bool = False,
    ) -> None:
        """`tell` is called with each new checkpoint.

        Only of the `live` version each event is told, to traces and debug logs: not of a rebuild.
        """
        self.checkpoint = checkpoint
        self._store = store
        self._feed = feed
        self._tell = tell
        self._live = live
        self._taken = checkpoint.sequence
        self._ahead: list[Message] = []
        self._writing: asyncio.Task[None] | None = None

    async def step(self, limit: int | None = None) -> None:
        """Take what is there, up to sequence `limit`, and write it while the next is read.

        Raises FeedError, CheckpointMovedError, or what Postgres does while it is away.
        """
        if not (self._ahead or self._feed.waiting):
            await self.settle()
        taken, self._ahead = self._ahead or await self._feed.take(), []
        if limit is not None:
            self._ahead = [message for message in taken if message.sequence > limit]
            taken = taken[: len(taken) - len(self._ahead)]
        new = self._unseen(taken)
        batch = [decode(message) for message in new]
        await self.settle()
        if taken:
            last = new[-1] if new else taken[-1]
            self._writing = asyncio.create_task(self._write(batch, last))

    async def until(self, limit: int) -> None:
        """Fold everything up to sequence `limit`, and nothing behind it."""
        while self._taken < limit:
            if self._ahead and self._ahead[0].sequence > limit:
                break
            if not (self._ahead or self._feed.waiting) and await self._feed.exhausted():
                break
            await self.step(limit)
        await self.settle()

    async def settle(self) -> None:
        """Wait for the write that is under way, and raise what became of it."""
        writing, self._writing = self._writing, None
        if writing:
            await writing
            heed_cancellation()

    async def stop(self) -> None:
        """Give up the write that is under way, if there is one: it is folded again later."""
        writing, self._writing = self._writing, None
        if writing:
            writing.cancel()
            await asyncio.wait([writing])

    def _unseen(self, taken: Sequence[Message]) -> list[Message]:
        """Return what follows, in order.

        What waited too long is handed over again, behind what waits here: it may come twice.
        """
        unseen = []
        for message in taken:
            if message.sequence > self._taken:
                unseen.append(message)
                self._taken = message.sequence
        return unseen

    async def _write(self, batch: Sequence[Decoded], last: Message) -> None:
        if batch:
            await self._fold(batch)
        await self._feed.acknowledge(last)

    async def _fold(self, batch: Sequence[Decoded]) -> None:
        before, last = self.checkpoint, batch[-1]
        after = replace(
            before,
            sequence=last.message.sequence,
            identity=last.identity,
            behind=last.message.left,
        )
        begun = perf_counter()
        try:
            await self._store.write(batch, before, after)
        except UNFIT as error:
            if len(batch) == 1:
                unfit = last._replace(event=None, problem=f"cannot be folded: {error!r}")
                await self._store.write([unfit], before, after)
                batch = [unfit]
            else:
                middle = len(batch) // 2
                await self._fold(batch[:middle])
                return await self._fold(batch[middle:])
        self._written(batch, after, perf_counter() - begun)
        return None

    def _written(self, batch: Sequence[Decoded], checkpoint: Checkpoint, seconds: float) -> None:
        self.checkpoint = checkpoint
        self._tell(checkpoint)
        BATCH_SIZE.observe(len(batch))
        BATCH_SECONDS.observe(seconds)
        if self._live:
            tracing.folded(_rows(batch), seconds)
            if detailed():
                _list(batch)
        for item in batch:
            if item.event is None:
                QUARANTINED.inc()
                log.error(
                    "message quarantined",
                    sequence=item.message.sequence,
                    subject=item.message.subject,
                    problem=item.problem,
                )


def _rows(batch: Sequence[Decoded]) -> Iterator[tracing.Row]:
    for message, event, _ in batch:
        if event:
            yield tracing.Row(message.subject, event.correlationid, pairs(message.headers))


def _list(batch: Sequence[Decoded]) -> None:
    for message, event, _ in batch:
        if event:
            log.debug(
                "folded",
                id=event.id,
                correlation_id=event.correlationid,
                sequence=message.sequence,
            )
