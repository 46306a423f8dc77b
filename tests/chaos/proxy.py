"""A small TCP proxy on one link, which can be slow, cut, or half open."""

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass
from typing import Literal

Mode = Literal["pass", "delay", "cut", "half_open"]
_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

_CHUNK = 65_536
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: on, 0 s. Closing then sends RST, as a machine does that forgot the connection."""


@dataclass(eq=False)
class _Connection:
    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    swallowed: bool = False

    def reset(self) -> None:
        for writer in (self.client, self.server):
            raw = writer.get_extra_info("socket")
            with contextlib.suppress(OSError):
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()


class Proxy:
    """Listens on a port of its own, and passes on to `target` what comes in.

    Whatever the mode, a connection that lost a byte never passes another one.
    """

    def __init__(self, target: int) -> None:
        self.port = 0
        self._target = target
        self._mode: Mode = "pass"
        self._delay = 0.0
        self._connections: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen from now on."""
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Listen no more, and end all connections."""
        if self._server:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong with it."""
        return self._mode == "pass"

    def delay(self, seconds: float) -> None:
        """Pass everything on later by `seconds`."""
        self._mode, self._delay = "delay", seconds

    def cut(self) -> None:
        """End all connections at once, and every new one."""
        self._mode = "cut"
        self._reset_all()

    def half_open(self) -> None:
        """Accept, and swallow whatever comes from either side."""
        self._mode = "half_open"

    def heal(self) -> None:
        """Pass on as before; connections of which something was swallowed end."""
        self._mode = "pass"
        for connection in [c for c in self._connections if c.swallowed]:
            connection.reset()

    def _reset_all(self) -> None:
        for connection in list(self._connections):
            connection.reset()

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A task of our own: asyncio would report one that it made, and that was cancelled.
        task = asyncio.create_task(self._accept(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self._mode != "cut":
                with contextlib.suppress(OSError):
                    there = await asyncio.open_connection("127.0.0.1", self._target)
                    await self._join((reader, writer), there)
        finally:
            writer.transport.abort()

    async def _join(self, here: _Streams, there: _Streams) -> None:
        connection = _Connection(here[1], there[1])
        self._connections.add(connection)
        flows = (
            asyncio.create_task(self._flow(here[0], there[1], connection)),
            asyncio.create_task(self._flow(there[0], here[1], connection)),
        )
        try:
            await asyncio.wait(flows)
        finally:
            for flow in flows:
                flow.cancel()
            connection.reset()
            self._connections.discard(connection)

    async def _flow(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, connection: _Connection
    ) -> None:
        # OSError: a side was reset. RuntimeError: the transport is closing.
        with contextlib.suppress(OSError, RuntimeError):
            while chunk := await source.read(_CHUNK):
                if self._mode == "delay":
                    await asyncio.sleep(self._delay)
                if self._mode == "half_open" or connection.swallowed:
                    connection.swallowed = True
                    continue
                target.write(chunk)
                await target.drain()
        if connection.swallowed:
            return
        with contextlib.suppress(OSError, RuntimeError):
            target.write_eof()
