"""Kill -9 of the projector, of a rebuild, of Postgres and of NATS, while events come in."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import nats.errors
import pytest
from nats.js.errors import Error as JetStreamError

from analytics.postgres import GONE
from chassis.log import LogUnavailableError
from contracts.events import CtaClicked
from contracts.examples import example
from harness.logs import Log, open_log
from harness.waiting import until
from harness.warm import Warm
from stack.nats_server import NatsServer
from stack.ports import free_port
from stack.postgres_server import PostgresServer
from stack.process import Process, StartError

from .conftest import Database


@dataclass
class Scene:
    """Servers of its own, a replica of analytics, a rebuild, and people who tap all the while."""

    folder: Path
    nats: NatsServer
    postgres: PostgresServer
    log: Log
    database: Database
    replica: Process
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    said: int = 0

    def command(self, *words: str) -> Process:
        environment = {
            **os.environ,
            "NATS_URL": self.nats.url,
            "POSTGRES_DSN": self.postgres.dsn,
        }
        log = self.folder / f"{words[0]}.log"
        return Warm(words[0], "analytics", *words, log=log, environment=environment)

    async def done(self, *words: str) -> int | None:
        process = self.command(*words)
        process.start()
        await process.ended(60)
        return process.exit_status

    async def talk(self) -> None:
        while not self.stop.is_set():
            tap = example(CtaClicked, source_id=f"tap {self.said}")
            with suppress(LogUnavailableError):
                await self.log.publisher.publish(tap)
                self.said += 1

    async def restart_postgres(self) -> None:
        await self.postgres.process.kill()

        async def started() -> bool:
            # The backends of a killed server need a moment to see that it is gone.
            with suppress(StartError):
                await self.postgres.start()
                return True
            return False

        await until(started, bool, seconds=40)

    async def restart_nats(self) -> None:
        await self.nats.process.kill()
        await self.nats.start()

    async def restart_replica(self) -> None:
        await self.replica.kill()
        self.replica.start()

    async def live(self) -> int:
        with suppress(*GONE):
            return int(
                await self.database.value("SELECT version FROM fingerpost.projection_status")
            )
        return 0

    async def moved(self) -> None:
        """Wait until something that is said now is in the tables."""
        mark = await until(self.end, lambda end: end >= 0, seconds=60)
        await until(self.checkpoint, lambda seen: seen > mark, seconds=60)

    async def caught_up(self) -> None:
        """Wait until all that was said is in the tables."""
        last = await until(self.end, lambda end: end >= 0, seconds=60)
        await until(self.checkpoint, lambda seen: seen >= last, seconds=60)

    async def end(self) -> int:
        """Return the last sequence of the log, -1 while it is away."""
        with suppress(nats.errors.Error, JetStreamError):
            return (await self.log.js.stream_info("EVENTS")).state.last_seq
        return -1

    async def checkpoint(self) -> int:
        """Return how far the tables are, -1 while Postgres is away."""
        with suppress(*GONE):
            return await self.database.checkpoint()
        return -1


@pytest.fixture
async def scene(own_nats: NatsServer, tmp_path: Path) -> AsyncIterator[Scene]:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # noqa: ASYNC240  Postgres may run as another user
        postgres = PostgresServer(Path(folder) / "postgres", port=free_port(), password="tests")
        nobody, database = Process("", (), log=tmp_path), Database(postgres.dsn)
        try:
            await postgres.start()
            async with open_log(own_nats.url) as log:
                scene = Scene(tmp_path, own_nats, postgres, log, database, nobody)
                scene.replica = _service(scene)
                scene.replica.start()
                try:
                    yield scene
                finally:
                    await scene.replica.kill()
        finally:
            await postgres.process.stop()


def _service(scene: Scene) -> Process:
    environment = {
        **os.environ,
        "NATS_URL": scene.nats.url,
        "POSTGRES_DSN": scene.postgres.dsn,
        "FINGERPOST_HTTP_PORT": str(free_port()),
    }
    return Warm("analytics", "analytics", log=scene.folder / "run.log", environment=environment)


@asynccontextmanager
async def talking(scene: Scene) -> AsyncIterator[None]:
    talk = asyncio.create_task(scene.talk())
    try:
        yield
    finally:
        scene.stop.set()
        await talk


@asynccontextmanager
async def analyst(scene: Scene) -> AsyncIterator[list[asyncpg.PostgresError]]:
    """Yield what fails of queries that come one after the other."""
    failures: list[asyncpg.PostgresError] = []
    connection = await asyncpg.connect(scene.database.dsn)

    async def read() -> None:
        while True:
            try:
                await connection.fetch("SELECT * FROM fingerpost.promo_conversion")
                await connection.fetch("SELECT count(*) FROM fingerpost.clicks")
            except asyncpg.PostgresError as error:
                failures.append(error)

    reading = asyncio.create_task(read())
    try:
        yield failures
    finally:
        reading.cancel()
        await asyncio.wait([reading])
        await connection.close()


@pytest.mark.timeout(300)
async def test_nothing_is_lost_or_doubled_when_one_after_the_other_is_killed_under_load(
    scene: Scene,
) -> None:
    async with talking(scene):
        await until(scene.live, lambda version: version == 1, seconds=60)
        for restart in (scene.restart_replica, scene.restart_postgres, scene.restart_nats):
            await scene.moved()
            await restart()
        await scene.moved()
    await scene.caught_up()

    assert await scene.done("verify") == 0
    assert await scene.database.value("SELECT count(*) FROM fingerpost.clicks") >= scene.said > 50


@pytest.mark.timeout(300)
async def test_a_rebuild_survives_the_same_and_analysts_do_not_notice(scene: Scene) -> None:
    async def nothing_else() -> None:
        """The rebuild alone is killed."""

    async with talking(scene):
        await until(scene.live, lambda version: version == 1, seconds=60)
        faults: list[Callable[[], Awaitable[None]]] = [
            nothing_else,
            scene.restart_postgres,
            scene.restart_nats,
            scene.restart_replica,
        ]
        for fault in faults:
            await scene.moved()
            (scene.folder / "rebuild.log").unlink(missing_ok=True)
            rebuild = scene.command("rebuild", "--no-swap")
            rebuild.start()

            async def begun(rebuild: Process = rebuild) -> str:
                return rebuild.tail()

            await until(begun, lambda told: "version 2: indexing" in told, seconds=60)
            await fault()
            await rebuild.kill()
        await scene.moved()
        async with analyst(scene) as failures:
            assert await scene.done("rebuild") == 0
            await until(scene.live, lambda version: version == 2, seconds=60)
            await scene.moved()

    assert failures == []
    assert await scene.done("verify") == 0
    assert await scene.done("verify", "--version", "2") == 0
