"""Moves what is sealed out of the log, into the archive; whatever stops it, repeating finishes it.

1. The events are written into files, each of which counts once it is whole, and in the manifest.
2. Every event that is to go is read from the log again and compared with the file that holds it,
   bytes and all: what was written before this run, too.
3. The log says that they were moved. From then on whoever begins to read it asks for the archive.
4. Whoever had begun before is waited for.
5. The events are removed from the log. What is removed was compared in 2, in this very run.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, cast

from nats.js.api import AckPolicy, ConsumerInfo
from nats.js.errors import NotFoundError

from analytics.archive import MOST_BYTES, MOST_RECORDS, Archive, Record
from analytics.continuity import last_sequence, noted, unnoted
from analytics.domain.guard import HaltError
from analytics.domain.messages import Message, decode
from analytics.domain.sealing import (
    BYTES_OF_A_SUBJECT,
    MESSAGES,
    SEALED,
    Bound,
    Position,
    bound,
    too_young,
)
from analytics.feed import Feed, FeedError
from analytics.postgres import Postgres
from analytics.schema import ANALYSTS
from chassis.clock import Clock
from chassis.leader import leaders_info
from chassis.service import Connection
from chassis.topology import Moved, NotKeptError, move_out, moved_out, note_moved
from contracts.events import CampaignDefined
from contracts.streams import EVENTS
from contracts.subjects import CAMPAIGNS, due_of

Phase = Literal["reading", "comparing", "waiting", "removing"]

_LOOK_SECONDS = 0.5
_PATIENCE_SECONDS = 60.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HELD = f"SELECT delivery FROM {ANALYSTS}.deliveries WHERE state = 'uncertain' AND reason = 'hold'"  # noqa: S608
_STATUS = f"SELECT checkpoint FROM {ANALYSTS}.projection_status"  # noqa: S608  our own name
_OF_MESSAGES = MESSAGES.removesuffix(">")


class StillReadError(RuntimeError):
    """Somebody reads of the log what is to be removed; all is kept, and repeating goes on."""


@dataclass(frozen=True)
class Progress:
    """What is done, and how many events that was done with."""

    phase: Phase
    events: int = 0


@dataclass
class Moving:
    """What is moved: events by their fact, their bytes, and how many subjects they stand on."""

    through: int = 0
    by_fact: Counter[str] = field(default_factory=Counter)
    bytes: int = 0
    bound: Bound = field(default_factory=lambda: Bound(0))
    _once: int = 0
    _several: set[int] = field(default_factory=set)

    @property
    def events(self) -> int:
        """How many there are."""
        return self.by_fact.total()

    @property
    def memory(self) -> int:
        """Bytes of the broker's memory that their subjects take, about; some may stay."""
        return BYTES_OF_A_SUBJECT * (self._once + len(self._several))

    def add(self, record: Record) -> None:
        """Count an event."""
        self.through = record.sequence
        self.by_fact[".".join(record.subject.split(".", 2)[:2])] += 1
        self.bytes += len(record.data) + len(record.headers) + len(record.subject)
        if record.subject.startswith(_OF_MESSAGES):  # said once each: one subject, one event
            self._once += 1
        else:
            self._several.add(hash(record.subject))


