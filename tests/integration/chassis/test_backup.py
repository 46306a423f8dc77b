"""Snapshots of the log: saved while it is written, restored where there is none."""

import asyncio
import errno
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest
import pytest_asyncio
from nats.aio.client import Client
from nats.aio.msg import Msg

from chassis import backup
from chassis.backup import STREAMS, restore, save
from chassis.console import RefusedError, UnavailableError
from chassis.provision import provision
from chassis.settings import ServiceSettings
from contracts.streams import CONSUMERS, EVENTS
from harness.servers import connected

BODY = 4_000


@pytest_asyncio.fixture
async def client(nats_url: str) -> AsyncIterator[Client]:
    await provision(ServiceSettings(NATS_URL=nats_url))
    async with connected(nats_url) as client:
        yield client


async def lose(client: Client) -> None:
    for name in STREAMS:
        await client.jetstream().delete_stream(name)


async def bodies(client: Client) -> list[bytes | None]:
    js = client.jetstream()
    last = (await js.stream_info(EVENTS.name)).state.last_seq
    return [(await js.get_msg(EVENTS.name, number)).data for number in range(1, last + 1)]


async def test_what_was_saved_under_load_is_restored_byte_by_byte(
    client: Client, tmp_path: Path
) -> None:
    js = client.jetstream()
    written = [os.urandom(BODY) for _ in range(600)]
    for body in written[:300]:
        await js.publish("cta.clicked.1", body)
    await (await js.key_value("clicks_stripe")).put("in_1", b"early")

    async def go_on() -> None:
        for body in written[300:]:
            await js.publish("cta.clicked.1", body)

    going = asyncio.create_task(go_on())
    saved = await save(client, tmp_path / "backup")
    await going
    await lose(client)
    restored = await restore(client, tmp_path / "backup", replicas=1)

    assert saved == restored
    assert 300 <= saved[EVENTS.name] <= 600
    assert await bodies(client) == written[: saved[EVENTS.name]]
    assert (await (await js.key_value("clicks_stripe")).get("in_1")).value == b"early"
    consumers = {info.name for info in await js.consumers_info(EVENTS.name)}
    assert {consumer.durable for consumer in CONSUMERS} <= consumers


async def test_nothing_that_exists_is_overwritten(client: Client, tmp_path: Path) -> None:
    await save(client, tmp_path / "backup")

    with pytest.raises(RefusedError, match="exists; name a folder that is new"):
        await save(client, tmp_path / "backup")
    with pytest.raises(RefusedError, match="the stream EVENTS exists"):
        await restore(client, tmp_path / "backup", replicas=1)


async def test_a_backup_that_is_not_whole_is_refused_before_anything_is_made(
    client: Client, tmp_path: Path
) -> None:
    await save(client, tmp_path / "backup")
    await lose(client)
    shutil.rmtree(tmp_path / "backup" / "KV_clicks_stars")

    with pytest.raises(RefusedError, match="no whole backup of KV_clicks_stars"):
        await restore(client, tmp_path / "backup", replicas=1)

    made = {info.config.name for info in await client.jetstream().streams_info()}
    assert EVENTS.name not in made


async def test_a_log_that_lacks_cannot_be_saved(client: Client, tmp_path: Path) -> None:
    await lose(client)

    with pytest.raises(RefusedError, match="stream EVENTS: stream not found"):
        await save(client, tmp_path / "backup")

    assert not (tmp_path / "backup").exists()


async def test_a_full_disk_is_no_backup(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(300):
        await client.jetstream().publish("cta.clicked.1", os.urandom(BODY))
    receive = backup._Arriving.receive

    async def full(arriving: backup._Arriving, message: Msg) -> None:
        arriving._file = cast("BinaryIO", _Full(arriving._file))
        await receive(arriving, message)

    monkeypatch.setattr(backup._Arriving, "receive", full)

    with pytest.raises(UnavailableError, match="cannot be written"):
        await save(client, tmp_path / "backup")
    assert not (tmp_path / "backup").exists()


class _Full:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, _: bytes) -> int:
        raise OSError(errno.ENOSPC, "no space left on device")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)
