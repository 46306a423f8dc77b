"""The events of the log as they come, for pages that watch: one reader, however many watch.

The log is read only while somebody watches. Who cannot keep up is dropped, and told so: the others
and the reader never wait.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import nats.errors
from nats.js.errors import Error as JetStreamError
from pydantic_core import to_json
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from analytics.domain.telling import Line, line
from chassis.log.reader import Entry
from chassis.logs import logger
from chassis.service import Connection
from contracts.events import UserForgotten
from contracts.streams import EVENTS

_FIRST_EVENTS = 100
_WAITING = 500
_VIEWERS = 200
_BEAT_SECONDS = 1.0
_BEATS_PER_COMMENT = 15
_SEND_SECONDS = 10.0
_REST_SECONDS = 1.0

log = logger(__name__)


@dataclass(eq=False)
class Viewer:
    """Who watches: the lines that wait for it."""

    lines: asyncio.Queue[Line] = field(default_factory=lambda: asyncio.Queue(_WAITING))
    dropped: bool = False

    async def take(self, seconds: float) -> list[Line]:
        """Return the lines that wait, at least one unless none comes within `seconds`."""
        try:
            taken = [await asyncio.wait_for(self.lines.get(), seconds)]
        except TimeoutError:
            return []
        while not self.lines.empty():
            taken.append(self.lines.get_nowait())
        return taken


class Tail:
    """Hands each event to everybody who watches, in the order of the log."""

    def __init__(self) -> None:
        self._viewers: set[Viewer] = set()
        self._watched = asyncio.Event()
        self._newest: deque[Line] = deque(maxlen=_FIRST_EVENTS)
        self.reading = 0

    @property
    def full(self) -> bool:
        """Whether as many watch as may."""
        return len(self._viewers) >= _VIEWERS

    async def run(self, connection: Connection) -> None:
        """Read while somebody watches, for ever: a part of the service."""
        while True:
            await self._watched.wait()
            reader = asyncio.create_task(self._read(connection))
            try:
                while self._viewers and not reader.done():  # noqa: ASYNC110  leaving calls nobody
                    await asyncio.sleep(_REST_SECONDS)
                if reader.done():
                    reader.result()
            except (JetStreamError, nats.errors.Error, TimeoutError, OSError) as error:
                log.warning("the tail cannot read the log; will go on", problem=repr(error))
            finally:
                reader.cancel()
                with suppress(asyncio.CancelledError):
                    await asyncio.wait([reader])
            if not self._viewers:
                self._watched.clear()
                self._newest.clear()

    async def _read(self, connection: Connection) -> None:
        self.reading += 1
        try:
            after = self._newest[-1].sequence if self._newest else await _begin(connection)
            async for entry in connection.reader.follow(">", after=after):
                self.tell(entry)
        finally:
            self.reading -= 1

    def tell(self, entry: Entry) -> None:
        """Hand an event to everybody who watches."""
        if isinstance(said := entry.envelope.data, UserForgotten):
            self._forget({*said.replaces})
        told = line(entry.sequence, entry.envelope)
        self._newest.append(told)
        for viewer in [*self._viewers]:
            try:
                viewer.lines.put_nowait(told)
            except asyncio.QueueFull:
                viewer.dropped = True
                self._viewers.discard(viewer)

    def _forget(self, places: set[int]) -> None:
        """Show those who come from now on nothing of what a forgotten person did."""
        kept = [told for told in self._newest if told.sequence not in places]
        self._newest = deque(kept, maxlen=_FIRST_EVENTS)

    @asynccontextmanager
    async def watching(self, after: int = 0) -> AsyncIterator[Viewer]:
        """Watch from the newest events on, without those up to `after`."""
        viewer = Viewer()
        for told in self._newest:
            if told.sequence > after:
                viewer.lines.put_nowait(told)
        self._viewers.add(viewer)
        self._watched.set()
        try:
            yield viewer
        finally:
            self._viewers.discard(viewer)


async def _begin(connection: Connection) -> int:
    state = (await connection.js.stream_info(EVENTS.name)).state
    return max(0, state.last_seq - _FIRST_EVENTS)


class EventStream(StreamingResponse):
    """The answer to one who watches: server-sent events, until it leaves or the service stops."""

    def __init__(
        self,
        tail: Tail,
        *,
        after: int,
        stopping: Callable[[], bool],
        headers: dict[str, str],
        send_seconds: float = _SEND_SECONDS,
    ) -> None:
        headers = {**headers, "X-Accel-Buffering": "no"}  # a proxy must not hold lines back
        super().__init__((), headers=headers, media_type="text/event-stream")
        self._tail = tail
        self._after = after
        self._stopping = stopping
        self._send_seconds = send_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        async with self._tail.watching(self._after) as viewer:
            start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
            await send(start)
            leaving = asyncio.create_task(_left(receive))
            try:
                await self._speak(viewer, leaving, send)
            except TimeoutError:
                log.info("a page that watches took nothing for too long; it is dropped")
            finally:
                leaving.cancel()

    async def _speak(self, viewer: Viewer, leaving: asyncio.Task[None], send: Send) -> None:
        await self._send(send, "retry: 1000\n\n")
        beats = 0
        while not (leaving.done() or viewer.dropped or self._stopping()):
            lines = await viewer.take(_BEAT_SECONDS)
            beats += 1
            if lines:
                await self._send(send, "".join(_event(told) for told in lines))
            elif beats % _BEATS_PER_COMMENT == 0:
                await self._send(send, ": still here\n\n")
        await self._send(send, "event: dropped\ndata: {}\n\n" if viewer.dropped else "", last=True)

    async def _send(self, send: Send, text: str, *, last: bool = False) -> None:
        async with asyncio.timeout(self._send_seconds):
            body = {"type": "http.response.body", "body": text.encode(), "more_body": not last}
            await send(body)


def _event(told: Line) -> str:
    return f"id: {told.sequence}\ndata: {to_json(told).decode()}\n\n"


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
