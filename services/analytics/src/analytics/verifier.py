"""Holds the tables of one version against a plain fold of the log, row by row.

The log is read from its beginning and sorted by rows outside memory; each row is then told by its
definition, without SQL, and compared with the one in the table as both come in the order of keys.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nats.js import JetStreamContext

from analytics.comparison import rows
from analytics.continuity import past, same_log
from analytics.domain.differences import Difference, differences
from analytics.domain.fold import Entry
from analytics.domain.guard import Checkpoint
from analytics.domain.messages import decode
from analytics.domain.packing import act_of, stretch_of
from analytics.domain.plain_fold import Zones, row_of, strands
from analytics.domain.versions import Version
from analytics.feed import Feed
from analytics.history import History
from analytics.postgres import Postgres
from analytics.schema import name_of
from analytics.schema.tables import QUARANTINE, STRETCHES, TABLES, Table
from analytics.spool import Spool
from contracts.envelope import Envelope
from contracts.streams import EVENTS

MOST = 20
"""Differences that are told of one table."""


@dataclass(frozen=True)
class Verified:
    """One table: how many of its rows are as the log has it, and the first that are not."""

    table: str
    rows: int
    differences: tuple[Difference, ...]


class Verifier:
    """Verifies one version, as it stood when `connection` began to read (one transaction)."""

    def __init__(
        self,
        connection: Postgres,
        js: JetStreamContext,
        version: Version,
        tell: Callable[[int, int], None] = lambda _, __: None,
        *,
        archive: Path | None = None,
    ) -> None:
        """`tell` hears how many of how many events were read; `archive` is a folder."""
        self._connection = connection
        self._js = js
        self._archive = archive
        self._version = version
        self._tell = tell
        self._zones = Zones()
        self._acts = Spool()

    async def run(self) -> list[Verified]:
        """Compare every table; raises HaltError where the log is another one."""
        stands = self._version
        await same_log(
            self._js, Checkpoint(stands.checkpoint, stands.identity, stands.stream_created)
        )
        set_aside = await self._quarantined()
        with Spool() as spool, self._acts:
            unread = await self._read(spool, set_aside)
            verified = [Verified(QUARANTINE.name, len(set_aside), tuple(unread))]
            said = spool.tables()
            upcoming = next(said, None)
            for table in sorted(TABLES, key=lambda table: table.name):
                if table is QUARANTINE:
                    continue
                stories: Iterator[Any] = iter(())
                if upcoming and upcoming[0] == table.name:
                    stories = upcoming[1]
                told = self._packed() if table is STRETCHES else self._told(table.name, stories)
                verified.append(await self._compare(table, told))
                if upcoming and upcoming[0] == table.name:
                    async for _ in told:  # what was not read, as there were differences enough
                        pass
                    upcoming = next(said, None)
            return verified

    async def _quarantined(self) -> set[int]:
        schema = name_of(self._version.number)
        found = await self._connection.fetch(f"SELECT sequence FROM {schema}.quarantine")  # noqa: S608
        return {row[0] for row in found}

    async def _read(self, spool: Spool, set_aside: set[int]) -> list[Difference]:
        """Sort what the log says up to the checkpoint; return what neither counts nor waits."""
        end, lost = self._version.checkpoint, []
        async with Feed.replay(self._js, EVENTS) as present:
            feed = History(present, await past(self._js, self._archive))
            done = end == 0
            while not done:
                if not feed.waiting and await feed.exhausted():
                    break
                for message in await feed.take():
                    if message.sequence >= end:
                        done = True
                    if message.sequence > end:
                        break
                    if message.sequence in set_aside:
                        continue
                    decoded = decode(message)
                    if decoded.event is None:
                        lost.append(_not_set_aside(message.sequence, decoded.problem))
                        continue
                    entry = Entry(message.sequence, decoded.event)
                    self._zones.add(entry)
                    for table, key in strands(entry):
                        spool.add((table, key, message.sequence, message.data))
                self._tell(message.sequence, end)
        # What cannot be read and is to be erased, as it is a forgotten person's, is no loss.
        return [one for one in lost if one.key[0] not in self._zones.replaced][:MOST]

    async def _compare(self, table: Table, there: AsyncIterator[tuple[Any, ...]]) -> Verified:
        columns = tuple(column.name for column in table.columns)
        here = _Counted(rows(self._connection, self._version.number, table, columns))
        found = [
            difference
            async for difference in differences(table.name, columns, table.keys, here, there, MOST)
        ]
        return Verified(table.name, here.count, tuple(found))

    async def _packed(self) -> AsyncIterator[tuple[Any, ...]]:
        """Pack the acts of the rows that were told before."""
        for _, stretches in self._acts.tables():
            for (number,), acts in stretches:
                yield stretch_of(int(number), [packed for _, packed in acts])

    async def _told(self, table: str, stories: Iterator[Any]) -> AsyncIterator[tuple[Any, ...]]:
        for key, story in stories:
            entries = [Entry(sequence, Envelope.parse(data)) for sequence, data in story]
            if row := row_of(table, key, entries, self._zones):
                if act := act_of(table, row):
                    place = (STRETCHES.name, (str(act.stretch),), act.sequence, act.packed)
                    self._acts.add(place)
                yield row


class _Counted:
    """Counts what is read."""

    def __init__(self, source: AsyncIterator[tuple[Any, ...]]) -> None:
        self._source = source
        self.count = 0

    def __aiter__(self) -> "_Counted":
        return self

    async def __anext__(self) -> tuple[Any, ...]:
        row = await anext(self._source)
        self.count += 1
        return row


def _not_set_aside(sequence: int, problem: str) -> Difference:
    return Difference(QUARANTINE.name, (sequence,), None, {"reason": problem})
