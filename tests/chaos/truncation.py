"""A log of one server loses its tail: whoever folded it must halt, and say so.

The events are those of the run. The server is stopped, and its files are put back to what they were
some messages earlier, as a disk does that lost what it had promised to keep.
"""

import asyncio
import json
import random
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import nats
from nats.js import JetStreamContext

from chaos.history import now
from chaos.observer import STREAM, tables
from chaos.world import World
from stack.nats_server import NatsServer
from stack.ports import free_port
from stack.process import Process

_BEFORE, _LOST, _AFTER = 150, 60, 100
"""How many messages there are, how many of them are lost, and how many come after that: more than
were lost, so that the log passes the checkpoint again, as another one."""
PROJECTORS = ("stays", "comes before the log grows", "comes after it grew")
"""Whether the projector runs while the tail is lost, or when it is started again. At last the log
is as long as ever, and only what stands at the checkpoint tells that it is another one."""
_READY_SECONDS = 120
_HALT_SECONDS = 120
_PATIENCE = 30
_STILL_SECONDS = 3
"""In which a projector that did not halt would fold on."""
_LOOK_SECONDS = 0.2
_TABLES = ("deliveries", "clicks", "starts", "conversions", "quarantine")

Json = dict[str, Any]


async def truncate(world: World, log: list[Json], seed: int) -> Json:
    """Play the scene with the first messages of `log`, and return what was seen."""
    events = [message for message in log if "data" in message][: _BEFORE + _AFTER]
    scene = _Scene(world)
    try:
        await scene.open()
        return await scene.play(events, random.Random(f"tail of {seed}").choice(PROJECTORS))
    finally:
        await scene.close()


class _Scene:
    def __init__(self, world: World) -> None:
        self._folder = world.state / "truncation"
        self._server = NatsServer(self._folder / "nats", port=free_port(), monitor_port=free_port())
        self._postgres = world.postgres.dsn
        self._dsn = self._postgres.rsplit("/", 1)[0] + "/truncation"
        port = free_port()
        self._ready = f"http://127.0.0.1:{port}/readyz"
        self._log = world.logs / "analytics-truncated.log"
        self._analytics = Process(
            "analytics-truncated",
            [sys.executable, "-m", "analytics"],
            log=self._log,
            environment={
                # Of the services beside this package: a mutation is in a copy of them.
                "PYTHONPATH": str(Path(__file__).parent.parent),
                "NATS_URL": self._server.url,
                "POSTGRES_DSN": self._dsn,
                "FINGERPOST_HTTP_PORT": str(port),
                "FINGERPOST_INSTANCE": "truncated",
            },
        )

    async def open(self) -> None:
        connection = await _connect(self._postgres)
        await connection.execute("CREATE DATABASE truncation")
        await connection.close()
        await self._server.start()
        self._analytics.start()
        await self._analytics.answers(self._ready, _READY_SECONDS)

    async def close(self) -> None:
        await self._analytics.kill()
        await self._server.process.kill()

    async def play(self, events: list[Json], projector: str) -> Json:
        """Fold, lose the tail, go on."""
        begun = now()
        kept = _BEFORE - _LOST
        await self._say(events[:kept])
        await self._server.process.stop()
        copy = self._folder / "copy"
        shutil.copytree(self._folder / "nats" / "jetstream", copy)
        await self._server.start()
        last_before = await self._say(events[kept:_BEFORE])
        checkpoint_before = await self._folded(last_before)
        rows_before = await self._rows()
        ready_before, _ = await self._once(lambda status, _: status == httpx.codes.OK)
        if projector != PROJECTORS[0]:
            await self._analytics.stop()
        await self._server.process.stop()
        shutil.rmtree(self._folder / "nats" / "jetstream")
        shutil.copytree(copy, self._folder / "nats" / "jetstream")
        await self._server.start()
        last_after = await self._say([])
        if projector == PROJECTORS[1]:
            self._analytics.start()
        if projector != PROJECTORS[2]:
            await self._halted()
        # The log grows past the checkpoint, by other messages than those that were folded.
        last_at_end = await self._say(events[_BEFORE:])
        if projector == PROJECTORS[2]:
            self._analytics.start()
        status, said = await self._halted()
        await asyncio.sleep(_STILL_SECONDS)
        return {
            "projector": projector,
            "last_before": last_before,
            "checkpoint_before": checkpoint_before,
            "last_after_truncation": last_after,
            "checkpoint_after": await self._checkpoint(),
            "last_at_end": last_at_end,
            "ready_before": ready_before,
            "status_after": status,
            "said": said,
            "logged": [line for line in self._lines() if '"critical"' in line or "halt" in line],
            "rows_before": rows_before,
            "rows_after": await self._rows(),
            "seconds": round(now() - begun, 1),
        }

    async def _say(self, events: list[Json]) -> int:
        """Say events as they were said before; return the log's last sequence."""
        client = await nats.connect(self._server.url)
        try:
            js: JetStreamContext = client.jetstream(timeout=_PATIENCE)
            for event in events:
                # Another id: the server remembers those of the last hour.
                document = json.dumps(event["data"]).encode()
                await js.publish(event["subject"], document)
            return (await js.stream_info(STREAM)).state.last_seq
        finally:
            await client.close()

    async def _folded(self, sequence: int) -> int:
        deadline = now() + _READY_SECONDS
        while (found := await self._checkpoint()) < sequence and now() < deadline:
            await asyncio.sleep(_LOOK_SECONDS)
        return found

    async def _checkpoint(self) -> int:
        connection = await _connect(self._dsn)
        try:
            found: int = await connection.fetchval(
                "SELECT checkpoint FROM fingerpost.projection_status"
            )
            return found
        finally:
            await connection.close()

    async def _rows(self) -> dict[str, int]:
        found = await tables(self._dsn)
        return {name: len(found.get(name, [])) for name in _TABLES}

    async def _readiness(self) -> tuple[int | None, str]:
        try:
            async with httpx.AsyncClient(timeout=2) as client:
                answer = await client.get(self._ready)
        except httpx.TransportError as error:
            return None, repr(error)
        return answer.status_code, answer.text

    async def _halted(self) -> tuple[int | None, str]:
        """Wait until readiness names the log as the problem, or for as long as it may take."""
        return await self._once(lambda code, said: code != httpx.codes.OK and "rebuild" in said)

    async def _once(self, good: Callable[[int | None, str], bool]) -> tuple[int | None, str]:
        """Return what readiness says once it is `good`, or after as long as that may take."""
        deadline = now() + _HALT_SECONDS
        while True:
            status, said = await self._readiness()
            if good(status, said) or now() > deadline:
                return status, said
            await asyncio.sleep(_LOOK_SECONDS)

    def _lines(self) -> list[str]:
        return self._log.read_text(errors="replace").splitlines()


async def _connect(dsn: str) -> Any:
    return await asyncpg.connect(dsn, timeout=_PATIENCE)
