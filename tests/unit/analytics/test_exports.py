"""An export that nobody takes ends, and gives back what it held."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from starlette.types import Message, Scope

from analytics.dashboard.exports import Download

SCOPE: Scope = {"type": "http", "path": "/export/clicks.csv", "asgi": {"spec_version": "2.3"}}


@pytest.mark.parametrize("version", ["2.3", "2.4"])
async def test_who_takes_nothing_is_left(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setattr("analytics.dashboard.exports._SEND_SECONDS", 0.05)
    closed = asyncio.Event()

    async def rows() -> AsyncGenerator[bytes, None]:
        try:
            while True:
                yield b"a row"
        finally:
            closed.set()

    async def receive() -> Message:
        return await asyncio.Future()

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            await asyncio.Future()

    scope = {**SCOPE, "asgi": {"spec_version": version}}
    async with asyncio.timeout(5):
        await Download(rows())(scope, receive, send)

    assert closed.is_set()
