"""What the projector survives, and what it refuses to survive."""

import asyncio
import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import nats.errors
import pytest

from analytics.domain.guard import Checkpoint
from analytics.domain.messages import Decoded, Message
from analytics.feed import Feed
from analytics.projector import Projector
from analytics.store import WRITE_SECONDS, Store
from chaos.proxy import Proxy
from chassis.log import Publisher, Reader
from chassis.topology import ensure_stream
from contracts.events import CtaClicked
from contracts.examples import example
from contracts.streams import EVENTS, analytics_consumer
from harness.logs import Log, open_log
from harness.plain_fold import tables_of
from harness.servers import connected
from harness.waiting import until
from stack.nats_server import NatsServer
from stack.ports import free_port
from stack.postgres_server import PostgresServer

from .conftest import Analytics, CaughtUp, Database, Following, comparable, running

CONSUMER = analytics_consumer(1)


def taps(number: int, name: str = "tap") -> list[CtaClicked]:
    return [example(CtaClicked, source_id=f"{name} {n}") for n in range(number)]


async def problem_of(projector: Projector) -> str:
    return projector._problem or ""


async def answers(log: Log) -> bool:
    with suppress(nats.errors.Error):
        return bool(await log.js.stream_info("EVENTS"))
    return False


async def folding(*projectors: Projector) -> list[Projector]:
    return [projector for projector in projectors if projector._leading]


async def same_as_log(database: Database, log: Log) -> bool:
    tables = await database.tables()
    return tables == {
        name: comparable(name, rows) for name, rows in tables_of(await log.numbered()).items()
    }


