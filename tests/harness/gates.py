"""Gates between a process and its servers: they hold one message at a chosen moment."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_FRAME = re.compile(rb"(?:H?PUB) (\S+) +(?:\S+ +)*?(\d+)\r\n")
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


@dataclass
class Hold:
    """Holds what matches `pattern`: the request itself, or with `answer` what comes back for it.

    `reached` is set once something is held; `release` lets a held request go on.
    """

    pattern: bytes
    answer: bool = False
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    release: asyncio.Event = field(default_factory=asyncio.Event)

    def fits(self, message: bytes) -> bool:
        return re.search(self.pattern, message) is not None


@asynccontextmanager
async def nats_gate(url: str, holds: list[Hold]) -> AsyncIterator[str]:
    """Yield an address of the NATS server at `url` that never passes on what `holds` match."""

    async def pass_on(client: Streams, server: Streams) -> None:
        while line := await client[0].readline():
            frame = _FRAME.fullmatch(line)
            payload = await client[0].readexactly(int(frame[2]) + 2) if frame else b""
            held = [hold for hold in holds if frame and hold.fits(line + payload)]
            if held:
                held[0].reached.set()
                continue
            server[1].write(line + payload)

    async with _gate(url, "nats", pass_on) as address:
        yield address


@asynccontextmanager
async def http_gate(url: str, holds: list[Hold]) -> AsyncIterator[str]:
    """Yield an address of the HTTP server at `url` that holds requests, or their answers."""

    async def pass_on(client: Streams, server: Streams) -> None:
        while True:
            head = await client[0].readuntil(b"\r\n\r\n")
            length = _LENGTH.search(head)
            body = await client[0].readexactly(int(length[1])) if length else b""
            hold = next((hold for hold in holds if hold.fits(head + body)), None)
            if hold and not hold.answer:
                hold.reached.set()
                await hold.release.wait()
            server[1].write(head + body)
            await server[1].drain()
            if hold and hold.answer:
                await server[0].readuntil(b"\r\n\r\n")
                hold.reached.set()
                await asyncio.Event().wait()
            await _copy_answer(server[0], client[1])

    async with _gate(url, "http", pass_on, answers=False) as address:
        yield address


async def _copy_answer(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    head = await source.readuntil(b"\r\n\r\n")
    length = _LENGTH.search(head)
    target.write(head + (await source.readexactly(int(length[1])) if length else b""))


@asynccontextmanager
async def _gate(
    url: str,
    scheme: str,
    pass_on: Callable[[Streams, Streams], Awaitable[None]],
    *,
    answers: bool = True,
) -> AsyncIterator[str]:
    parts = urlsplit(url)
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await join((reader, writer), await asyncio.open_connection(parts.hostname, parts.port))
        finally:
            writer.close()

    async def join(client: Streams, server: Streams) -> None:
        flows = [asyncio.ensure_future(pass_on(client, server))]
        if answers:
            flows.append(asyncio.ensure_future(_pump(server[0], client[1])))
        try:
            await asyncio.wait(flows, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for flow in flows:
                flow.cancel()
            await asyncio.gather(*flows, return_exceptions=True)
            server[1].close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    gate = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield f"{scheme}://127.0.0.1:{gate.sockets[0].getsockname()[1]}"
    finally:
        gate.close()
        for task in tasks:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while chunk := await source.read(65_536):
        target.write(chunk)
