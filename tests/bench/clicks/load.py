"""A small HTTP client that costs little beside what it measures: one request a wire at a time."""

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Self, cast

_SEED = 20260301
_HEAD_END = b"\r\n\r\n"
_CHUNKED_END = b"0\r\n\r\n"


class Wire(asyncio.Protocol):
    """One connection that is kept alive."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[int] | None = None
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own is no subclass of it

    def connection_lost(self, error: Exception | None) -> None:
        if self._answer and not self._answer.done():
            self._answer.set_exception(error or ConnectionError("the server hung up"))

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._answer and _complete(self._received):
            status, self._received = int(self._received[9:12]), b""
            self._answer.set_result(status)

    def ask(self, request: bytes) -> asyncio.Future[int]:
        """Send a whole request; the future is the answer's status once all of it is here."""
        if self._transport is None:
            raise RuntimeError("not connected")
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._answer

    def close(self) -> None:
        if self._transport:
            self._transport.close()


def _complete(received: bytes) -> bool:
    head, end, body = received.partition(_HEAD_END)
    if not end:
        return False
    head = head.lower()
    if b"transfer-encoding: chunked" in head:
        return body.endswith(_CHUNKED_END)
    _, found, rest = head.partition(b"content-length:")
    return len(body) >= (int(rest.split(b"\r\n", 1)[0]) if found else 0)


@dataclass
class Found:
    """What a load found: the seconds of each answer, how they ended, and how long all took.

    `planned` are the moments of the requests of a paced load, in their order.
    """

    seconds: list[float] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    planned: list[float] = field(default_factory=list)
    wall: float = 0.0

    @property
    def per_second(self) -> float:
        return len(self.seconds) / self.wall

    def all_ended(self, status: int) -> Self:
        """Return itself; raises RuntimeError where an answer was another than `status`."""
        if others := set(self.statuses) - {status}:
            raise RuntimeError(f"answers other than {status}: {sorted(others)}")
        return self


async def closed(port: int, requests: Sequence[bytes], *, connections: int) -> Found:
    """Ask as fast as answers come, by so many connections at once."""
    found, left = Found(), iter(requests)
    async with _wires(port, connections) as wires:
        begun = perf_counter()
        await asyncio.gather(*(_one_after_the_other(wire, left, found) for wire in wires))
        found.wall = perf_counter() - begun
    return found


async def _one_after_the_other(wire: Wire, left: Iterator[bytes], found: Found) -> None:
    for request in left:
        begun = perf_counter()
        found.statuses.append(await wire.ask(request))
        found.seconds.append(perf_counter() - begun)


async def paced(port: int, requests: Sequence[bytes], *, rate: float, connections: int) -> Found:
    """Ask at random moments, `rate` a second, whether or not the answers keep up.

    An answer is timed from the moment at which it was to be asked for, so that a server that
    stops is not spared the requests that waited for it.
    """
    found, free, waiting = Found(), deque[Wire](), deque[tuple[float, bytes]]()
    tasks: set[asyncio.Task[None]] = set()

    async def ask(wire: Wire) -> None:
        while waiting:
            planned, request = waiting.popleft()
            found.statuses.append(await wire.ask(request))
            found.seconds.append(perf_counter() - planned)
        free.append(wire)

    async with _wires(port, connections) as wires:
        free.extend(wires)
        dice = random.Random(_SEED)
        begun = planned = perf_counter()
        for request in requests:
            planned += dice.expovariate(rate)
            if (pause := planned - perf_counter()) > 0:
                await asyncio.sleep(pause)
            found.planned.append(planned)
            waiting.append((planned, request))
            if free:
                task = asyncio.create_task(ask(free.popleft()))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
        while tasks:
            await asyncio.gather(*tasks)
        found.wall = perf_counter() - begun
    return found


@asynccontextmanager
async def _wires(port: int, count: int) -> AsyncIterator[list[Wire]]:
    loop = asyncio.get_running_loop()
    wires = [(await loop.create_connection(Wire, "127.0.0.1", port))[1] for _ in range(count)]
    try:
        yield wires
    finally:
        for wire in wires:
            wire.close()
