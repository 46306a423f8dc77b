"""The command `archive`: what may be moved out of the log, and where to."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from analytics.archive import Archive, alone
from analytics.archiving import Archiving, Moving, Progress, StillReadError
from analytics.console.answers import Archived
from analytics.console.catalogue import check_ours, database, live
from analytics.domain.sealing import ARCHIVING
from analytics.store import lead
from chassis.clock import Clock
from chassis.console import RefusedError, UnavailableError
from chassis.service import Connection
from contracts.streams import EVENTS

_AT_WORK = (
    "somebody moves events to the archive, or forgets people, at this moment",
    "repeat the command once that is over",
)


async def archive(
    dsn: str,
    log: Connection,
    folder: Path | None,
    *,
    before: datetime,
    dry_run: bool,
    clock: Clock,
    tell: Callable[[Progress], None],
) -> Archived:
    """Move what was said before a moment into the archive, or only tell what that would be."""
    if folder is None:
        raise RefusedError("no folder is named", "set FINGERPOST_ARCHIVE to it, or use --folder")
    async with database(dsn) as connection:
        check_ours(await live(connection))
        archiving = Archiving(connection, log, folder, tell)
        if why := await archiving.refusal(before, clock):
            raise RefusedError(
                f"{before:%Y-%m-%d} is too young: {why}", "name that day, or an earlier one"
            )
        if not await lead(connection, ARCHIVING):
            raise UnavailableError(*_AT_WORK)
        size = await _stream_bytes(log)
        try:
            moving = await (archiving.look(before) if dry_run else _run(archiving, folder, before))
        except StillReadError as error:
            raise UnavailableError(
                f"nothing was removed from the log: {error}",
                "repeat the command once that reader is done; of a version of the tables that"
                " nobody folds: python -m analytics drop VERSION",
            ) from error
        kept = Archive.open(folder)
        return Archived(
            folder=str(folder),
            dry_run=dry_run,
            events=moving.events,
            by_fact=dict(sorted(moving.by_fact.items())),
            through=moving.through,
            held_by=moving.bound.by,
            bytes=moving.bytes,
            memory=moving.memory,
            stream_bytes=(size, await _stream_bytes(log)),
            files=len(kept.manifest.files) if kept else 0,
            archived=kept.manifest.records if kept else 0,
        )


async def _run(archiving: Archiving, folder: Path, before: datetime) -> Moving:
    with alone(folder) as lone:
        if not lone:
            raise UnavailableError(*_AT_WORK)
        return await archiving.run(before)


async def _stream_bytes(log: Connection) -> int:
    return (await log.js.stream_info(EVENTS.name)).state.bytes
