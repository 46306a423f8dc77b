import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import pytest
import pytest_asyncio

from chaos.proxy import Proxy

Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], Awaitable[Pair]]


@pytest_asyncio.fixture
async def proxy() -> AsyncIterator[Proxy]:
    """A proxy before a server that says everything twice."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while line := await reader.readline():
                writer.write(line * 2)
        writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.create_task(serve(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    proxy = Proxy(server.sockets[0].getsockname()[1])
    await proxy.start()
    yield proxy
    await proxy.stop()
    server.close()
    async with asyncio.timeout(30):
        await asyncio.gather(*tasks)


@pytest_asyncio.fixture
async def connect(proxy: Proxy) -> AsyncIterator[Connect]:
    """Connects through the proxy, and hangs up at the end."""
    pairs: list[Pair] = []

    async def connect() -> Pair:
        pairs.append(await asyncio.open_connection("127.0.0.1", proxy.port))
        return pairs[-1]

    yield connect
    for _, writer in pairs:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def say(pair: Pair, line: bytes) -> bytes:
    pair[1].write(line)
    async with asyncio.timeout(30):
        return await pair[0].readexactly(2 * len(line))


async def ended(pair: Pair) -> bool:
    async with asyncio.timeout(30):
        try:
            return await pair[0].read() == b""
        except ConnectionError:
            return True


async def test_passes_on(connect: Connect) -> None:
    assert await say(await connect(), b"hello\n") == b"hello\nhello\n"


async def test_an_end_is_passed_on_after_what_was_said(connect: Connect) -> None:
    reader, writer = await connect()
    writer.write(b"hello\n")
    writer.write_eof()

    async with asyncio.timeout(30):
        assert await reader.read() == b"hello\nhello\n"


async def test_a_slow_link_is_slow_and_loses_nothing(proxy: Proxy, connect: Connect) -> None:
    pair = await connect()
    proxy.delay(0.2)
    begun = asyncio.get_running_loop().time()

    assert await say(pair, b"hello\n") == b"hello\nhello\n"
    assert asyncio.get_running_loop().time() - begun >= 0.4


async def test_a_cut_ends_what_there_is_and_what_comes(proxy: Proxy, connect: Connect) -> None:
    before = await connect()
    await say(before, b"hello\n")

    proxy.cut()

    assert await ended(before)
    assert await ended(await connect())
    assert not proxy.whole


async def test_a_half_open_link_swallows_and_passes_nothing_after_it(
    proxy: Proxy, connect: Connect
) -> None:
    pair = await connect()
    await say(pair, b"hello\n")
    proxy.half_open()

    pair[1].write(b"lost\n")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(pair[0].readexactly(1), 0.3)
    proxy.heal()

    assert await ended(pair)
    assert await say(await connect(), b"again\n") == b"again\nagain\n"


async def test_stopped_while_it_reaches_for_its_target_it_leaves_nothing_open(
    monkeypatch: pytest.MonkeyPatch, proxy: Proxy, connect: Connect
) -> None:
    reaching = asyncio.Event()

    async def never(*_: object) -> Pair:
        reaching.set()
        return await asyncio.Event().wait()  # type: ignore[return-value]

    pair = await connect()
    await say(pair, b"hello\n")
    there = asyncio.open_connection("127.0.0.1", proxy.port)
    monkeypatch.setattr(asyncio, "open_connection", never)
    waiting = await there
    await reaching.wait()

    await proxy.stop()

    assert await ended(waiting)
    waiting[1].close()
