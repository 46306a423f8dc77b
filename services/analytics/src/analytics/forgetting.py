"""Forgets people: erases what names them, in the log and in every version of the tables.

Whatever stops it, and wherever: repeating it finishes it, and no total changes meanwhile.

1. UserForgotten goes into the log, create-once. From then on the acts count by it: whoever folds it
   removes the rows of the events that it replaces and adds its own in one transaction, whether
   those events still stand in the log or not. So the next steps may come at any time, or again.
2. A conversion of nobody goes in beside each of the person's, as the log's guard against the same
   payment is its message, and an erased message guards nothing. The tables have its row already.
3. The events are erased one by one, by their sequences: what the person does meanwhile is not
   touched, and their bytes are overwritten, which a purge does not do.
4. The live version has folded 1; in versions that nobody folds the rows are deleted.
5. What was moved to the archive is written anew without the person's events.
6. A request to be forgotten is erased last: who has one in the log is not done with.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from nats.js import JetStreamContext
from nats.js.api import ClusterInfo
from nats.js.errors import APIError
from nats.js.errors import Error as JetStreamError

from analytics.archive import Archive, Record, names_one_of
from analytics.continuity import past
from analytics.domain.fold import Entry
from analytics.domain.forgetting import forgotten, guard
from analytics.domain.messages import Message, decode
from analytics.domain.packing import BITS
from analytics.domain.sealing import ARCHIVING, OF_PEOPLE
from analytics.feed import Feed
from analytics.postgres import Postgres
from analytics.schema import ANALYSTS, name_of
from analytics.schema.tables import STRETCHES
from chassis.clock import Clock
from chassis.leader import leads
from chassis.service import Connection
from contracts.events import ConversionRecorded, ForgetRequested, UserForgotten
from contracts.streams import EVENTS
from contracts.subjects import FORGET_REQUESTS, FORGOTTEN, PEOPLE, person_of

Phase = Literal["reading", "telling", "guarding", "erasing", "waiting", "removing", "closing"]

AT_ONCE = 20
"""People read and forgotten together."""

_NO_SUCH_MESSAGE = 10043
_LOOK_SECONDS = 0.2
_PATIENCE_SECONDS = 30.0
_LISTING_SECONDS = 30.0
_ACTS = ("clicks", "starts", "conversions")
_COUNTED = " UNION ALL ".join(
    f"SELECT sequence FROM {ANALYSTS}.{table} WHERE user_id = ANY($1)"  # noqa: S608  our own names
    for table in _ACTS
)
_LEFT = f"SELECT count(*) FROM ({_COUNTED}) AS acts WHERE sequence <= $2"  # noqa: S608
_LAST_ACTS = " UNION ALL ".join(
    f"SELECT user_id, {moment} AS at FROM {ANALYSTS}.{table} WHERE user_id > 0"  # noqa: S608
    for table, moment in zip(_ACTS, ("clicked_at", "started_at", "occurred_at"), strict=True)
)
_QUIET = f"SELECT user_id, max(at) < $1 FROM ({_LAST_ACTS}) AS acts GROUP BY user_id"  # noqa: S608
_STATUS = f"SELECT version, checkpoint FROM {ANALYSTS}.projection_status"  # noqa: S608
_PLACES = """
SELECT table_schema AS schema, table_name AS name, array_agg(column_name::text) AS columns
FROM information_schema.columns
WHERE table_schema ~ '^fingerpost_v[1-9][0-9]*$' GROUP BY table_schema, table_name
HAVING 'user_id' = ANY(array_agg(column_name::text)) OR table_name IN ('quarantine', 'stretches')
"""


_SHARED = "SELECT pg_try_advisory_lock_shared(hashtextextended($1, 0))"
_ALONE = "SELECT pg_try_advisory_lock(hashtextextended($1, 0))"
_RELEASE = "SELECT pg_advisory_unlock(hashtextextended($1, 0))"
_FILES = "fingerpost_archive_files"


class ArchivingError(RuntimeError):
    """Events are being moved to the archive; until that is over nobody can be forgotten."""


class BehindError(RuntimeError):
    """The live tables do not follow the log; nothing is lost, and repeating goes on from here."""


@dataclass(frozen=True)
class Progress:
    """What is done next, and how many of the people are done with."""

    phase: Phase
    done: int
    people: int


@dataclass
class Forgot:
    """How many people, how many of their acts count on, how many events were erased."""

    people: int = 0
    acts: int = 0
    erased: int = 0


@dataclass
class _Person:
    user_id: int
    messages: list[Message] = field(default_factory=list)
    past: list[Record] = field(default_factory=list)
    """What was moved to the archive."""

    def all(self) -> list[Message]:
        """Return everything, each once: what is being moved is in both."""
        both = {one.sequence: one for one in (*(one.message for one in self.past), *self.messages)}
        return [both[sequence] for sequence in sorted(both)]


class Forgetting:
    """Forgets people by one connection to Postgres; not for concurrent use.

    `tell` is called before each step.
    """

    def __init__(
        self,
        connection: Postgres,
        log: Connection,
        clock: Clock,
        tell: Callable[[Progress], None],
        *,
        archive: Path | None = None,
    ) -> None:
        """`archive`: the folder of the archive."""
        self._folder = archive
        self._connection = connection
        self._log = log
        self._clock = clock
        self._tell = tell
        self._forgot = Forgot()
        self._replaced: set[int] = set()
        self._read_till = 0
        self._done = 0
        self._people = 0

    async def who_asked(self) -> list[int]:
        """Return everybody who asked to be forgotten, and is not yet."""
        return sorted(await _people_on(self._log.js, FORGET_REQUESTS))

    async def who_is_quiet(self, since: datetime) -> list[int]:
        """Return everybody of whom nothing is known since then, or only what was left behind."""
        known = dict(await self._connection.fetch(_QUIET, since))
        # Whose events a command that was stopped left in the log have no rows any more.
        others = await self._elsewhere()
        for subject in PEOPLE:
            others |= await _people_on(self._log.js, subject)
        if archive := await self._archive():
            others |= await asyncio.to_thread(_people_in, archive)
        return sorted({who for who, quiet in known.items() if quiet} | (others - known.keys()))

    async def run(self, people: Sequence[int], *, quiet_since: datetime | None = None) -> Forgot:
        """Forget `people`; with `quiet_since` only those who did nothing since then.

        Raises BehindError, ArchivingError, HaltError where the archive is not there, and what NATS
        and Postgres do while they are away.
        """
        if not await self._connection.fetchval(_SHARED, ARCHIVING):
            raise ArchivingError
        self._people = len(people)
        for start in range(0, len(people), AT_ONCE):
            some = people[start : start + AT_ONCE]
            self._step("reading")
            found = await _read(self._log.js, some)
            await self._read_archive(found)
            if quiet_since:
                found = [person for person in found if not _spoke(person, quiet_since)]
            await self._forget(found)
            self._done += len(some)
        return self._forgot

    async def _forget(self, people: Sequence[_Person]) -> None:
        ids = [person.user_id for person in people]
        places = [message.sequence for person in people for message in person.all()]
        horizon = max(places, default=await self._checkpoint())
        self._step("waiting")
        await self._until(self._folded, horizon)
        # After the people were read: what was replaced before that is seen here, and what is
        # replaced from now on has the same first place as what is decided here.
        await self._read_replaced()
        for person in people:
            await self._tell_log(person)
            await self._guard(person)
            await self._erase(person, "erasing", requests=False)
        self._step("erasing")
        await self._erase_archived(ids)
        self._step("waiting")
        await self._until(self._gone, horizon, ids)
        self._step("removing")
        await self._remove_elsewhere(ids, horizon)
        for person in people:
            await self._erase(person, "closing", requests=True)
            self._forgot.people += 1

    async def _tell_log(self, person: _Person) -> None:
        """Let the log say what takes the place of the person's events, unless it does already."""
        counted = {row[0] for row in await self._connection.fetch(_COUNTED, [person.user_id])}
        places = [message.sequence for message in person.all()]
        told = [Entry(m.sequence, said) for m in person.all() if (said := decode(m).event)]
        while left := forgotten(places, told, counted, self._clock(), replaced=self._replaced):
            for event in left:
                self._step("telling")
                if not await self._log.publisher.publish_once(event, patience=_PATIENCE_SECONDS):
                    # It was said before, maybe with less: go on with what was said.
                    await self._read_replaced()
                    break
                self._replaced.update(event.replaces)
                self._forgot.acts += len(event.acts)

    async def _guard(self, person: _Person) -> None:
        for message in person.messages:
            said = decode(message).event
            if (
                said
                and isinstance(said.data, ConversionRecorded)
                and (guarding := guard(said.data))
            ):
                self._step("guarding")
                # The duplicate window knows the id, and must not keep this one out.
                name = f"forgotten.{guarding.id}"
                await self._log.publisher.publish_once(
                    guarding, known_as=name, patience=_PATIENCE_SECONDS
                )

    async def _erase(self, person: _Person, phase: Phase, *, requests: bool) -> None:
        for message in person.messages:
            if message.subject.startswith(f"{ForgetRequested.fact()}.") == requests:
                self._step(phase)
                self._forgot.erased += await _erase(self._log.js, message.sequence)

    async def _archive(self) -> Archive | None:
        """Return the archive as it is now; raises HaltError where it is not there.

        Also one of which the log says nothing yet, as who wrote it was stopped: it is written, and
        not read, as the log has all that it has.
        """
        archive = await past(self._log.js, self._folder)
        if archive is None and self._folder:
            archive = await asyncio.to_thread(Archive.open, self._folder)
            archive = archive.up_to(0) if archive else None
        return archive

    async def _read_archive(self, people: Sequence[_Person]) -> None:
        archive = await self._archive()
        if archive is None or not people:
            return
        known = {str(person.user_id): person for person in people}
        named = names_one_of(known, OF_PEOPLE)

        def read() -> None:
            for records in archive.after(0):
                for one in records:
                    if named(one.subject):
                        known[one.subject.split(".")[2]].past.append(one)

        await asyncio.to_thread(read)

    async def _erase_archived(self, ids: Sequence[int]) -> None:
        """Write the archive anew without these people, and remove what an earlier try left."""
        while not await self._connection.fetchval(_ALONE, _FILES):  # noqa: ASYNC110  it calls nobody
            await asyncio.sleep(_LOOK_SECONDS)
        try:
            if archive := await self._archive():
                named = names_one_of(set(map(str, ids)), OF_PEOPLE)
                self._forgot.erased += await asyncio.to_thread(archive.without, named)
        finally:
            await self._connection.fetchval(_RELEASE, _FILES)

    async def _read_replaced(self) -> None:
        """Learn what was replaced since this was asked last."""
        said = self._log.reader.follow(FORGOTTEN, after=self._read_till, stop_at_end=True)
        async for entry in said:  # one at a time: they hold all that was ever forgotten
            self._read_till = entry.sequence
            if isinstance(entry.envelope.data, UserForgotten):
                self._replaced.update(entry.envelope.data.replaces)

    async def _until(self, reached: Callable[..., Awaitable[bool]], *what: Any) -> None:
        """Wait until the live tables have got there; raises BehindError where they stand still."""
        loop = asyncio.get_running_loop()
        seen, moved_at = -1, loop.time()
        while not await reached(*what):
            checkpoint = await self._checkpoint()
            if checkpoint != seen:
                seen, moved_at = checkpoint, loop.time()
            if loop.time() - moved_at > _PATIENCE_SECONDS:
                raise BehindError(f"the live tables stand at {checkpoint}, and do not follow")
            await asyncio.sleep(_LOOK_SECONDS)

    async def _folded(self, horizon: int) -> bool:
        """Whether the live tables hold what is to be replaced: only what counts counts on."""
        return await self._checkpoint() >= horizon

    async def _gone(self, horizon: int, ids: Sequence[int]) -> bool:
        """Whether the live tables have folded what was told."""
        return not await self._connection.fetchval(_LEFT, ids, horizon)

    async def _checkpoint(self) -> int:
        return int((await self._connection.fetchrow(_STATUS))["checkpoint"])

    async def _elsewhere(self) -> set[int]:
        """Return who is named in versions that analysts do not read."""
        named: set[int] = set()
        live = name_of((await self._connection.fetchrow(_STATUS))["version"])
        for schema, table, columns in await self._connection.fetch(_PLACES):
            if schema != live and "user_id" in columns:
                query = f"SELECT DISTINCT user_id FROM {schema}.{table} WHERE user_id > 0"  # noqa: S608
                named |= {row[0] for row in await self._connection.fetch(query)}
        return named

    async def _remove_elsewhere(self, ids: Sequence[int], horizon: int) -> None:
        """Delete rows of versions that analysts do not read; one that is built folds what came."""
        tables: dict[str, dict[str, list[str]]] = defaultdict(dict)
        for schema, table, columns in await self._connection.fetch(_PLACES):
            tables[schema][table] = columns
        for schema, found in tables.items():
            async with self._connection.transaction():
                # Its lock keeps the version from being folded, and from being shown, meanwhile.
                await self._connection.execute(f"SELECT FROM {schema}.checkpoint FOR UPDATE")
                version = (await self._connection.fetchrow(_STATUS))["version"]
                if schema == name_of(version):
                    continue
                packed = found.pop(STRETCHES.name, None)
                gone: set[int] = set()
                for table, columns in found.items():
                    gone |= await self._delete(f"{schema}.{table}", columns, ids, horizon)
                if packed:
                    await self._unpack(schema, gone)

    async def _unpack(self, schema: str, places: set[int]) -> None:
        # Whoever folds this version after all packs them anew, with what replaces the person's.
        query = f"DELETE FROM {schema}.{STRETCHES.name} WHERE stretch = ANY($1)"  # noqa: S608
        await self._connection.execute(query, sorted({place >> BITS for place in places}))

    async def _delete(
        self, table: str, columns: Sequence[str], ids: Sequence[int], horizon: int
    ) -> set[int]:
        """Delete what names people up to `horizon`; return the places of their acts in the log."""
        # The first release's rows do not say their place; nobody folds its versions any more.
        till = "sequence <= $2" if "sequence" in columns else "$2::bigint IS NOT NULL"
        if "user_id" in columns:
            whose, values = "user_id = ANY($1)", [*ids]
            place = "sequence" if "sequence" in columns else "0"
            query = f"DELETE FROM {table} WHERE {whose} AND {till} RETURNING {place}"  # noqa: S608
            return {row[0] for row in await self._connection.fetch(query, values, horizon)}
        patterns = [_pattern(subject) for user_id in ids for subject in person_of(user_id)]
        query = f"DELETE FROM {table} WHERE subject LIKE ANY($1) AND {till}"  # noqa: S608
        await self._connection.execute(query, patterns, horizon)
        return set()

    def _step(self, phase: Phase) -> None:
        self._tell(Progress(phase, self._done, self._people))


