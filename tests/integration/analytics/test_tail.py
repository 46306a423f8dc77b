"""The events as they come: one reader for all who watch, and none of them holds up another."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest_asyncio

from analytics.dashboard.tail import EventStream, Tail
from chassis.log.reader import Entry
from contracts.events import CtaClicked, UserForgotten
from contracts.examples import example
from harness.histories import enveloped
from harness.logs import Log
from harness.waiting import until


@pytest_asyncio.fixture
async def tail(log: Log) -> AsyncIterator[Tail]:
    tail = Tail()
    task = asyncio.create_task(tail.run(log.connection))
    yield tail
    task.cancel()
    await asyncio.wait([task])


def taps(first: int, count: int) -> list[CtaClicked]:
    return [example(CtaClicked, source_id=f"tap-{n}") for n in range(first, first + count)]


async def readers(log: Log) -> int:
    return (await log.js.stream_info("EVENTS")).state.consumer_count


async def test_many_who_watch_cost_one_reader_and_each_sees_everything(
    log: Log, tail: Tail
) -> None:
    await log.say(*taps(0, 3))
    async with AsyncExitStack() as stack:
        viewers = [await stack.enter_async_context(tail.watching()) for _ in range(30)]
        assert await until(lambda: readers(log), lambda count: count == 1)
        await log.say(*taps(3, 7))
        for viewer in viewers:
            seen: list[int] = []
            while len(seen) < 10:
                seen += [line.sequence for line in await viewer.take(10)]
            assert seen == list(range(1, 11))
        assert tail.reading == 1
        # A reader that the log was silent to for a while leaves its consumer for some seconds.
        assert await until(lambda: readers(log), lambda count: count == 1)

    async def reading() -> int:
        return tail.reading

    assert await until(reading, lambda count: count == 0) == 0


async def test_who_comes_back_goes_on_where_it_was(log: Log, tail: Tail) -> None:
    await log.say(*taps(0, 5))
    async with tail.watching() as stays:
        seen: list[int] = []
        while len(seen) < 5:
            seen += [line.sequence for line in await stays.take(10)]
        async with tail.watching(after=3) as again:
            assert [line.sequence for line in await again.take(10)] == [4, 5]


async def test_who_cannot_keep_up_is_dropped_and_told_so() -> None:
    tail = Tail()
    async with tail.watching() as slow, tail.watching() as quick:
        for number, envelope in enumerate(enveloped(list(taps(0, 600))), start=1):
            tail.tell(Entry(number, envelope, envelope.time))
            await quick.take(5)

        assert (slow.dropped, quick.dropped) == (True, False)
        # What it took so far is whole: nothing comes after the gap.
        assert [line.sequence for line in await slow.take(5)] == list(range(1, 501))
        tail.tell(Entry(601, envelope, envelope.time))
        assert slow.lines.empty()


async def test_who_takes_nothing_at_all_loses_the_connection() -> None:
    tail = Tail()
    sent: list[bytes] = []
    started = asyncio.Event()

    async def receive() -> dict[str, object]:
        await asyncio.Event().wait()
        return {}

    async def send(message: dict[str, object]) -> None:
        if message["type"] == "http.response.start":
            return
        body = message["body"]
        assert isinstance(body, bytes)
        sent.append(body)
        started.set()
        if b"data" in body:
            await asyncio.Event().wait()

    stream = EventStream(tail, after=0, stopping=lambda: False, headers={}, send_seconds=0.2)
    answering = asyncio.create_task(stream({}, receive, send))  # type: ignore[arg-type]
    await started.wait()
    (envelope,) = enveloped(list(taps(0, 1)))
    tail.tell(Entry(1, envelope, envelope.time))

    await asyncio.wait_for(answering, 60)

    assert len(sent) == 2


async def test_who_comes_later_sees_nothing_of_a_person_who_was_forgotten(
    log: Log, tail: Tail
) -> None:
    await log.say(*taps(0, 4))
    async with tail.watching() as first:
        await log.say(example(UserForgotten, replaces=(2, 3)))
        seen: list[int] = []
        while len(seen) < 5:
            seen += [line.sequence for line in await first.take(10)]
        async with tail.watching() as later:
            assert [line.sequence for line in await later.take(10)] == [1, 4, 5]
