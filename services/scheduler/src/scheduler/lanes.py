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
    batches,
    first_delivery,
    first_fired,
    horizon,
    recent,
)
from scheduler.domain.timetable import INSTANT

_LATE = timedelta(minutes=1)


@dataclass
class Lane:
    """One campaign on its way through time."""

    state: CampaignState
    recovered: bool = False
    planned_at: datetime | None = None
    busy: bool = False
    answered: set[str] = field(default_factory=set)
    slot_at: datetime | None = None
    _fired: dict[datetime, datetime] = field(default_factory=dict)
    _saying: set[asyncio.Task[None]] = field(default_factory=set)
    _ahead: Iterator[Batch] | None = None
    _head: Batch | None = None

    def recover(self, fired: datetime | None) -> None:
        """Begin after `fired`, up to which all is in the log; None: the log says nothing yet."""
        self.recovered = True
        if fired:
            self._fired = {era.begin: fired for era in self.state.eras}

    def changed(self, state: CampaignState) -> None:
        """Go on by another plan from where the campaign is settled."""
        self.state = state
        self._ahead = None

    @property
    def next_at(self) -> datetime | None:
        """When the next batch is to be fired, as far as it is known."""
        return self._head.fire_at if self._head else None

    def passed(self, now: datetime) -> list[Batch]:
        """Take what was to be fired until `now`, oldest first; see what comes next.

        What is not said afterwards, by `saying`, is taken again after `changed`.
        """
        if self._ahead is None or (self._head and now - self._head.fire_at > _LATE):
            self._begin(now)
        taken = []
        while self._head and self._head.fire_at <= now:
            taken.append(self._head)
            self._head = self._next()
        return taken

    def saying(self, batch: Batch, task: asyncio.Task[None]) -> None:
        """Count `batch` as settled: `task` repeats it until the log has it."""
        self.settle(batch)
        self._saying.add(task)
        task.add_done_callback(self._saying.discard)

    def settle(self, batch: Batch) -> None:
        """Count `batch` as settled."""
        self._fired[batch.era.begin] = batch.fire_at
        self.slot_at = batch.slot.at

    async def silence(self) -> None:
        """Wait until all that is being said is in the log."""
        if self._saying:
            await asyncio.wait(self._saying)

    def requests(self) -> list[Request]:
        """Return the requests that were not answered yet; they are counted as answered."""
        found = [request for request in self.state.requests if request.id not in self.answered]
        self.answered = {request.id for request in self.state.requests}
        return found

    def _begin(self, now: datetime) -> None:
        """Start where it is settled, but never further back than the horizon."""
        oldest = horizon(self.state, now)
        self._fired = {
            era.begin: max(self._fired.get(era.begin, era.begin), oldest) for era in self.state.eras
        }
        self._ahead = batches(self.state, self._fired)
        self._head = self._next()

    def _next(self) -> Batch | None:
        return next(self._ahead, None) if self._ahead else None


async def recover(reader: Reader, state: CampaignState, now: datetime) -> datetime | None:
    """Return up to when all was said of what was to be fired; None where the log says nothing.

    Slots are begun in their order, so that all before the newest one in the log are settled.
    Raises an error of nats-py while the log is out of reach.
    """
    slots = recent(state, now)

    async def said(index: int) -> bool:
        return await _ordinal(reader, first_delivery(slots[index])) is not None

    newest = await _last_that_holds(said, len(slots))
    if newest is None:
        return None
    era, at = slots[newest]
    ordinal = await _ordinal(reader, first_delivery(slots[newest]))
    if ordinal is not None:
        era.timetable.know(at, ordinal)
    # Another channel's event of that slot may be missing: it is said again, and nothing twice.
    return first_fired(era, at) - INSTANT


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