def _pattern(subject: str) -> str:
    return subject.replace("_", r"\_").replace(">", "%")


def _spoke(person: _Person, since: datetime) -> bool:
    return any(_said_at(message) >= since for message in person.messages) or any(
        _recorded_at(record) >= since for record in person.past
    )


def _recorded_at(record: Record) -> datetime:
    said = decode(record.message).event
    return said.time if said else datetime.fromtimestamp(record.stored_at / 1_000_000_000, UTC)


def _said_at(message: Message) -> datetime:
    """Return when it was said; of what cannot be read, when the log took it."""
    if said := decode(message).event:
        return said.time
    tokens = message.reply.split(".")
    taken = int(tokens[7 if len(tokens) == 9 else 9])  # noqa: PLR2004  as the feed reads it
    return datetime.fromtimestamp(taken / 1_000_000_000, UTC)


def _people_in(archive: Archive) -> set[int]:
    """Return who is named by the subjects of all that is in the files."""
    of_people = tuple(fact.removesuffix(">") for fact in OF_PEOPLE)
    tokens = {
        one.subject.split(".")[2]
        for file in archive.manifest.files
        for one in archive.records(file)
        if one.subject.startswith(of_people)
    }
    return {int(token) for token in tokens if token.isdecimal()}


async def _people_on(js: JetStreamContext, subject: str) -> set[int]:
    """Return who is named by the subjects that match; the log tells them without its messages."""
    # nats-py asks for the first 100,000 only, and has no public way to any request.
    client, place = js._nc, f"$JS.API.STREAM.INFO.{EVENTS.name}"
    tokens: set[str] = set()
    seen, total = 0, 1
    while seen < total:
        asked = json.dumps({"subjects_filter": subject, "offset": seen})
        answer = await client.request(place, asked.encode(), timeout=_LISTING_SECONDS)
        said = json.loads(answer.data)
        if "state" not in said:
            raise JetStreamError(description=f"the log tells no subjects: {said.get('error')}")
        if "cluster" in said and not leads(ClusterInfo.from_response(said["cluster"])):
            raise JetStreamError(description="nobody leads the log now")
        found = said["state"].get("subjects") or {}
        tokens |= {name.split(".")[2] for name in found}
        seen, total = seen + len(found), said.get("total", 0) if found else 0
    return {int(token) for token in tokens if token.isdecimal()}


async def _read(js: JetStreamContext, people: Sequence[int]) -> list[_Person]:
    """Return everything that the log holds of each, readable or not, in order."""
    found = {str(user_id): _Person(user_id) for user_id in people}
    subjects = [subject for user_id in people for subject in person_of(user_id)]
    async for message in _messages(js, subjects):
        found[message.subject.split(".")[2]].messages.append(message)
    return list(found.values())


async def _messages(js: JetStreamContext, subjects: Sequence[str]) -> AsyncIterator[Message]:
    async with Feed.replay(js, EVENTS, subjects) as feed:
        while feed.waiting or not await feed.exhausted():
            for message in await feed.take():
                yield message


async def _erase(js: JetStreamContext, sequence: int) -> bool:
    """Overwrite one message; False where it is gone already."""
    try:
        return bool(await js.delete_msg(EVENTS.name, sequence))
    except APIError as error:
        if error.err_code != _NO_SUCH_MESSAGE:
            raise
        return False
