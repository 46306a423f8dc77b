"""Looks at the log and the tables directly, past all proxies; changes nothing but on demand."""

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import nats
import nats.errors
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, ConsumerInfo
from nats.js.errors import Error as JetStreamError

from chaos.history import History

STREAM = "EVENTS"
AWAY = (nats.errors.Error, JetStreamError, OSError, TimeoutError)
_GONE = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)
_SAMPLE_SECONDS = 0.5
_PATIENCE = 2.0
_LONG_PATIENCE = 30.0
_BATCH = 500
_READING_SECONDS = 60.0
_LONGEST_LOOK = 15.0
_SCHEMAS = "SELECT nspname FROM pg_namespace WHERE nspname ~ '^fingerpost_v[0-9]+$'"


class Observer:
    """One connection to the cluster, and one to Postgres for each look."""

    def __init__(self, client: Client, dsn: str, history: History) -> None:
        self.js: JetStreamContext = client.jetstream(timeout=_PATIENCE)
        self.patient: JetStreamContext = client.jetstream(timeout=_LONG_PATIENCE)
        """For what must be known to be done: a busy machine may take long to answer."""
        self.checkpoint = 0
        self.log_last = 0
        self._dsn = dsn
        self._history = history

    async def watch(self) -> None:
        """Note the checkpoint and the log's end, for ever."""
        while True:
            await self.look()
            await asyncio.sleep(_SAMPLE_SECONDS)

    async def look(self) -> None:
        """Note the checkpoint, then the log's end; what is away says nothing."""
        try:
            async with asyncio.timeout(_LONGEST_LOOK):
                await self._look()
        except Exception as error:  # noqa: BLE001  a server that dies may say anything
            self._history.add("unseen", why=repr(error))

    async def _look(self) -> None:
        status = await self._status()
        last = await self.last()
        if last is not None:
            self.log_last = last
            self._history.add("log_last", value=last)
        if status:
            self.checkpoint = status[1]
            self._history.add("checkpoint", version=status[0], value=self.checkpoint, log_last=last)

    async def last(self) -> int | None:
        """Return the log's last sequence, None while nobody says."""
        with contextlib.suppress(*AWAY):
            return (await self.js.stream_info(STREAM)).state.last_seq
        return None

    async def leader(self) -> str | None:
        """Return which server leads the log, None while none is known."""
        with contextlib.suppress(*AWAY):
            cluster = (await self.js.stream_info(STREAM)).cluster
            return cluster.leader if cluster else None
        return None

    async def consumers(self) -> list[ConsumerInfo] | None:
        """Return the durable consumers, None while nobody says."""
        with contextlib.suppress(*AWAY):
            return [c for c in await self.js.consumers_info(STREAM) if c.config.durable_name]
        return None

    async def _status(self) -> tuple[int, int] | None:
        with contextlib.suppress(*_GONE):
            async with (
                asyncio.timeout(_PATIENCE),
                _postgres(self._dsn, _PATIENCE) as connection,
            ):
                row = await connection.fetchrow(
                    "SELECT version, checkpoint FROM fingerpost.projection_status"
                )
                return (row["version"], row["checkpoint"]) if row else None
        return None

    async def messages(self) -> list[dict[str, Any]]:
        """Return the whole log; begins anew while the cluster is still finding itself."""
        ends = asyncio.get_running_loop().time() + _READING_SECONDS
        while True:
            try:
                return await messages(self.patient)
            except AWAY as error:
                if asyncio.get_running_loop().time() > ends:
                    raise
                self._history.add("unread", why=repr(error))
                await asyncio.sleep(_SAMPLE_SECONDS)


async def messages(js: JetStreamContext) -> list[dict[str, Any]]:
    """Return every message of the log behind `js`, in order; nobody erased the last one."""
    # By the log's end: a consumer may be led by a server that does not know the newest ones yet.
    last = (await js.stream_info(STREAM)).state.last_seq
    info = await js.add_consumer(STREAM, ConsumerConfig(ack_policy=AckPolicy.NONE))
    reader = await js.pull_subscribe_bind(consumer=info.name, stream=STREAM)
    found: list[dict[str, Any]] = []
    read = 0
    while read < last:
        for message in await reader.fetch(_BATCH, timeout=10):
            meta = message.metadata
            found.append(
                {
                    "seq": meta.sequence.stream,
                    "subject": message.subject,
                    "headers": message.headers or {},
                    "time": meta.timestamp.timestamp(),
                    **_content(message.data),
                }
            )
            read = meta.sequence.stream
    await js.delete_consumer(STREAM, info.name)
    return found


def _content(data: bytes) -> dict[str, Any]:
    try:
        return {"data": json.loads(data)}
    except ValueError:
        return {"raw": base64.b64encode(data).decode()}


@asynccontextmanager
async def _postgres(dsn: str, patience: float = _LONG_PATIENCE) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(dsn, timeout=patience)
    try:
        yield connection
    finally:
        connection.terminate()


async def tables(dsn: str) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of every table of the live version, and of every view as `views/<name>`."""
    async with (
        _postgres(dsn) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        version = await connection.fetchval("SELECT version FROM fingerpost.projection_status")
        found: dict[str, list[dict[str, Any]]] = {"version": [{"version": version}]}
        for schema, prefix in ((f"fingerpost_v{version}", ""), ("fingerpost", "views/")):
            names = await connection.fetch(
                "SELECT table_name FROM information_schema.tables WHERE table_schema = $1", schema
            )
            for (name,) in names:
                rows = await connection.fetch(
                    f'SELECT to_jsonb(t)::text FROM {schema}."{name}" AS t'  # noqa: S608
                )
                found[prefix + name] = [json.loads(text) for (text,) in rows]
        return found


@asynccontextmanager
async def open_observer(urls: list[str], dsn: str, history: History) -> AsyncIterator[Observer]:
    """Yield an observer that comes back to the cluster whatever becomes of it."""

    async def silent(_: Exception) -> None:
        """A cluster under faults: to be away is its business."""

    client = await nats.connect(
        urls, max_reconnect_attempts=-1, reconnect_time_wait=0.2, error_cb=silent
    )
    try:
        yield Observer(client, dsn, history)
    finally:
        await client.close()