async def test_a_crash_between_commit_and_acknowledgement_doubles_nothing(
    log: Log,
    database: Database,
    following: Following,
    caught_up: CaughtUp,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def crash(feed: Feed, last: Message) -> None:
        raise SystemError("killed")

    await log.say(*taps(5))
    with monkeypatch.context() as patch:
        patch.setattr(Feed, "acknowledge", crash)
        with pytest.raises(SystemError, match="killed"):
            async with following() as task:
                await task
    # All five, or those that the server handed over first.
    folded = await database.value("SELECT sequence FROM fingerpost_v1.checkpoint")
    assert await database.value("SELECT count(*) FROM fingerpost_v1.clicks") == folded > 0

    await log.say(*taps(3, "later"))
    async with following():
        await caught_up()

    assert await database.value("SELECT count(*) FROM fingerpost.clicks") == 8
    assert await same_as_log(database, log)


async def test_a_crash_before_commit_loses_nothing(
    log: Log,
    database: Database,
    following: Following,
    caught_up: CaughtUp,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def crash(*_: object) -> None:
        raise SystemError("killed")

    await log.say(*taps(5))
    with monkeypatch.context() as patch:
        patch.setattr("analytics.store.Store.save", crash)
        with pytest.raises(SystemError, match="killed"):
            async with following() as task:
                await task
    assert await database.value("SELECT sequence FROM fingerpost_v1.checkpoint") == 0

    async with following():
        await caught_up()

    assert await same_as_log(database, log)


async def test_what_is_handed_over_again_during_a_slow_write_counts_once_and_in_order(
    log: Log,
    database: Database,
    following: Following,
    caught_up: CaughtUp,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written: list[int] = []
    write = Store.write

    async def slowly(
        store: Store, batch: Sequence[Decoded], before: Checkpoint, after: Checkpoint
    ) -> None:
        await asyncio.sleep(0 if written[600:] else 1.5)
        await write(store, batch, before, after)
        written.extend(item.message.sequence for item in batch)
        assert after.sequence == max(written)

    impatient = replace(CONSUMER, ack_wait=timedelta(seconds=1))
    monkeypatch.setattr("analytics.projector.analytics_consumer", lambda _: impatient)
    monkeypatch.setattr(Store, "write", slowly)
    await log.say(*taps(600))
    async with following():
        await caught_up()
        await log.say(*taps(5, "after"))
        await caught_up()

        async def all_acknowledged() -> int:
            info = await log.js.consumer_info(EVENTS.name, CONSUMER.durable)
            return info.ack_floor.stream_seq if info.ack_floor else 0

        await until(all_acknowledged, lambda floor: floor == 605)

    assert written == list(range(1, 606))
    assert await same_as_log(database, log)


async def test_a_write_ends_before_the_consumer_hands_everything_over_again(
    log: Log,
    database: Database,
    postgres_dsn: str,
    caught_up: CaughtUp,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert CONSUMER.ack_wait.total_seconds() > WRITE_SECONDS

    monkeypatch.setattr("analytics.store.WRITE_SECONDS", 0.5)
    projector = Projector(postgres_dsn)

    async def problem() -> str:
        return projector._problem or ""

    async with running(projector, log.connection), Store.open(postgres_dsn, 1) as other:
        await until(database.checkpoint, lambda seen: seen == 0)
        async with other.connection.transaction():
            await other.connection.execute("LOCK TABLE fingerpost_v1.clicks IN EXCLUSIVE MODE")
            await log.say(*taps(5))
            await until(problem, lambda said: said == "TimeoutError()")
        await caught_up()

    assert await same_as_log(database, log)


async def test_a_cancellation_that_a_library_swallowed_is_heeded_all_the_same(
    log: Log, database: Database, following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def swallow(feed: Feed, last: Message) -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)

    monkeypatch.setattr(Feed, "acknowledge", swallow)
    await log.say(*taps(1))
    async with following() as task:
        await until(database.checkpoint, lambda seen: seen == 1)
        task.cancel()
        await asyncio.wait({task}, timeout=20)

        assert task.cancelled()


async def test_of_two_projectors_one_folds_and_the_other_takes_over(
    log: Log, database: Database, postgres_dsn: str, caught_up: CaughtUp
) -> None:
    first, second = Projector(postgres_dsn), Projector(postgres_dsn)
    async with running(second, log.connection):
        async with running(first, log.connection):
            for number in range(10):
                await log.say(*taps(5, f"together {number}"))
            await caught_up()
            leading = await until(lambda: folding(first, second), lambda found: len(found) == 1)
            for projector in (first, second):
                await until(partial(problem_of, projector), lambda said: said == "")
                await projector.check()
            assert leading[0].checkpoint.sequence == 50
        await log.say(*taps(5, "afterwards"))
        await caught_up()

    assert await database.value("SELECT count(*) FROM fingerpost.clicks") == 55
    assert await same_as_log(database, log)


async def test_messages_that_were_handed_to_somebody_else_are_folded_all_the_same(
    log: Log, database: Database, following: Following, caught_up: CaughtUp
) -> None:
    async with following():
        await log.say(*taps(3))
        await caught_up()
        thief = await log.js.pull_subscribe_bind("analytics-v1", "EVENTS")
        stealing = asyncio.create_task(thief.fetch(5, timeout=2))
        await log.say(*taps(40, "contested"))
        await asyncio.gather(stealing, return_exceptions=True)
        await thief.unsubscribe()
        await log.say(*taps(1, "after"))
        await caught_up()

    assert await same_as_log(database, log)


async def test_a_killed_nats_is_followed_again_when_it_is_back(
    own_nats: NatsServer, database: Database
) -> None:
    server = own_nats
    projector = Projector(database.dsn)
    async with open_log(server.url) as log, running(projector, log.connection):
        await log.say(*taps(5))
        await until(database.checkpoint, lambda seen: seen == 5)
        await server.process.kill()
        await asyncio.sleep(0.5)
        await server.start()
        await log.say(*taps(5, "later"))
        await until(database.checkpoint, lambda seen: seen == 10)

        await projector.check()
        assert projector.last_sequence == 10
        assert await same_as_log(database, log)


@pytest.fixture
async def own_postgres() -> AsyncIterator[PostgresServer]:
    """A server that a test may stop; its folder is open, as it may run as another user."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # noqa: ASYNC240  one call on a local folder
        server = PostgresServer(Path(folder) / "postgres", port=free_port(), password="tests")
        try:
            await server.start()
            yield server
        finally:
            await server.process.stop()


async def test_a_stopped_postgres_is_waited_for_and_readiness_says_so(
    log: Log, own_postgres: PostgresServer
) -> None:
    server = own_postgres
    database, projector = Database(server.dsn), Projector(server.dsn)
    async with running(projector, log.connection):
        await log.say(*taps(5))
        await until(database.checkpoint, lambda seen: seen == 5)
        await server.process.stop()
        await log.say(*taps(5, "meanwhile"))

        async def problem() -> str:
            try:
                await projector.check()
            except RuntimeError as error:
                return str(error)
            return ""

        assert "Refused" in await until(problem, lambda said: "Refused" in said)
        await server.start()
        await until(database.checkpoint, lambda seen: seen == 10)
        await until(problem, lambda said: said == "")
        assert await same_as_log(database, log)


@pytest.mark.parametrize("written_on", [0, 5], ids=["shorter", "written on"])
async def test_a_log_that_lost_its_tail_halts_the_projector(
    own_nats: NatsServer, tmp_path: Path, database: Database, written_on: int
) -> None:
    server = own_nats
    async with open_log(server.url) as log:
        await log.say(*taps(3))
    await server.process.kill()
    shutil.copytree(tmp_path / "nats", tmp_path / "backup")
    await server.start()
    async with open_log(server.url) as log, running(Projector(database.dsn), log.connection):
        await log.say(*taps(2, "lost"))
        await until(database.checkpoint, lambda seen: seen == 5)
    await server.process.kill()
    shutil.rmtree(tmp_path / "nats")
    shutil.copytree(tmp_path / "backup", tmp_path / "nats")
    await server.start()

    async with open_log(server.url) as log:
        await log.say(*taps(written_on, "new"))
        projector = Projector(database.dsn)
        async with running(projector, log.connection):
            problem = await until(lambda: problem_of(projector), lambda said: "halted" in said)
    assert "lost" in problem
    assert "rebuild --accept-differences" in problem
    assert await database.checkpoint() == 5


async def test_a_tail_that_is_lost_and_written_over_while_it_is_followed_halts_the_projector(
    own_nats: NatsServer, tmp_path: Path, database: Database
) -> None:
    server = own_nats
    projector = Projector(database.dsn)
    async with open_log(server.url) as log, running(projector, log.connection):
        await log.say(*taps(3))
        await until(database.checkpoint, lambda seen: seen == 3)
        await server.process.kill()
        (messages,) = (tmp_path / "nats").rglob("EVENTS/msgs")
        shutil.copytree(messages, tmp_path / "backup")
        await server.start()
        await log.say(*taps(2, "lost"))
        await until(database.checkpoint, lambda seen: seen == 5)

        await server.process.kill()
        shutil.rmtree(messages)
        shutil.copytree(tmp_path / "backup", messages)
        await server.start()
        async with open_log(server.url) as other:
            await other.say(*taps(5, "new"))
        problem = await until(lambda: problem_of(projector), lambda said: "halted" in said)
    assert "lost" in problem
    assert await database.checkpoint() == 5


async def test_a_log_that_changed_while_nobody_listened_is_looked_at_before_it_is_read_on(
    own_nats: NatsServer, tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The link is cut, and whole again, during one long write: no silence tells of it.

    The server's consumer goes on behind what it handed over, and numbers that as if nothing were.
    """
    monkeypatch.setattr("analytics.feed.MOST", 1)  # so that the next is asked for after the write
    written, go_on = asyncio.Event(), asyncio.Event()
    acknowledge = Feed.acknowledge

    async def slowly(feed: Feed, last: Message) -> None:
        await acknowledge(feed, last)
        if last.sequence == 5:
            written.set()
            await go_on.wait()

    monkeypatch.setattr(Feed, "acknowledge", slowly)
    server = own_nats
    async with open_log(server.url) as log:
        await log.say(*taps(3))
    await server.process.stop()
    (messages,) = (tmp_path / "nats").rglob("EVENTS/msgs")
    shutil.copytree(messages, tmp_path / "backup")
    await server.start()

    projector, link = Projector(database.dsn), Proxy(urlsplit(server.url).port or 0)
    await link.start()
    async with connected(f"nats://127.0.0.1:{link.port}") as client:
        js = client.jetstream()
        far = Log(js, Publisher(js, source="test"), Reader(js))
        async with running(projector, far.connection):
            await far.say(*taps(2, "lost"))
            await written.wait()
            link.cut()

            await server.process.stop()
            shutil.rmtree(messages)
            shutil.copytree(tmp_path / "backup", messages)
            await server.start()
            async with open_log(server.url) as log:
                await log.say(*taps(5, "new"))
            link.heal()
            await until(partial(answers, far), bool)
            go_on.set()
            problem = await until(lambda: problem_of(projector), lambda said: "halted" in said)
    await link.stop()
    assert "lost" in problem
    assert await database.checkpoint() == 5


async def test_a_log_created_anew_halts_the_service_with_a_remedy_and_without_a_crash(
    log: Log, database: Database, analytics: Analytics
) -> None:
    await log.say(*taps(2))
    await until(database.checkpoint, lambda seen: seen == 2, seconds=60)
    await analytics.process.kill()
    await log.js.delete_stream("EVENTS")
    await ensure_stream(log.js, EVENTS, replicas=1)
    await log.say(*taps(1, "another log"))
    analytics.process.start()

    async with httpx.AsyncClient(base_url=analytics.url, timeout=60) as client:

        async def readiness() -> str:
            with suppress(httpx.TransportError):
                return (await client.get("/readyz")).json()["checks"]["projection"]
            return ""

        said = await until(readiness, lambda answer: "halted" in answer, seconds=60)
        metrics = (await client.get("/metrics")).text

    assert "created anew" in said
    assert "fingerpost_projection_halted 1.0" in metrics
    assert analytics.process.running
    (line,) = [
        entry
        for entry in map(json.loads, analytics.process.tail(100).splitlines())
        if entry["level"] == "critical" and "remedy" in entry
    ]
    assert "created anew" in line["problem"]
    assert "rebuild --accept-differences" in line["remedy"]
    assert await database.value("SELECT count(*) FROM fingerpost.clicks") == 2
