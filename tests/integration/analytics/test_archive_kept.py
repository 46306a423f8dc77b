"""What was moved out of the log is never given up, whoever writes at the same moment."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from analytics.archive import Archive
from analytics.archiving import Archiving
from analytics.console.answers import Archived
from chassis.console import CommandError, RefusedError
from chassis.topology import Moved, moved_out, note_moved
from contracts.events import CtaClicked
from contracts.examples import example
from contracts.streams import EVENTS
from harness.logs import Log

from .conftest import CaughtUp, Database, Following
from .test_archive import OTHER, clean, fold_anew, move, rebuild, standing, story, until_dropped


async def test_a_note_that_was_written_over_is_missed_and_written_again(
    log: Log, database: Database, following: Following, caught_up: CaughtUp, tmp_path: Path
) -> None:
    folder = tmp_path / "archive"
    await log.say(*story(3))
    async with following():
        await caught_up()
        # An upgrade reads the stream's settings, and writes them back after all was moved.
        settings = (await log.js.stream_info("EVENTS")).config
        moved = (await move(database, log, folder)).events
        await log.js.update_stream(settings.evolve(duplicate_window=1800))
    assert await moved_out(log.js, EVENTS) is None

    with pytest.raises(RefusedError, match="lost its note of what was moved"):
        await rebuild(database, log, folder)
    await until_dropped(database, log, 2)
    await log.say(example(CtaClicked, source_id="new", user_id=OTHER))
    async with following():
        await caught_up()
        assert (await move(database, log, folder)).events == 1
        assert await clean(database, log, folder)
    kept = Archive.open(folder)
    assert kept is not None
    assert kept.manifest.records == moved + 1
    assert await moved_out(log.js, EVENTS) == Moved(kept.manifest.name, kept.manifest.through)


async def test_a_note_that_is_written_over_at_the_same_moment_is_written_again(log: Log) -> None:
    settings = (await log.js.stream_info("EVENTS")).config
    update = log.js.update_stream

    async def over_it(config):  # type: ignore[no-untyped-def]
        answer = await update(config)
        log.js.update_stream = update  # type: ignore[method-assign]
        await update(settings)
        return answer

    log.js.update_stream = over_it  # type: ignore[method-assign]
    await note_moved(log.js, EVENTS, Moved("archive", 7))

    assert await moved_out(log.js, EVENTS) == Moved("archive", 7)


@pytest.mark.parametrize("locks", [True, False])
async def test_of_two_that_move_as_the_lock_was_lost_nothing_is_lost(
    locks: bool,
    log: Log,
    database: Database,
    following: Following,
    caught_up: CaughtUp,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "archive"
    await log.say(*story(3))
    before = sum((await standing(log)).values())
    compare, second = Archiving._compare, list[asyncio.Task[Archived]]()

    async def lose_the_lock(self: Archiving, archive: Archive) -> list[int]:
        left = await compare(self, archive)
        if not second:
            await end_whoever_holds_a_lock(database.dsn)
            second.append(asyncio.create_task(move(database, log, folder)))
            await asyncio.wait(second, timeout=10)
        return left

    monkeypatch.setattr(Archiving, "_compare", lose_the_lock)
    if not locks:  # as on a volume that knows none
        monkeypatch.setattr("analytics.archive._locked", lambda _: True)
    async with following():
        await caught_up()
        with pytest.raises(CommandError):
            await move(database, log, folder)
        await asyncio.wait(second)
        assert await clean(database, log, folder)
        await move(database, log, folder)
    kept = Archive.open(folder)
    there = kept.manifest.records if kept else 0
    assert there + sum((await standing(log)).values()) == before
    await fold_anew(database, log, folder)
    assert await clean(database, log, folder)


async def end_whoever_holds_a_lock(dsn: str) -> None:
    """Do as a restart of Postgres does to the one who moves."""
    connection = await asyncpg.connect(dsn)
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'fingerpost-analytics-console'"
        " AND datname = current_database()"
    )
    await connection.close()
