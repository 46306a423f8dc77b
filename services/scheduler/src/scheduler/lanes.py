"""How far each campaign is settled: found in the log after a start, kept in memory since."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from chassis.log import Reader
from contracts.envelope import UnreadableEventError
from contracts.ids import DeliveryId
from contracts.subjects import due_of, missed_of
from scheduler.domain.campaigns import CampaignState, Request
from scheduler.domain.slots import (
    Batch,
    Cursor,
    batches,
    first_delivery,
    recent,
    settled_before,
    unsettled,
)

_LATE = timedelta(minutes=1)


@dataclass
class Lane:
    """One campaign on its way through time."""

    state: CampaignState
    cursor: Cursor | None = None
    planned_at: datetime | None = None
    busy: bool = False
    answered: set[str] = field(default_factory=set)
    slot_at: datetime | None = None
    _saying: set[asyncio.Task[None]] = field(default_factory=set)
    _ahead: Iterator[Batch] | None = None
    _head: Batch | None = None

    def changed(self, state: CampaignState) -> None:
        """Go on by another plan from where the campaign is settled."""
        self.state = state
        self._ahead = None

    @property
    def next_at(self) -> datetime | None:
        """When the next batch is to be fired, as far as it is known."""
        return self._head.fire_at if self._head else None

    def passed(self, now: datetime) -> list[Batch]:
        """Take what was to be fired until `now`, oldest first; see what comes next."""
        if self._ahead is None or (self._head and now - self._head.fire_at > _LATE):
            self._begin(now)
        taken = []
        while self._head and self._head.fire_at <= now:
            taken.append(self._head)
            self._head = self._next()
        return taken

    def saying(self, batch: Batch, task: asyncio.Task[None]) -> None:
        """Count `batch` as settled: `task` repeats it until the log has it."""
        self.cursor = batch.settled
        self.slot_at = batch.slot.at
        self._saying.add(task)
        task.add_done_callback(self._saying.discard)

    async def silence(self) -> None:
        """Wait until all that is being said is in the log."""
        if self._saying:
            await asyncio.wait(self._saying)

    def requests(self) -> list[Request]:
        """Return the requests that were not answered yet."""
        return [request for request in self.state.requests if request.id not in self.answered]

    def _begin(self, now: datetime) -> None:
        """Start from the cursor, but never further back than the horizon."""
        horizon = unsettled(self.state, now)
        if self.cursor is None or self.cursor.slot < horizon.slot:
            self.cursor = horizon
        self._ahead = batches(self.state, self.cursor)
        self._head = self._next()

    def _next(self) -> Batch | None:
        return next(self._ahead, None) if self._ahead else None


async def recover(reader: Reader, state: CampaignState, now: datetime) -> Cursor | None:
    """Return how far the log says that the campaign is settled; None where it says nothing.

    Slots are said in their order, so that all before the newest one in the log are settled.
    Raises an error of nats-py while the log is out of reach.
    """
    slots = recent(state, now)

    async def said(index: int) -> bool:
        return await _ordinal(reader, first_delivery(slots[index])) is not None

    newest = await _last_that_holds(said, len(slots))
    if newest is None:
        return None
    ordinal = await _ordinal(reader, first_delivery(slots[newest]))
    return settled_before(slots[newest][1], ordinal)


async def _last_that_holds(holds: Callable[[int], Awaitable[bool]], count: int) -> int | None:
    """Return the last index that `holds`, which every index up to some one does; None for none."""
    if count and await holds(count - 1):  # nearly always
        return count - 1
    low, high = 0, count - 1
    while low < high:
        middle = (low + high) // 2
        if await holds(middle):
            low = middle + 1
        else:
            high = middle
    return low - 1 if low > 0 else None


async def _ordinal(reader: Reader, delivery: DeliveryId) -> int | None:
    """Return the number of a slot that was said, None where the log says nothing of it."""
    for subject in (due_of(delivery), missed_of(delivery)):
        try:
            entry = await reader.last(subject)
        except UnreadableEventError:
            continue  # it is said again, and refused
        if entry:
            return int(getattr(entry.envelope.data, "ordinal", 0))
    return None
