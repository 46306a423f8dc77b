"""What each command does, by one connection to the log and those to Postgres that it needs."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from nats.js.errors import NotFoundError

from analytics import quarantine
from analytics.builder import Builder, Progress
from analytics.console.answers import (
    Dropped,
    GivenUp,
    Quarantined,
    Rebuilt,
    Retries,
    State,
    Status,
    Verification,
    VersionStatus,
)
from analytics.console.catalogue import check_ours, database, live, numbered
from analytics.continuity import last_sequence, past
from analytics.domain.versions import Version, build
from analytics.postgres import Postgres
from analytics.schema import name_of
from analytics.store import Store, lead
from analytics.verifier import Verifier
from analytics.versions import Versions
from chassis.console import RefusedError
from chassis.service import Connection
from contracts.streams import EVENTS, analytics_consumer

_LOOK_SECONDS = 1.0


async def status(dsn: str, log: Connection) -> Status:
    """Tell every version; looks twice, to see what moves."""
    async with database(dsn) as connection:
        versions = Versions(connection)
        before = {version.number: version.checkpoint for version in await versions.all()}
        await asyncio.sleep(_LOOK_SECONDS)
        last, known = await last_sequence(log.js), await versions.all()
        found = [
            await _status(connection, version, before.get(version.number, 0), last)
            for version in known
        ]
        return Status(last, tuple(found))


async def _status(connection: Postgres, version: Version, before: int, last: int) -> VersionStatus:
    behind = max(0, last - version.checkpoint)
    rate = max(0, version.checkpoint - before) / _LOOK_SECONDS
    waiting, dropped = await _set_aside(connection, version)
    return VersionStatus(
        version=version.number,
        state=_state(version),
        fold=version.fold,
        ours=version.ours,
        checkpoint=version.checkpoint,
        behind=behind,
        updated_at=version.updated_at,
        worked_on=not await _free(connection, version),
        rate=rate,
        seconds_left=behind / rate if rate else None,
        quarantined=waiting,
        dropped=dropped,
    )


def _state(version: Version) -> State:
    if version.live:
        return "live"
    if version.replaced_at:
        return "replaced"
    return "built" if version.built else "building"


async def _set_aside(connection: Postgres, version: Version) -> tuple[int, int]:
    # By JSON, as the first release's table has no `dropped_at`.
    row = await connection.fetchrow(
        "SELECT count(*) FILTER (WHERE to_jsonb(q) ->> 'dropped_at' IS NULL), count(*)"  # noqa: S608
        f" FROM {name_of(version.number)}.quarantine AS q"
    )
    return row[0], row[1] - row[0]


async def _free(connection: Postgres, version: Version) -> bool:
    """Whether nobody folds the version at this moment."""
    name = name_of(version.number)
    free = await lead(connection, name)
    if free:
        await connection.execute("SELECT pg_advisory_unlock(hashtextextended($1, 0))", name)
    return free


async def verify(
    dsn: str,
    log: Connection,
    number: int | None,
    tell: Callable[[int, int], None],
    *,
    archive: Path | None = None,
) -> Verification:
    """Compare a version, or the live one, with a plain fold of the log."""
    async with (
        database(dsn) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        version = await (numbered(connection, number) if number else live(connection))
        check_ours(version)
        tables = await Verifier(connection, log.js, version, tell, archive=archive).run()
        clean = not any(table.differences for table in tables)
        return Verification(version.number, version.checkpoint, tuple(tables), clean)


async def rebuild(
    dsn: str,
    log: Connection,
    *,
    swap: bool,
    accept_differences: bool,
    tell: Callable[[Progress], None],
    archive: Path | None = None,
) -> Rebuilt:
    """Build a version, or go on with one that was begun, and give it to analysts."""
    async with database(dsn) as connection:
        versions = Versions(connection)
        wanted = build(await versions.all())
        if wanted.new:
            await versions.create(wanted.version)
        builder = Builder(dsn, log.js, wanted.version, tell, archive=archive)
        built = await builder.run(swap=swap, accept_differences=accept_differences)
        return Rebuilt(built, built.equal)


async def drop(dsn: str, log: Connection, number: int) -> Dropped:
    """Remove a version that analysts do not read and nobody folds."""
    async with database(dsn) as connection:
        version = await numbered(connection, number)
        if version.live:
            raise RefusedError(
                f"analysts read version {number}", "rebuild first: it gives them another one"
            )
        if not await _free(connection, version):
            raise RefusedError(
                f"somebody folds version {number} at this moment",
                "stop the rebuild, or the old release, that does",
            )
        await Versions(connection).drop(number)
        with suppress(NotFoundError):  # it never began to read
            await log.js.delete_consumer(EVENTS.name, analytics_consumer(number).durable)
        return Dropped(number)


async def listing(dsn: str) -> Quarantined:
    """List the live version's quarantine."""
    async with database(dsn) as connection:
        version = await _ours(connection)
        return Quarantined(version, tuple(await quarantine.listing(connection, version)))


async def retry(
    dsn: str, log: Connection, sequences: list[int], *, archive: Path | None = None
) -> Retries:
    """Fold messages of the quarantine after all: those given, or all that wait."""
    async with database(dsn) as connection:
        version = await _ours(connection)
        held = await quarantine.listing(connection, version)
        waiting = [one.sequence for one in held if one.dropped_at is None]
        moved = await past(log.js, archive)
        folding = quarantine.Retry(Store(connection, version), log.reader, moved)
        return Retries(tuple(await folding.run(sequences or waiting)))


async def give_up(dsn: str, sequences: list[int]) -> GivenUp:
    """Give messages of the quarantine up."""
    async with database(dsn) as connection:
        version = await _ours(connection)
        held = {one.sequence for one in await quarantine.listing(connection, version)}
        if unknown := sorted(set(sequences) - held):
            raise RefusedError(
                f"not in quarantine: {', '.join(map(str, unknown))}", "see `quarantine list`"
            )
        return GivenUp(tuple(await quarantine.drop(connection, version, sequences)))


async def _ours(connection: Postgres) -> int:
    version = await live(connection)
    check_ours(version)
    return version.number