class Archiving:
    """Moves events into `folder` by one connection to Postgres; not for concurrent use."""

    def __init__(
        self,
        connection: Postgres,
        log: Connection,
        folder: Path,
        tell: Callable[[Progress], None] = lambda _: None,
    ) -> None:
        self._connection = connection
        self._log = log
        self._folder = folder
        self._tell = tell

    async def refusal(self, before: datetime, clock: Clock) -> str | None:
        """Return why events until `before` cannot be moved yet, and which can; None: they can."""
        said = await self._log.reader.replay((CAMPAIGNS,))
        facts = [entry.envelope.data for entry in said]
        plans = [fact.definition for fact in facts if isinstance(fact, CampaignDefined)]
        young = too_young(before, clock(), plans)
        return f"{young.why}; the latest is {young.since:%Y-%m-%d}" if young else None

    async def look(self, before: datetime) -> Moving:
        """Tell what `run` would move."""
        await self._open()
        moving = Moving(bound=await self._bound())
        async for record in self._sealed(await self._noted(), moving.bound, before):
            moving.add(record)
        return moving

    async def run(self, before: datetime) -> Moving:
        """Move what was said until `before`; raises HaltError, StillReadError, FeedError."""
        archive = await self._open() or await self._begin()
        till = await self._noted()
        if not await self._lost_note():
            # What the log does not say was moved still stands in it, but for who was forgotten.
            await self._spare_what_was_lost(archive, till)
            await asyncio.to_thread(archive.back_to, till)
        await asyncio.to_thread(archive.sweep)
        moving = Moving(bound=await self._bound())
        await self._write(archive, moving, before)
        if through := archive.manifest.through:
            left = await self._compare(archive)
            await self._note(archive)
            await self._wait(through)
            await self._remove(archive, left)
        return moving

    async def _open(self) -> Archive | None:
        """Return the archive in the folder, None for none yet; raises HaltError for another's."""
        # One that the log names is its own, also where the log was restored, and so created anew.
        own = await noted(await moved_out(self._log.js, EVENTS), self._folder)
        archive = await asyncio.to_thread(Archive.open, self._folder)
        if archive and not own and archive.manifest.stream_created != await self._created():
            raise HaltError(
                f"{self._folder} holds the archive of a log that was created at"
                f" {archive.manifest.stream_created}",
                "name another folder",
            )
        return archive

    async def _begin(self) -> Archive:
        return await asyncio.to_thread(Archive.begin, self._folder, await self._created())

    async def _noted(self) -> int:
        """Return up to where the log says that events were moved, 0 for none."""
        moved = await moved_out(self._log.js, EVENTS)
        return moved.through if moved else 0

    async def _lost_note(self) -> bool:
        """Tell whether events were moved of which the log says nothing any more: say it again."""
        moved = await moved_out(self._log.js, EVENTS)
        return await unnoted(self._log.js, self._folder, moved) is not None

    async def _note(self, archive: Archive) -> None:
        """Let the log say what is moved; raises HaltError where another writes the archive."""
        # The lock ends with its connection, and then somebody else may be at work.
        await self._connection.fetchval("SELECT 1")
        if await asyncio.to_thread(archive.changed):
            raise HaltError(
                f"somebody else wrote to the archive in {archive.folder} meanwhile",
                "what was not moved still stands in the log; repeat",
            )
        try:
            await note_moved(
                self._log.js, EVENTS, Moved(archive.manifest.name, archive.manifest.through)
            )
        except NotKeptError as error:
            raise FeedError(str(error)) from error

    async def _spare_what_was_lost(self, archive: Archive, noted: int) -> None:
        """Raise HaltError where files would be written anew that hold what the log has lost."""
        newer = archive.behind(noted)
        if not newer:
            return
        last = (await asyncio.to_thread(archive.records, newer[-1]))[-1]
        if await self._was_lost(last):
            names = ", ".join(file.name for file in newer)
            raise HaltError(
                f"the log says that events up to sequence {noted} were moved, and has lost what the"
                f" archive in {archive.folder} holds behind them: it was restored from an older"
                " backup",
                f"move these files out of the folder and keep them, then repeat: {names}",
            )

    async def _was_lost(self, record: Record) -> bool:
        """Tell whether the log ends before a record, or has another event in its place."""
        if await last_sequence(self._log.js) < record.sequence:
            return True
        try:
            found = await self._log.js.get_msg(EVENTS.name, record.sequence)
        except NotFoundError:  # its person was forgotten since
            return False
        there = Message(record.sequence, found.subject or "", {}, found.data or b"")
        return decode(there).identity != decode(record.message).identity

    async def _created(self) -> str:
        info = await leaders_info(self._log.js, EVENTS.name)
        return info.created.isoformat() if info.created else ""

    async def _bound(self) -> Bound:
        """Return how far all is done with that is to be done with these events."""
        last = await last_sequence(self._log.js)
        live = (await self._connection.fetchrow(_STATUS))["checkpoint"]
        durable = [_position(info) for info in await self._consumers() if info.config.durable_name]
        held = [
            Position(f"the uncertain delivery {name}", entry.sequence - 1, busy=True)
            for (name,) in await self._connection.fetch(_HELD)
            if (entry := await self._log.reader.last(due_of(name)))
        ]
        return bound(last, (Position("the live tables", live, busy=True), *durable, *held))

    async def _write(self, archive: Archive, moving: Moving, before: datetime) -> None:
        records: list[Record] = []
        size = 0
        begin = archive.manifest.through
        async for record in self._sealed(begin, moving.bound, before):
            records.append(record)
            moving.add(record)
            size += len(record.data) + len(record.headers)
            if len(records) == MOST_RECORDS or size >= MOST_BYTES:
                await asyncio.to_thread(archive.add, records)
                records, size = [], 0
                self._tell(Progress("reading", moving.events))
        if records:
            await asyncio.to_thread(archive.add, records)

    async def _sealed(self, begin: int, till: Bound, before: datetime) -> AsyncIterator[Record]:
        """Yield what is to be moved behind sequence `begin`."""
        limit = (before - _EPOCH) // (before.resolution) * 1_000
        async for record in self._standing():
            if record.sequence > till.sequence or record.stored_at >= limit:
                return
            if record.sequence > begin:
                yield record

    async def _standing(self) -> AsyncIterator[Record]:
        """Yield what stands in the log of what is moved one day."""
        async with Feed.replay(self._log.js, EVENTS, SEALED) as feed:
            while feed.waiting or not await feed.exhausted():
                for message in await feed.take():
                    yield _record(message)

    async def _compare(self, archive: Archive) -> list[int]:
        """Return the sequences of what is in the log and, all the same, in the archive.

        Raises HaltError where something that would be removed is not.
        """
        same: list[int] = []
        held: Iterator[list[Record]] | None = None
        known: dict[int, Record] = {}
        async for record in self._standing():
            if record.sequence > archive.manifest.through:
                break
            held = held or archive.after(record.sequence - 1)
            while record.sequence not in known:
                if (found := await asyncio.to_thread(next, held, None)) is None:
                    break
                known = {one.sequence: one for one in found}
                self._tell(Progress("comparing", len(same)))
            if known.get(record.sequence) != record:
                raise HaltError(
                    f"sequence {record.sequence} of the log, {record.subject}, is not in the"
                    f" archive in {archive.folder} as it is in the log",
                    "nothing was removed; repeat, which writes anew what was not moved yet, and if"
                    " it says the same, restore the folder from its backup",
                )
            same.append(record.sequence)
        return same

    async def _wait(self, through: int) -> None:
        """Wait for those who had begun to read before the log said what was moved."""
        self._tell(Progress("waiting"))
        loop = asyncio.get_running_loop()
        till = loop.time() + _PATIENCE_SECONDS
        while True:
            behind = bound(through, map(_position, await self._consumers()))
            if behind.by is None:
                return
            if loop.time() > till:
                raise StillReadError(
                    f"the consumer {behind.by} stands at sequence {behind.sequence}, and what is"
                    f" removed goes up to {through}"
                )
            await asyncio.sleep(_LOOK_SECONDS)

    async def _remove(self, archive: Archive, left: list[int]) -> None:
        if not left:
            return
        done = 0
        for file in archive.manifest.files:  # in steps: each is answered soon
            if file.last >= left[0]:
                await self._note(archive)
                await move_out(self._log.js, EVENTS, SEALED, through=file.last)
                done += file.records
                self._tell(Progress("removing", done))
        await self._note(archive)  # who read the log's settings before it may have written since

    async def _consumers(self) -> list[ConsumerInfo]:
        found: list[ConsumerInfo] = []
        while some := await self._log.js.consumers_info(EVENTS.name, offset=len(found)):
            found += some
        return found


def _position(info: ConsumerInfo) -> Position:
    acknowledges = info.config.ack_policy not in (None, AckPolicy.NONE)
    place = info.ack_floor if acknowledges else info.delivered
    busy = bool(info.num_pending or info.num_ack_pending)
    return Position(info.name, place.stream_seq if place else 0, busy=busy)


def _record(message: Message) -> Record:
    """Return a message as a feed hands it over, with the time at which the log took it."""
    tokens = message.reply.split(".")
    taken = int(tokens[7 if len(tokens) == 9 else 9])  # noqa: PLR2004  as the feed reads it
    headers = cast("bytes", message.headers)
    return Record(message.sequence, message.subject, headers, taken, message.data)
