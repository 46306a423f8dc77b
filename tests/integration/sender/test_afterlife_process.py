"""What becomes of messages after their time, by real senders that are killed, started and late."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from chassis.clock import utc_now
from contracts.events import MessageSent, MessageWithdrawn
from contracts.examples import example
from contracts.streams import EVENTS, SENDER_SENT
from harness.afterlives import MINUTE, OFFER, expiring, offer, stand
from harness.logs import Log, open_log
from harness.sandboxes import (
    CHANNEL,
    OTHER_CHANNEL,
    SECOND_ID,
    SECOND_TOKEN,
    Stage,
    open_sandbox,
)
from harness.senders import Sender, open_channels
from harness.sending import Sending, due_now, open_sender
from harness.servers import embedded_nats
from harness.waiting import until

SETTINGS = {
    "FINGERPOST_SEND_TIMEOUT": "6s",
    "FINGERPOST_QUARANTINE": "9s",
    "FINGERPOST_CHAT_RATE": "100",
    "FINGERPOST_CHANNEL_RATE": "6000",
}
OVER = "This offer is <b>over</b>."
SOON = timedelta(seconds=3)
pytestmark = pytest.mark.timeout(180)


@pytest_asyncio.fixture
async def sending(stage: Stage, log: Log) -> AsyncIterator[Sending]:
    """A sender that posts for a test, and never withdraws."""
    async with open_sender(stage, log) as sending:
        yield sending


@asynccontextmanager
async def sender(
    folder: Path, name: str, nats_url: str, stage: Stage, **settings: str
) -> AsyncIterator[Sender]:
    async with Sender(folder, name, nats_url, stage.api, {**SETTINGS, **settings}) as sender:
        await sender.ready()
        yield sender


async def withdrawn(log: Log) -> list[MessageWithdrawn]:
    return await log.events(MessageWithdrawn)


async def shown(stage: Stage, channel: int = CHANNEL) -> list[int]:
    """Return the ids of what stands in the channel."""
    found = await stage.people.messages(channel)
    return [message["message_id"] for message in found if not message["deleted"]]


async def made(stage: Stage, method: str) -> list[float]:
    """Return when the calls of `method` came that Telegram took."""
    calls = await stage.people.calls(method)
    return [call["at"] for call in calls if call["status"] == 200]


async def test_each_message_is_withdrawn_at_its_time_and_not_before(
    log: Log, sending: Sending, stage: Stage, nats_url: str, tmp_path: Path
) -> None:
    pinned = OFFER.model_copy(update={"pin": True})
    plans = [expiring("edit", OVER), expiring("delete"), expiring("unpin")]
    dues = [offer(number, variant=pinned, expire=plan) for number, plan in enumerate(plans)]

    async with sender(tmp_path, "s", nats_url, stage):
        when = utc_now() + SOON
        for due in dues:
            await stand(sending, due, withdraw_at=when)
        said = await until(lambda: withdrawn(log), lambda said: len(said) == 3, seconds=30)

    assert {(one.action, one.outcome) for one in said} == {
        ("edit", "done"),
        ("delete", "done"),
        ("unpin", "done"),
    }
    found = await stage.people.messages(CHANNEL)
    first, second, third = (message for message in found if message["text"])
    assert (first["text"], first["buttons"]) == ("This offer is over.", [])
    assert (second["deleted"], third["deleted"], third["pinned"]) == (True, False, False)
    for method in ("editMessageText", "deleteMessage", "unpinChatMessage"):
        (at,) = await made(stage, method)
        assert 0 <= at - when.timestamp() < 5


async def test_killed_between_the_call_and_its_record_it_is_done_and_recorded_once(
    log: Log, sending: Sending, stage: Stage, nats_url: str, tmp_path: Path
) -> None:
    sent = await stand(sending, offer(expire=expiring("edit", OVER)), withdraw_at=utc_now())
    await stage.people.plan_fault("late", "editMessageText", seconds=30)

    async with sender(tmp_path, "first", nats_url, stage) as first:
        await until(lambda: stage.people.messages(CHANNEL), lambda found: found[0]["edited_at"])
        await first.process.kill()
    (edited,) = await stage.people.messages(CHANNEL)
    assert await withdrawn(log) == []
    async with sender(tmp_path, "second", nats_url, stage):
        await until(lambda: withdrawn(log), bool, seconds=40)
        await _acknowledged(log)

    (said,) = await withdrawn(log)
    assert (said.delivery, said.outcome) == (sent.delivery, "done")
    (now,) = await stage.people.messages(CHANNEL)
    assert (now["text"], now["edited_at"]) == ("This offer is over.", edited["edited_at"])


async def test_a_sender_that_was_away_for_two_days_edits_what_it_was_to_delete(
    log: Log, sending: Sending, stage: Stage, nats_url: str, tmp_path: Path
) -> None:
    ago = timedelta(hours=49)
    due = offer(expire=expiring("delete"))
    await stand(sending, due, ago=ago, withdraw_at=utc_now() - ago + MINUTE)
    await stage.people.advance_clock(ago.total_seconds())

    async with sender(tmp_path, "s", nats_url, stage):
        (said,) = await until(lambda: withdrawn(log), bool, seconds=30)

    assert (said.action, said.outcome) == ("edit", "done")
    assert "too old" in said.description
    (message,) = await stage.people.messages(CHANNEL)
    assert (message["deleted"], message["buttons"]) == (False, [])


async def test_a_promo_in_three_channels_takes_its_own_place_in_each_over_a_restart(
    log: Log, stage: Stage, nats_url: str, tmp_path: Path
) -> None:
    channels = await open_channels(stage, 3)

    async def post(number: int) -> None:
        before = len(await log.events(MessageSent))
        at = utc_now() - timedelta(seconds=10 - number)
        dues = [
            offer(10 - number, channel, delete_previous=True, scheduled_for=at)
            for channel in channels
        ]
        await log.say(*dues)
        await until(
            lambda: log.events(MessageSent), lambda sent: len(sent) == before + 3, seconds=40
        )

    async def single() -> bool:
        return all([len(await shown(stage, channel)) == 1 for channel in channels])

    async with sender(tmp_path, "first", nats_url, stage) as first:
        await post(1)
        await post(2)
        await until(lambda: withdrawn(log), lambda said: len(said) == 3, seconds=30)
        await first.process.kill()
    async with sender(tmp_path, "second", nats_url, stage):
        await post(3)
        await until(lambda: withdrawn(log), lambda said: len(said) == 6, seconds=30)
        await until(single, bool)

    said = await withdrawn(log)
    assert {(one.reason, one.action) for one in said} == {("replaced", "delete")}
    last = (await log.events(MessageSent))[-3:]
    assert [await shown(stage, int(one.channel)) for one in last] == [[o.message_id] for o in last]


async def test_killed_while_it_replaces_nothing_is_left_and_nothing_recorded_twice(
    log: Log, sending: Sending, stage: Stage, nats_url: str, tmp_path: Path
) -> None:
    sent = [
        await stand(sending, offer(9 - n, delete_previous=True), delete_previous=True)
        for n in range(4)
    ]
    await stage.people.plan_fault("late", "deleteMessage", seconds=30)

    async with sender(tmp_path, "first", nats_url, stage) as first:
        await until(lambda: shown(stage), lambda found: len(found) < 4, seconds=30)
        await first.process.kill()
    async with sender(tmp_path, "second", nats_url, stage):
        await until(lambda: withdrawn(log), lambda said: len(said) == 3, seconds=40)

    assert await shown(stage) == [sent[-1].message_id]
    assert len({one.delivery for one in await withdrawn(log)}) == 3


async def test_the_bot_that_posted_a_message_withdraws_it(
    log: Log, stage: Stage, nats_url: str, tmp_path: Path
) -> None:
    await stage.accept(SECOND_TOKEN, "second_bot")
    tokens = {"TELEGRAM_BOT_TOKENS": f"second={SECOND_TOKEN}"}

    async with sender(tmp_path, "s", nats_url, stage, **tokens):
        await log.say(offer(2, bot="second", delete_previous=True))
        await until(lambda: log.events(MessageSent), bool)
        await log.say(offer(1, bot="second", delete_previous=True))
        await until(lambda: withdrawn(log), bool)

    calls = await stage.people.calls("deleteMessage")
    assert [(call["bot_id"], call["status"]) for call in calls] == [(SECOND_ID, 200)]
    assert len(await shown(stage)) == 1


async def test_a_killed_nats_server_forgets_no_message(stage: Stage, tmp_path: Path) -> None:
    server = embedded_nats(tmp_path)
    await server.start()
    try:
        async with (
            open_log(server.url) as log,
            open_sender(stage, log) as sending,
            sender(tmp_path, "s", server.url, stage),
        ):
            when = utc_now() + 4 * SOON
            for number in range(3):
                due = offer(number, expire=expiring("edit", OVER))
                await stand(sending, due, withdraw_at=when)
            await until(lambda: _napping(log), lambda count: count == 3)
            await server.process.kill()
            await server.start()

            await until(lambda: withdrawn(log), lambda said: len(said) == 3, seconds=60)
            assert len(await made(stage, "editMessageText")) == 3
            assert min(await made(stage, "editMessageText")) >= when.timestamp()
    finally:
        await server.process.kill()


async def _napping(log: Log) -> int:
    info = await log.js.consumer_info(EVENTS.name, SENDER_SENT.durable)
    return info.num_ack_pending or 0


async def test_withdrawals_keep_to_the_limits_and_let_posts_go_first(
    log: Log, nats_url: str, tmp_path: Path
) -> None:
    async with open_sandbox(tmp_path) as stage, open_sender(stage, log) as sending:
        await stage.people.set_limits(off=True)
        channels = await open_channels(stage, 25)
        due_at = utc_now()
        for number, channel in enumerate(channels):
            due = offer(number, channel, expire=expiring("edit", OVER))
            await stand(sending, due, withdraw_at=due_at)
        await stage.people.set_limits(off=False)
        promos = [due_now(number, OTHER_CHANNEL) for number in range(3)]
        async with sender(tmp_path, "s", nats_url, stage, FINGERPOST_RATE="5"):
            await until(lambda: made(stage, "editMessageText"), bool)
            await log.say(*promos)
            await until(lambda: withdrawn(log), lambda said: len(said) == 25, seconds=60)
            await until(lambda: log.events(MessageSent), lambda sent: len(sent) == 28, seconds=60)
            edits = sorted(await made(stage, "editMessageText"))
            posts = [at for at in await made(stage, "sendMessage") if at > edits[0]]

        assert [c["status"] for c in await stage.people.calls("editMessageText")] == [200] * 25
        spans = zip(edits, edits[5:], strict=False)
        assert min(last - first for first, last in spans) >= 0.99
        assert max(posts) < edits[-1]


async def test_what_was_sent_before_there_was_an_afterlife_holds_up_no_post(
    log: Log, stage: Stage, nats_url: str, tmp_path: Path
) -> None:
    count = 2_000
    sent = [example(MessageSent, delivery=f"old{number}") for number in range(count)]
    await asyncio.gather(*(log.publisher.publish(event) for event in sent))
    await log.js.publish("message.sent.unreadable", b"said by a newer version")

    async with sender(tmp_path, "s", nats_url, stage):
        begun = time.monotonic()
        await log.say(due_now())
        await until(lambda: stage.people.messages(CHANNEL), bool, seconds=20)
        took = time.monotonic() - begun
        await _acknowledged(log, but=1)

    assert took < 5
    assert await withdrawn(log) == []


async def _acknowledged(log: Log, but: int = 0) -> None:
    """Wait until nothing that was sent waits for anything, `but` so many."""

    async def waiting() -> int:
        info = await log.js.consumer_info(EVENTS.name, SENDER_SENT.durable)
        return (info.num_pending or 0) + (info.num_ack_pending or 0)

    await until(waiting, lambda count: count == but, seconds=60)
