"""Versions of the tables: built beside the live one, compared, swapped, verified, dropped."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import asyncpg
import pytest

from analytics.builder import Progress
from analytics.console import commands, report
from analytics.console.answers import Rebuilt, Verification
from analytics.domain.versions import Build, Task
from analytics.projector import Projector
from analytics.schema import FOLD
from analytics.versions import Versions
from chassis.console import RefusedError
from contracts.events import CtaClicked
from contracts.examples import example
from harness.commands import run_command
from harness.histories import every_event
from harness.logs import Log
from harness.waiting import until

from .conftest import CaughtUp, Database, Following, running


def taps(number: int, name: str = "tap") -> list[CtaClicked]:
    return [example(CtaClicked, source_id=f"{name} {n}") for n in range(number)]


async def rebuild(database: Database, log: Log, **asked: bool) -> Rebuilt:
    wanted = {"swap": True, "accept_differences": False, **asked}
    return await commands.rebuild(database.dsn, log.connection, tell=lambda _: None, **wanted)


async def verify(database: Database, log: Log, version: int | None = None) -> Verification:
    return await commands.verify(database.dsn, log.connection, version, lambda _, __: None)


async def live(database: Database) -> int:
    return int(await database.value("SELECT version FROM fingerpost.projection_status"))


async def test_a_version_built_anew_is_as_the_live_one_and_takes_its_place(
    log: Log, database: Database, following: Following, caught_up: CaughtUp
) -> None:
    await log.say(*every_event(), *taps(20))
    async with following():
        await caught_up()
        before = await database.tables()

        rebuilt = await rebuild(database, log)

        assert rebuilt.equal
        assert rebuilt.built.shown
        assert (rebuilt.built.replaced, await live(database)) == (1, 2)
        assert await database.tables() == before
        await log.say(*taps(5, "after"))
        await caught_up()

    assert await database.value("SELECT count(*) FROM fingerpost.clicks") == 28
    assert await database.value("SELECT count(*) FROM fingerpost_v1.clicks") == 23
    assert (await verify(database, log)).clean


async def test_of_what_the_log_holds_twice_a_build_keeps_the_first(
    log: Log,
    database: Database,
    following: Following,
    caught_up: CaughtUp,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("analytics.feed.MOST", 2)  # so that both are not in one batch
    await log.say(*taps(3))
    for envelope in await log.envelopes():
        later = envelope.data.model_copy(update={"rule": 99})
        again = envelope.model_copy(update={"data": later})
        await log.js.publish(again.subject, again.document())
    async with following():
        await caught_up()

    assert (await rebuild(database, log)).equal
    rows = await database.fetch("SELECT sequence, rule FROM fingerpost_v2.clicks ORDER BY 1")
    assert [tuple(row) for row in rows] == [(1, 1), (2, 1), (3, 1)]
    assert (await verify(database, log)).clean


async def test_a_long_log_that_is_met_first_is_copied_in_bulk_and_gone_on_with_after_a_crash(
    log: Log,
    database: Database,
    following: Following,
    caught_up: CaughtUp,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def crash(*_: object) -> None:
        raise SystemError("killed")

    monkeypatch.setattr("analytics.projector._LONG", 10)
    await log.say(*every_event(), *taps(20))
    with monkeypatch.context() as patch:
        patch.setattr(Versions, "finish", crash)
        with pytest.raises(SystemError, match="killed"):
            async with following() as task:
                await task
    assert await database.checkpoint() == -1  # nothing is shown of half a version
    assert await database.value("SELECT count(*) FROM fingerpost_v1.clicks") >= 20

    async with following():
        await caught_up()
        await log.say(*taps(5, "after"))
        await caught_up()

    assert await live(database) == 1
    assert (await verify(database, log)).clean


async def test_a_version_that_differs_is_not_shown_unless_it_is_accepted(
    log: Log, database: Database, following: Following, caught_up: CaughtUp
) -> None:
    await log.say(*taps(3))
    async with following():
        await caught_up()
    await database.fetch("UPDATE fingerpost_v1.clicks SET cta = 7 WHERE sequence = 2")
    await database.fetch("DELETE FROM fingerpost_v1.clicks WHERE sequence = 3")

    refused = await rebuild(database, log)

    assert not refused.built.shown
    assert await live(database) == 1
    said = report.text(refused)
    assert f"{taps(2)[1].id}: new cta=0, live cta=7" in said
    assert "missing in the live" in said
    accepted = await rebuild(database, log, accept_differences=True)
    assert accepted.built.version == refused.built.version
    assert await live(database) == 2
    assert (await verify(database, log)).clean


@pytest.mark.parametrize(
    ("statement", "table", "told"),
    [
        ("UPDATE fingerpost_v1.clicks SET rule = 9", "clicks", "rule=9"),
        ("DELETE FROM fingerpost_v1.deliveries", "deliveries", "missing in the table"),
        (
            "INSERT INTO fingerpost_v1.starts SELECT 'odd', 9, 'd', 0, 1, 1, now()",
            "starts",
            "missing in the log",
        ),
        (
            "UPDATE fingerpost_v1.variants SET ctas = '[]'",
            "variants",
            "ctas=",
        ),
        (
            "UPDATE fingerpost_v1.stretches SET people = '\\x00'",
            "stretches",
            "people=1 bytes, SHA-256 6e340b9c",
        ),
        ("DELETE FROM fingerpost_v1.stretches", "stretches", "missing in the table"),
    ],
)
async def test_verify_tells_each_row_that_is_not_the_log_s(
    log: Log,
    database: Database,
    following: Following,
    caught_up: CaughtUp,
    statement: str,
    table: str,
    told: str,
) -> None:
    await log.say(*every_event())
    async with following():
        await caught_up()
    assert (await verify(database, log)).clean
    await database.fetch(statement)

    found = await verify(database, log)

    assert not found.clean
    assert {one.table for one in found.tables if one.differences} == {table}
    assert told in report.text(found)


async def test_verify_sorts_outside_memory_what_does_not_fit_in_it(
    log: Log,
    database: Database,
    following: Following,
    caught_up: CaughtUp,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await log.say(*every_event(), *taps(50))
    async with following():
        await caught_up()
    monkeypatch.setattr("analytics.spool.MOST_BYTES", 3_000)

    found = await verify(database, log)

    assert found.clean
    assert {one.table: one.rows for one in found.tables}["clicks"] == 53


async def test_the_first_release_s_version_is_replaced_when_this_one_starts(
    log: Log, database: Database, following: Following, caught_up: CaughtUp
) -> None:
    """What stands there is the schema of the first release, cut down to what counts."""
    await log.say(*taps(3))
    await database.fetch("CREATE SCHEMA fingerpost_v1")
    await database.fetch("COMMENT ON SCHEMA fingerpost_v1 IS 'Projection version 1, 0123456789'")
    created = (await log.js.stream_info("EVENTS")).created
    identity = taps(2)[1].id
    for statement in (
        """CREATE TABLE fingerpost_v1.checkpoint (only_row boolean PRIMARY KEY DEFAULT true,
        sequence bigint, identity text, stream_created timestamptz, updated_at timestamptz)""",
        "CREATE TABLE fingerpost_v1.clicks (event_id text PRIMARY KEY, delivery text)",
        "CREATE TABLE fingerpost_v1.quarantine (sequence bigint PRIMARY KEY)",
        "CREATE SCHEMA fingerpost",
        "CREATE VIEW fingerpost.clicks AS SELECT * FROM fingerpost_v1.clicks",
        "CREATE VIEW fingerpost.gone AS SELECT * FROM fingerpost_v1.clicks",
        """CREATE VIEW fingerpost.projection_status AS
        SELECT 1 AS version, sequence AS checkpoint FROM fingerpost_v1.checkpoint""",
    ):
        await database.fetch(statement)
    await database.fetch(
        "INSERT INTO fingerpost_v1.checkpoint VALUES (true, 2, $1, $2, now())", identity, created
    )
    await database.fetch("GRANT SELECT ON fingerpost.clicks TO PUBLIC")

    async with following():
        await log.say(*taps(2, "after"))
        await caught_up()

    assert await live(database) == 2
    assert await database.value("SELECT count(*) FROM fingerpost.clicks") == 5
    assert await database.value("SELECT to_regclass('fingerpost.gone')") is None
    assert await database.value(
        "SELECT has_table_privilege('pg_monitor', $1, 'SELECT')", "fingerpost.clicks"
    )
    assert (await verify(database, log)).clean
    status = await commands.status(database.dsn, log.connection)
    assert [(one.version, one.state, one.ours) for one in status.versions] == [
        (1, "replaced", False),
        (2, "live", True),
    ]
    await commands.drop(database.dsn, log.connection, 1)
    assert await database.value("SELECT to_regnamespace('fingerpost_v1')") is None


async def test_what_analysts_read_and_what_is_folded_cannot_be_dropped(
    log: Log, database: Database, following: Following, caught_up: CaughtUp
) -> None:
    await log.say(*taps(1))
    async with following():
        await caught_up()
        await rebuild(database, log, swap=False)

        with pytest.raises(RefusedError, match="analysts read version 1"):
            await commands.drop(database.dsn, log.connection, 1)
        with pytest.raises(RefusedError, match="there is no version 7"):
            await commands.drop(database.dsn, log.connection, 7)
        await commands.drop(database.dsn, log.connection, 2)

    consumers = {info.name for info in await log.js.consumers_info("EVENTS")}
    assert consumers == {"analytics-v1"}


async def test_a_view_of_somebody_else_is_never_dropped(
    log: Log, database: Database, following: Following, caught_up: CaughtUp
) -> None:
    await log.say(*taps(1))
    async with following():
        await caught_up()
    await database.fetch("DROP VIEW fingerpost.funnel")
    await database.fetch("CREATE VIEW fingerpost.funnel AS SELECT 1 AS mine")
    await database.fetch("CREATE VIEW public.report AS SELECT mine FROM fingerpost.funnel")

    with pytest.raises(RefusedError, match="view report depends on"):
        await rebuild(database, log)

    assert await live(database) == 1
    assert await database.value("SELECT mine FROM public.report") == 1


@pytest.mark.timeout(300)
async def test_analysts_queries_go_on_while_versions_are_swapped_under_load(
    log: Log, database: Database, following: Following, caught_up: CaughtUp
) -> None:
    """Each transaction reads two views, in the order that the swap does not have."""
    await log.say(*every_event())
    failures: list[BaseException] = []
    counts: list[int] = []
    stop = asyncio.Event()

    async def read(names: tuple[str, str]) -> None:
        connection = await asyncpg.connect(database.dsn)
        while not stop.is_set():
            try:
                async with connection.transaction():
                    for name in names:
                        rows = await connection.fetch(f"SELECT * FROM fingerpost.{name}")  # noqa: S608
                    counts.append(len(rows))
            except asyncpg.PostgresError as error:
                failures.append(error)
        await connection.close()

    async def talk() -> None:
        number = 0
        while not stop.is_set():
            await log.say(*taps(20, f"talk {(number := number + 1)}"))

    async with following():
        await caught_up()
        readers = [
            asyncio.create_task(read(names))
            for names in (("promo_conversion", "clicks"), ("clicks", "campaigns"))
        ]
        talking = asyncio.create_task(talk())
        for _ in range(3):
            assert (await rebuild(database, log)).built.shown
        stop.set()
        await asyncio.gather(*readers, talking)
        await caught_up()

    assert failures == []
    assert len(counts) > 10
    assert await live(database) == 4
    assert (await verify(database, log)).clean


async def test_a_build_that_was_stopped_at_any_point_goes_on_there(
    log: Log, database: Database, following: Following, caught_up: CaughtUp
) -> None:
    await log.say(*every_event(), *taps(200))
    async with following():
        await caught_up()
    phases: set[str] = set()

    class StoppedError(Exception):
        pass

    def stop_at(phase: str) -> Callable[[Progress], None]:
        def tell(progress: Progress) -> None:
            phases.add(progress.phase)
            if progress.phase == phase:
                raise StoppedError

        return tell

    for phase in ("waiting", "indexing", "comparing", "swapping"):
        with pytest.raises(StoppedError):
            await commands.rebuild(
                database.dsn,
                log.connection,
                swap=True,
                accept_differences=False,
                tell=stop_at(phase),
            )
        assert await live(database) == 1
    assert (await rebuild(database, log)).built.version == 2
    assert await live(database) == 2
    assert (await verify(database, log)).clean


async def command(database: Database, nats_url: str, *words: str) -> tuple[int, str, str]:
    environment = {"NATS_URL": nats_url, "POSTGRES_DSN": database.dsn}
    ended = await run_command("analytics", *words, environment=environment)
    return ended.status, ended.out, ended.err


async def test_the_commands_by_their_exit_statuses(
    log: Log, database: Database, following: Following, caught_up: CaughtUp, nats_url: str
) -> None:
    await log.say(*taps(3))
    await log.js.publish("cta.clicked.1", b"nonsense")
    assert (await command(database, nats_url, "verify"))[0] == 1
    async with following():
        await caught_up()

        status, out, _ = await command(database, nats_url, "status")
        assert status == 0
        assert f"version 1: live, fold {FOLD} at 4, 0 behind, 1 in quarantine" in out
        status, out, _ = await command(database, nats_url, "verify")
        assert (status, "the tables are the log's" in out) == (0, True)
        await database.fetch("DELETE FROM fingerpost_v1.clicks WHERE sequence = 1")
        status, out, _ = await command(database, nats_url, "verify")
        assert (status, "NOT" in out) == (1, True)
        status, out, err = await command(database, nats_url, "rebuild")
        assert (status, "not as the live one" in out) == (1, True)
        assert "comparing" in err
        assert (await command(database, nats_url, "rebuild", "--accept-differences"))[0] == 0
        assert (await command(database, nats_url, "drop", "2"))[0] == 1
        assert (await command(database, nats_url, "quarantine", "drop", "9"))[0] == 1
        assert (await command(database, nats_url, "quarantine", "drop", "4"))[0] == 0
        assert (await command(database, nats_url, "quarantine", "retry", "x"))[0] == 2
    nowhere = Database("postgresql://nobody@127.0.0.1:1/nothing")
    status, _, err = await command(nowhere, nats_url, "quarantine", "list")
    assert (status, "POSTGRES_DSN" in err) == (69, True)


async def test_who_waits_to_build_what_another_built_and_folds_on_stands_by(
    log: Log, database: Database, following: Following, caught_up: CaughtUp,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """It looked while the other made the tables: they were there, and not live yet."""
    late = Projector(database.dsn)
    looked = [Build(1, new=False)]
    look = late._task

    async def task() -> Task:
        return looked.pop() if looked else await look()

    async def word() -> str | None:
        with suppress(RuntimeError):  # it is not ready yet
            return await late.check()
        return None

    monkeypatch.setattr(late, "_task", task)
    await log.say(*every_event())
    async with following():
        await caught_up()
        async with running(late, log.connection):
            await until(word, lambda said: said == "standing by")
    assert not looked
