"""Long polling: what is confirmed when, and who waits for whom."""

import asyncio

import pytest

from clicks.domain.calls import Call
from clicks.polling import Answers, Poller, poll


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

    async def polled(telegram, handle):
        async with asyncio.TaskGroup() as group:
            await poll(telegram, handle, Answers(telegram.answer, group))

    async def start(telegram, handle=answer_by_name):
        tasks.append(asyncio.create_task(polled(telegram, handle)))
        await all_done()

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


def greeting(chat, number):
    return {"update_id": number, "name": "slow", "chat": chat}


async def greet_in_chat(update):
    chat = {"chat_id": update["chat"]} if "chat" in update else {}
    return (Call(update["name"], chat),)


async def test_one_person_who_asks_for_many_messages_holds_up_nobody_else(polling):
    flood = [greeting(1, number) for number in range(100)]
    telegram = FakeTelegram(flood, [{"update_id": 100, "name": "tap"}])

    await polling(telegram, greet_in_chat)

    assert (telegram.answered, telegram.offsets) == (["tap"], [0, 100, 101])


async def test_after_a_silence_updates_are_asked_for_from_the_first_that_waits(polling):
    """After a week without any, Telegram goes on with an id that may be lower (Bot API docs)."""
    telegram = FakeTelegram(
        [{"update_id": 900, "name": "tap"}], [], [{"update_id": 5, "name": "another tap"}]
    )

    await polling(telegram)

    assert telegram.answered == ["tap", "another tap"]
    assert telegram.offsets == [0, 901, 0, 6]


async def test_an_update_is_confirmed_only_after_it_was_handled(polling):
    handled = asyncio.Event()

    async def handle(update):
        await handled.wait()
        return ()

    telegram = FakeTelegram([{"update_id": 7, "name": "tap"}])
    await polling(telegram, handle)
    assert telegram.offsets == [0]

    handled.set()
    await all_done()

    assert telegram.offsets == [0, 8]


def by(person, number, name="tap"):
    return {"update_id": number, "name": name, "message": {"from": {"id": person}}}


async def test_people_do_not_wait_for_each_other_and_one_person_s_acts_keep_their_order(polling):
    begun, held = [], asyncio.Event()

    async def handle(update):
        begun.append(update["update_id"])
        if update["update_id"] == 1:
            await held.wait()
        return ()

    telegram = FakeTelegram([by(1, 1), by(1, 2), by(2, 3)])
    await polling(telegram, handle)
    before, offsets = list(begun), list(telegram.offsets)
    held.set()
    await all_done()

    assert (before, offsets) == ([1, 3], [0])  # nothing is confirmed past the first
    assert (begun, telegram.offsets) == ([1, 3, 2], [0, 4])


class FakeLease:
    """Held as long as it is kept."""

    standing = "active"

    def __init__(self):
        self.released = asyncio.Event()

    async def acquire(self):
        """Have it at once."""

    async def keep(self):
        await asyncio.Future()

    async def release(self):
        self.released.set()


class LateTelegram(FakeTelegram):
    """Takes an answer only when it is let."""

    def __init__(self, *batches):
        super().__init__(*batches)
        self.open = asyncio.Event()

    async def answer(self, call):
        await self.open.wait()
        self.answered.append(call.method)


async def test_who_was_confirmed_is_answered_before_the_process_stops():
    telegram = LateTelegram([{"update_id": 1, "name": "greeting"}])
    poller, lease = Poller(telegram, answer_by_name, telegram.answer), FakeLease()
    running = asyncio.create_task(poller.run(lease))
    await until_confirmed(telegram)

    running.cancel()
    await lease.released.wait()  # the next one may take over meanwhile
    telegram.open.set()
    await asyncio.wait([running])

    assert (telegram.answered, running.cancelled()) == (["greeting"], True)


async def test_an_answer_that_never_gets_through_does_not_keep_the_process_from_stopping(
    monkeypatch,
):
    monkeypatch.setattr("clicks.polling._LAST_ANSWERS_SECONDS", 0.05)
    telegram = LateTelegram([{"update_id": 1, "name": "greeting"}])
    running = asyncio.create_task(
        Poller(telegram, answer_by_name, telegram.answer).run(FakeLease())
    )
    await until_confirmed(telegram)

    running.cancel()
    await asyncio.wait_for(asyncio.wait([running]), 5)

    assert (telegram.answered, running.cancelled()) == ([], True)


async def test_what_fails_as_the_lease_is_kept_is_not_passed_over(monkeypatch):
    class Broken(FakeLease):
        async def keep(self):
            raise ValueError("somebody else wrote into the bucket")

    telegram = LateTelegram()

    with pytest.raises(ExceptionGroup) as raised:
        await asyncio.wait_for(Poller(telegram, answer_by_name, telegram.answer).run(Broken()), 5)
    assert raised.group_contains(ValueError)


async def all_done():
    """Let everybody go on as far as they get: nothing here waits for time to pass."""
    for _ in range(1_000):
        await asyncio.sleep(0)


async def until_confirmed(telegram):
    async with asyncio.timeout(30):
        while len(telegram.offsets) < 2:
            await asyncio.sleep(0)
