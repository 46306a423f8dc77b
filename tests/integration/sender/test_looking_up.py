"""Looking for a message whose answer was lost, at a real log and a real sandbox."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from faststream.exceptions import NackMessage

from chassis.clock import utc_now
from contracts.events import (
    Due,
    MessageClaimed,
    MessageFailed,
    MessageSent,
    MessageSkipped,
    MessageUncertain,
)
from contracts.examples import example
from harness.logs import Log
from harness.sandboxes import AUDIT_CHAT, BOT_ID, CHANNEL, Stage
from harness.sending import QUARANTINE, Sending, due_now, later, open_sender
from sender.domain.deliveries import names
from sender.handlers import deliver

GROUP = -4242


@pytest_asyncio.fixture
async def sending(stage: Stage, log: Log) -> AsyncIterator[Sending]:
    """A sender with an audit chat, and a channel in which it posted before."""
    async with open_sender(stage, log, audit_chat=str(AUDIT_CHAT)) as sending:
        await deliver(due_now(60), sending.desk)
        yield sending


async def finished(due: Due, sending: Sending) -> None:
    """Deliver again and again, as if each time it were as late as asked for, until all is done."""
    desk = sending.desk
    while True:
        try:
            return await deliver(due, desk)
        except NackMessage as again:
            seconds = again.extra_options["delay"]
            await asyncio.sleep(min(seconds, 0.2))
            desk = later(desk, timedelta(seconds=seconds))


async def probes(sending: Sending) -> int:
    return len(await sending.stage.people.calls("forwardMessage"))


async def standing_copies(sending: Sending) -> list[int]:
    messages = await sending.stage.people.messages(AUDIT_CHAT)
    return [message["message_id"] for message in messages if not message["deleted"]]


async def sent_last(sending: Sending) -> MessageSent:
    return (await sending.log.events(MessageSent))[-1]


async def lose(sending: Sending, kind: str = "accept_then_drop", **fields: Any) -> None:
    await sending.stage.people.plan_fault(kind, "sendMessage", **fields)


async def test_a_message_whose_answer_was_lost_is_found_and_recorded_as_sent(
    sending: Sending,
) -> None:
    await lose(sending)
    due = due_now()

    await finished(due, sending)

    sent = await sent_last(sending)
    post = (await sending.stage.people.messages(CHANNEL))[-1]
    assert (sent.delivery, sent.reconciled, sent.attempt) == (due.delivery, True, 1)
    assert (sent.chat_id, sent.message_id) == (CHANNEL, post["message_id"])
    assert abs(sent.sent_at.timestamp() - post["posted_at"]) < 1
    assert len(await sending.posts()) == 2
    assert await probes(sending) == 1
    assert await standing_copies(sending) == []


@pytest.mark.parametrize("kind", ["drop_before", "server_error", "html_502"])
async def test_a_message_that_never_came_through_is_posted_after_looking(
    sending: Sending, kind: str
) -> None:
    await lose(sending, kind)
    due = due_now()

    await finished(due, sending)

    sent = await sent_last(sending)
    (failed,) = await sending.log.events(MessageFailed)
    assert (failed.failure, failed.attempt) == ("lost", 1)
    assert (sent.delivery, sent.reconciled, sent.attempt) == (due.delivery, False, 2)
    assert len(await sending.posts()) == 2
    assert await probes(sending) == 10


async def test_a_message_that_never_came_through_and_expired_is_skipped(sending: Sending) -> None:
    await lose(sending, "drop_before")
    due = due_now(expires_at=utc_now() + QUARANTINE / 2)

    await finished(due, sending)

    (skipped,) = await sending.log.events(MessageSkipped)
    assert skipped.reason == "expired"
    assert len(await sending.posts()) == 1


async def test_the_message_is_found_among_those_of_people(sending: Sending) -> None:
    await sending.stage.people.post(CHANNEL, "a word of the owner")
    await lose(sending)
    await sending.stage.people.post(CHANNEL, "another")
    due = due_now()

    await finished(due, sending)

    assert (await sent_last(sending)).delivery == due.delivery
    assert await probes(sending) == 3
    assert await standing_copies(sending) == []


async def test_deleted_messages_in_between_do_not_end_the_search(sending: Sending) -> None:
    call = sending.telegram.bot
    for _ in range(4):
        post = await sending.stage.people.post(CHANNEL, "gone")
        await call.delete_message(CHANNEL, post["message_id"])
    await lose(sending)
    first, second = due_now(), due_now(1)
    with pytest.raises(NackMessage):
        await deliver(first, sending.desk)
    await deliver(second, sending.desk)

    await finished(first, sending)

    sent = await sent_last(sending)
    assert (sent.delivery, sent.reconciled) == (first.delivery, True)
    assert await probes(sending) == 5


async def test_missing_ids_prove_nothing_where_chats_share_their_ids(sending: Sending) -> None:
    # In a group that is no supergroup, what the bot says elsewhere takes ids too.
    await sending.stage.people.put_chat(GROUP, "Few", type="supergroup", members=3)
    await deliver(due_now(60, GROUP), sending.desk)
    for _ in range(12):
        post = await sending.stage.people.post(GROUP, "said elsewhere")
        await sending.telegram.bot.delete_message(GROUP, post["message_id"])
    await lose(sending)

    await finished(due_now(channel=GROUP), sending)

    (uncertain,) = await sending.log.events(MessageUncertain)
    assert "share their message ids" in uncertain.description
    assert len(await sending.posts(GROUP)) == 2 + 12


async def test_a_message_is_found_where_chats_share_their_ids(sending: Sending) -> None:
    await sending.stage.people.put_chat(GROUP, "Few", type="supergroup", members=3)
    await deliver(due_now(60, GROUP), sending.desk)
    await lose(sending)

    await finished(due_now(channel=GROUP), sending)

    assert (await sent_last(sending)).reconciled


async def test_twenty_posts_of_others_make_it_uncertain(sending: Sending) -> None:
    for number in range(21):
        await sending.stage.people.post(CHANNEL, f"post {number}")
    await lose(sending)

    await finished(due_now(), sending)

    (uncertain,) = await sending.log.events(MessageUncertain)
    assert "20 other messages" in uncertain.description
    assert await probes(sending) == 20
    assert await standing_copies(sending) == []


async def test_a_sender_that_never_posted_looks_on_from_what_the_log_knows(
    sending: Sending, stage: Stage, log: Log
) -> None:
    async with open_sender(stage, log, audit_chat=str(AUDIT_CHAT)) as fresh:
        await lose(fresh)
        await finished(due_now(), fresh)

    claim = (await log.events(MessageClaimed))[-1]
    assert claim.last_known_message_id is None
    assert (await sent_last(sending)).reconciled
    assert await probes(sending) == 1


async def test_a_protected_channel_is_read_by_copies(sending: Sending) -> None:
    body = {"chat_id": CHANNEL, "text": "protected", "protect_content": True}
    await lose(sending, "drop_before")
    due = due_now()
    with pytest.raises(NackMessage):
        await deliver(due, sending.desk)
    content = sending.lane.buttons.content(due.variant, due.delivery)
    message = await sending.telegram.bot.send_message(
        **{**body, "text": content.text},
        entities=[{"type": "text_link", "offset": 0, "length": 1, "url": content.mark}],
    )

    await finished(due, sending)

    sent = await sent_last(sending)
    assert (sent.message_id, sent.reconciled) == (message.message_id, True)
    assert len(await sending.stage.people.calls("copyMessage")) == 1
    assert await standing_copies(sending) == []


async def test_a_service_message_is_no_reason_to_doubt(sending: Sending) -> None:
    first = await sent_last(sending)
    await sending.telegram.bot.pin_chat_message(CHANNEL, first.message_id)
    await lose(sending)

    await finished(due_now(), sending)

    assert (await sent_last(sending)).reconciled


@pytest.mark.parametrize("kind", ["kicked", "no_rights"])
async def test_an_audit_chat_that_refuses_makes_it_uncertain_and_says_why(
    sending: Sending, kind: str
) -> None:
    await lose(sending)
    await sending.stage.people.plan_fault(kind, "forwardMessage")

    await finished(due_now(), sending)

    (uncertain,) = await sending.log.events(MessageUncertain)
    assert "bot was kicked" in uncertain.description or "need administr" in uncertain.description


@pytest.mark.parametrize(
    "kind",
    ["too_many", "too_many_without_parameters", "html_502", "server_error", "restart",
     "drop_before", "accept_then_drop", "bad_result", "late"],
)  # fmt: skip
async def test_trouble_while_looking_is_waited_out(
    sending: Sending, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sender.witness._FLOOD_SECONDS", 0.1)
    await lose(sending)
    await sending.stage.people.plan_fault(kind, "forwardMessage", retry_after=1, seconds=0.2)
    due = due_now()

    await finished(due, sending)

    sent = await sent_last(sending)
    assert (sent.delivery, sent.reconciled) == (due.delivery, True)
    left = await standing_copies(sending)
    assert len(left) == (1 if kind == "accept_then_drop" else 0)  # its id was lost, too


async def test_copies_that_cannot_be_deleted_do_not_change_what_was_found(
    sending: Sending,
) -> None:
    await lose(sending)
    await sending.stage.people.plan_fault("server_error", "deleteMessages")

    await finished(due_now(), sending)

    assert (await sent_last(sending)).reconciled
    assert len(await standing_copies(sending)) == 1


async def test_many_are_looked_up_one_at_a_time_within_the_audit_chats_flood_limit(
    sending: Sending,
) -> None:
    await lose(sending, times=12)
    dues = [due_now(number) for number in range(12)]
    for due in dues:
        with pytest.raises(NackMessage):
            await deliver(due, sending.desk)

    await asyncio.gather(*(finished(due, sending) for due in dues))

    sent = [event for event in await sending.log.events(MessageSent) if event.reconciled]
    assert {event.delivery for event in sent} == {due.delivery for due in dues}
    assert len(await sending.posts()) == 13
    assert await standing_copies(sending) == []


async def test_an_old_claim_with_a_buttons_token_for_a_mark_is_not_looked_for(
    sending: Sending,
) -> None:
    due = due_now()
    fields = {"mark": "k1-token", "claimed_at": utc_now(), "bot_id": BOT_ID}
    old = example(MessageClaimed, **names(due), **fields)
    await sending.log.say(old)

    await finished(due, sending)

    (uncertain,) = await sending.log.events(MessageUncertain)
    assert "no mark" in uncertain.description


async def test_a_claimant_whose_clock_is_wrong_does_not_end_the_look_too_soon(
    sending: Sending,
) -> None:
    due = due_now()
    content = sending.lane.buttons.content(due.variant, due.delivery)
    claim = example(
        MessageClaimed,
        **names(due),
        bot_id=BOT_ID,
        mark=content.mark,
        claimed_at=utc_now() - timedelta(minutes=10),
        last_known_message_id=sending.telegram.last_known_message_id(due.channel),
    )
    await sending.log.say(claim)
    await sending.stage.people.post(CHANNEL, "a word of the owner")
    await sending.telegram.post(due.channel, content)

    await finished(due, sending)

    assert (await sent_last(sending)).reconciled
    assert len(await sending.posts()) == 3
