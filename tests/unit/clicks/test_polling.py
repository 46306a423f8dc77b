"""Long polling: what is confirmed when, and who waits for whom."""

import asyncio
from contextlib import suppress

import pytest

from clicks.domain.calls import Call
from clicks.polling import poll


class FakeTelegram:
    """Hands out batches of updates; answers to slow people never get through."""

    def __init__(self, *batches):
        self._batches = list(batches)
        self.offsets = []
        self.answered = []

    async def call(self, method, parameters, *, seconds):
        self.offsets.append(parameters["offset"])
        if self._batches:
            return self._batches.pop(0)
        return await asyncio.Future()

    def settled(self):
        """Nothing to tell."""

    async def answer(self, call):
        if call.method == "slow":
            await asyncio.Future()
        self.answered.append(call.method)


async def answer_by_name(update):
    return (Call(update["name"], {}),)


@pytest.fixture
def polling():
    tasks = []

    async def start(telegram, handle=answer_by_name):
        tasks.append(asyncio.create_task(poll(telegram, handle)))
        await asyncio.sleep(0.05)
        return tasks[-1]

    yield start
    for task in tasks:
        task.cancel()


async def test_a_person_who_cannot_be_answered_holds_up_nobody_else(polling):
    telegram = FakeTelegram(
        [{"update_id": 1, "name": "slow"}, {"update_id": 2, "name": "tap"}],
        [{"update_id": 3, "name": "another tap"}],
    )

    await polling(telegram)

    assert telegram.answered == ["tap", "another tap"]
    assert telegram.offsets == [0, 3, 4]


async def test_answers_that_do_not_get_through_are_bounded(polling):
    crowd = [{"update_id": number, "name": "slow"} for number in range(100)]
    telegram = FakeTelegram(crowd, [{"update_id": 100, "name": "tap"}])

    await polling(telegram)

    assert telegram.offsets == [0]


async def test_an_update_is_confirmed_only_after_it_was_handled(polling):
    handled = asyncio.Event()

    async def handle(update):
        await handled.wait()
        return ()

    telegram = FakeTelegram([{"update_id": 7, "name": "tap"}])
    task = await polling(telegram, handle)
    assert telegram.offsets == [0]

    handled.set()
    with suppress(TimeoutError):
        await asyncio.wait_for(asyncio.shield(task), 0.05)

    assert telegram.offsets == [0, 8]
