"""The sender's connections to Telegram."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from chassis.clock import utc_now
from harness.sandboxes import BOT_TOKEN
from harness.waiting import until
from sender.domain.content import Content
from sender.domain.outcomes import Unknown
from sender.telegram import Telegram

ME = {"id": 1, "is_bot": True, "first_name": "Bot", "username": "a_bot"}
BODY = json.dumps({"ok": True, "result": ME}).encode()
ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(BODY)
) + BODY


@asynccontextmanager
async def keeping_connections_open() -> AsyncIterator[tuple[str, list[int]]]:
    """Serve getMe for ever on each connection; yield the address, and the requests of each."""
    requests: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = len(requests)
        requests.append(0)
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                requests[number] += 1
                writer.write(ANSWER)
        except asyncio.IncompleteReadError:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", requests


async def test_an_idle_connection_is_not_used_again() -> None:
    """The server may be closing it just then, and a send that meets that is uncertain."""
    async with keeping_connections_open() as (api, requests):
        telegram = Telegram(BOT_TOKEN, api, utc_now, send_timeout=timedelta(seconds=10))

        async def asked() -> list[int]:
            await telegram.me()
            return requests

        await until(asked, lambda each: each[-1] > 1)
        before = list(requests)
        await asyncio.sleep(2.5)
        await telegram.me()
        await telegram.close()

    assert requests == [*before, 1]


async def test_the_token_is_cut_out_of_what_a_network_error_says() -> None:
    """A redirect in a circle makes aiohttp quote the address, and the token is part of it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        circle = f"Location: /bot{BOT_TOKEN}/sendMessage\r\nContent-Length: 0\r\nConnection: close"
        writer.write(f"HTTP/1.1 307 Temporary Redirect\r\n{circle}\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        api = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        telegram = Telegram(BOT_TOKEN, api, utc_now, send_timeout=timedelta(seconds=10))
        outcome = await telegram.post("-1001", Content("hello", ()))
        await telegram.close()

    assert isinstance(outcome, Unknown)
    assert "<token>" in outcome.description
    assert BOT_TOKEN not in outcome.description
