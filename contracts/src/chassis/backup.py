"""`python -m chassis.backup save|restore FOLDER`: the log, and what cannot be made from it.

`save` asks NATS for a snapshot of each stream, at one moment of it, while services go on. FOLDER
then has a folder for each, in the shape of `nats stream backup`, whose `restore` reads it, too.
`restore` puts them where there are none: it changes no stream that exists.

The leases are not saved: who held one must not find it again.
"""

import asyncio
import json
import os
import shutil
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from nats.aio.client import Client
from nats.aio.msg import Msg

from chassis.console import (
    EXIT_INTERRUPTED,
    CommandError,
    RefusedError,
    UnavailableError,
    fail,
    tell,
    to_nats,
)
from chassis.settings import ServiceSettings, load
from contracts.streams import BUCKETS, CLICKS_LEASE, EVENTS, SENDER_LEASE

STREAMS = (
    EVENTS.name,
    *(f"KV_{bucket.name}" for bucket in BUCKETS if bucket not in (SENDER_LEASE, CLICKS_LEASE)),
)
_DESCRIPTION, _CONTENT = "backup.json", "stream.tar.s2"
_CHUNK = 128 * 1024
_SILENCE_SECONDS = 30.0
_NO_SUCH_STREAM = 10059
_DID = {"save": "saved", "restore": "restored"}


async def save(client: Client, folder: Path) -> dict[str, int]:
    """Write a snapshot of each stream below `folder`; return how many messages each has."""
    unfinished = _prepared(folder)
    saved = {name: await _save(client, name, unfinished / name) for name in STREAMS}
    unfinished.rename(folder)
    return saved


async def restore(client: Client, folder: Path, *, replicas: int) -> dict[str, int]:
    """Make the streams that `folder` has a backup of; return how many messages each has."""
    described = {name: _description(folder, name) for name in STREAMS}
    for name in STREAMS:
        if (await _ask(client, f"STREAM.INFO.{name}", {})).get("error") is None:
            raise RefusedError(
                f"the stream {name} exists",
                "restore into a server without it: what was said there since the backup would be"
                " lost, so move that server's files away, or `nats stream rm` it yourself",
            )
    return {
        name: await _restore(client, name, description, folder / name / _CONTENT, replicas)
        for name, description in described.items()
    }


def _prepared(folder: Path) -> Path:
    """Make a folder beside `folder` that is given its name once all of it is written."""
    if folder.exists():
        raise RefusedError(f"{folder} exists", "name a folder that is new")
    unfinished = folder.with_name(f".{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    for name in STREAMS:
        (unfinished / name).mkdir(parents=True)
    return unfinished


async def _save(client: Client, name: str, folder: Path) -> int:
    inbox = client.new_inbox()
    with (folder / _CONTENT).open("wb") as file:
        arriving = _Arriving(client, file)
        subscription = await client.subscribe(inbox, cb=arriving.receive)
        try:
            wanted = {"deliver_subject": inbox, "chunk_size": _CHUNK, "jsck": True}
            answer = await _ask(client, f"STREAM.SNAPSHOT.{name}", wanted)
            if problem := answer.get("error"):
                missing = problem.get("err_code") == _NO_SUCH_STREAM
                remedy = "run `python -m chassis.provision`" if missing else "look at NATS' log"
                raise RefusedError(f"stream {name}: {problem['description']}", remedy)
            await arriving.whole()
        finally:
            await subscription.unsubscribe()
        file.flush()
        os.fsync(file.fileno())
    description = {key: answer[key] for key in ("config", "state")}
    (folder / _DESCRIPTION).write_text(json.dumps(description, indent=2) + "\n")
    return int(answer["state"]["messages"])


class _Arriving:
    """A snapshot on its way into a file. The server waits for the acknowledgement of each piece."""

    def __init__(self, client: Client, file: BinaryIO) -> None:
        self._client = client
        self._file = file
        self._ended = asyncio.Event()
        self._pieces = 0
        self._problem = ""

    async def receive(self, message: Msg) -> None:
        """Take one piece; an empty one is the last, and its header says what went wrong."""
        if self._ended.is_set():
            return
        if message.data:
            self._pieces += 1
            try:
                self._file.write(message.data)
            except OSError as error:  # raised here, only the client's error callback would hear it
                self._problem = f"it cannot be written: {error}"
                self._ended.set()
                return
            if message.reply:
                await self._client.publish(message.reply)
            return
        status = (message.headers or {}).get("Status", "")
        if status not in {"", "204"}:
            self._problem = (message.headers or {}).get("Description", "") or status
        self._ended.set()

    async def whole(self) -> None:
        """Return when the last piece has come."""
        seen = -1
        while not self._ended.is_set():
            if seen == self._pieces:
                raise UnavailableError("the snapshot fell silent", "save again")
            seen = self._pieces
            try:
                async with asyncio.timeout(_SILENCE_SECONDS):
                    await self._ended.wait()
            except TimeoutError:
                continue
        if self._problem:
            raise UnavailableError(f"the snapshot broke off: {self._problem}", "save again")


async def _restore(
    client: Client, name: str, description: dict[str, Any], content: Path, replicas: int
) -> int:
    description["config"]["num_replicas"] = replicas
    answer = await _ask(client, f"STREAM.RESTORE.{name}", description)
    if problem := answer.get("error"):
        raise RefusedError(f"stream {name}: {problem['description']}", "look at NATS' log")
    place = answer["deliver_subject"]
    for piece in _pieces(content):
        said = await client.request(place, piece, timeout=_SILENCE_SECONDS)
        if said.data and (problem := json.loads(said.data).get("error")):
            raise RefusedError(f"stream {name}: {problem['description']}", "look at NATS' log")
    said = await client.request(place, b"", timeout=_SILENCE_SECONDS)
    made = json.loads(said.data)
    if problem := made.get("error"):
        raise RefusedError(f"stream {name}: {problem['description']}", "look at NATS' log")
    return int(made["state"]["messages"])


def _pieces(content: Path) -> Iterator[bytes]:
    with content.open("rb") as file:
        while piece := file.read(_CHUNK):
            yield piece


def _description(folder: Path, name: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((folder / name / _DESCRIPTION).read_text())
    except (OSError, ValueError) as error:
        raise RefusedError(
            f"{folder} holds no whole backup of {name}: {error}", "name a folder that `save` filled"
        ) from error
    return found


async def _ask(client: Client, what: str, question: dict[str, Any]) -> dict[str, Any]:
    said = await client.request(
        f"$JS.API.{what}", json.dumps(question).encode(), timeout=_SILENCE_SECONDS
    )
    answer: dict[str, Any] = json.loads(said.data)
    return answer


async def _run(settings: ServiceSettings, act: str, folder: Path) -> dict[str, int]:
    async with to_nats(settings, source="backup") as client:
        if act == "save":
            return await save(client, folder)
        return await restore(client, folder, replicas=settings.log_replicas)


def parser() -> ArgumentParser:
    """Return what the command line may say."""
    whole = ArgumentParser(prog="python -m chassis.backup", description=__doc__)
    whole.add_argument("act", choices=("save", "restore"))
    whole.add_argument("folder", type=Path, metavar="FOLDER")
    return whole


def main() -> int:
    """Save or restore; return the exit status."""
    asked = parser().parse_args()
    settings = load(ServiceSettings)
    try:
        counted = asyncio.run(_run(settings, asked.act, asked.folder))
    except CommandError as error:
        return fail(error, as_json=False)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    for name, messages in counted.items():
        tell(f"{name}: {messages} messages {_DID[asked.act]}", str, as_json=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
