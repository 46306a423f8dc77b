"""Channels where the bot may not post, and chats that moved, at a real log and a real sandbox."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from faststream.exceptions import NackMessage
from prometheus_client import REGISTRY

from chassis.clock import utc_now
from contracts.events import (
    ChannelDisabled,
    ChannelEnabled,
    ChannelMigrated,
    Due,
    MessageFailed,
    MessageSent,
    MessageSkipped,
)
from contracts.examples import example
from harness.logs import Log
from harness.sandboxes import AUDIT_CHAT, BOT_ID, BOT_USERNAME, CHANNEL, OTHER_CHANNEL, Stage
from harness.sending import Sending, due_now, later, open_sender
from harness.waiting import until
from sender.handlers import deliver

from .test_looking_up import finished

OWNER = 77
GROUP, SUPERGROUP, NEWEST = -1002000000001, -1009000000001, -1009000000002


@pytest.fixture
async def owner(stage: Stage) -> int:
    await stage.people.put_person(OWNER, "Ann")
    return OWNER


async def calls(stage: Stage, method: str = "sendMessage") -> list[str]:
    return [str(call["chat_id"]) for call in await stage.people.calls(method)]


def disabled_now() -> float:
    return REGISTRY.get_sample_value("fingerpost_sender_channels_disabled", {"bot": "main"}) or 0


def enabled(channel: str | int = CHANNEL, **fields: Any) -> ChannelEnabled:
    fields = {"username": None, "happened_at": utc_now(), **fields}
    return example(ChannelEnabled, channel=str(channel), bot_id=BOT_ID, **fields)


@asynccontextmanager
async def following(sending: Sending) -> AsyncIterator[None]:
    task = asyncio.create_task(sending.lane.channels.follow())
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def heard(sending: Sending, channel: str | int, *, disabled: bool) -> None:
    async def state() -> bool:
        return sending.lane.channels.disabled(str(channel)) is not None

    await until(state, lambda is_disabled: is_disabled is disabled)


async def test_a_channel_that_refuses_is_disabled_once_and_skipped_from_then_on(
    sending: Sending, owner: int
) -> None:
    stage, log = sending.stage, sending.log
    await stage.people.kick(owner, CHANNEL, BOT_USERNAME)
    first = [due_now(number) for number in range(8)]

    await asyncio.gather(*(deliver(due, sending.desk, first=True) for due in first))
    refused = len(await calls(stage))
    after, elsewhere = due_now(20), due_now(21, OTHER_CHANNEL)
    await deliver(after, sending.desk, first=True)
    await deliver(after, sending.desk)
    await deliver(elsewhere, sending.desk, first=True)

    [fact] = await log.events(ChannelDisabled)
    failed = await log.events(MessageFailed)
    skipped = await log.events(MessageSkipped)
    assert (fact.channel, fact.bot_id, fact.actor) == (str(CHANNEL), BOT_ID, None)
    assert fact.delivery in {due.delivery for due in first}
    assert "kicked" in fact.description
    assert {(event.failure, event.retry_at) for event in failed} == {("target", None)}
    assert {e.delivery for e in (*failed, *skipped)} == {d.delivery for d in (*first, after)}
    assert {event.reason for event in skipped} == {"channel_disabled"}
    assert len(await calls(stage)) == refused + 1
    assert len(await sending.posts(OTHER_CHANNEL)) == 1
    assert disabled_now() == 1


async def test_enabled_again_it_is_posted_in_soon(sending: Sending, owner: int) -> None:
    people = sending.stage.people
    await people.kick(owner, CHANNEL, BOT_USERNAME)
    await deliver(due_now(), sending.desk)
    async with following(sending):
        await people.promote(owner, CHANNEL, BOT_USERNAME)
        begun = asyncio.get_running_loop().time()
        await sending.log.say(enabled())
        await heard(sending, CHANNEL, disabled=False)
        took = asyncio.get_running_loop().time() - begun
        await deliver(due_now(1), sending.desk)

    assert len(await sending.posts()) == 1
    assert took < 5  # a second at most, and what a busy machine takes; who asks again waits ten
    assert disabled_now() == 0


async def test_a_sender_that_takes_over_knows_what_is_disabled(
    sending: Sending, owner: int, stage: Stage, log: Log
) -> None:
    await stage.people.kick(owner, CHANNEL, BOT_USERNAME)
    await deliver(due_now(), sending.desk)
    before = await calls(stage)

    async with open_sender(stage, log) as fresh:
        await deliver(due_now(1), fresh.desk, first=True)

    [skipped] = await log.events(MessageSkipped)
    assert skipped.reason == "channel_disabled"
    assert await calls(stage) == before


async def test_what_was_sent_before_is_not_said_to_be_skipped(sending: Sending, owner: int) -> None:
    sent = due_now(1)
    await deliver(sent, sending.desk, first=True)
    await sending.stage.people.kick(owner, CHANNEL, BOT_USERNAME)
    await deliver(due_now(), sending.desk)

    await deliver(sent, sending.desk, first=True)  # the log forgot that it was handed over

    assert await sending.log.events(MessageSkipped) == []


async def test_a_refusal_that_is_older_than_an_enabling_does_not_undo_it(
    sending: Sending, log: Log
) -> None:
    channels = sending.lane.channels
    known = channels.known(str(CHANNEL))
    await log.say(enabled())

    await channels.disable(known, due_now().delivery, "bot was kicked from the channel chat")

    assert await log.events(ChannelDisabled) == []
    assert channels.disabled(str(CHANNEL)) is None
    after = channels.known(str(CHANNEL))
    await channels.disable(after, due_now().delivery, "bot was kicked from the channel chat")
    assert len(await log.events(ChannelDisabled)) == 1


async def test_a_campaign_may_call_the_channel_by_its_name(sending: Sending, owner: int) -> None:
    people = sending.stage.people
    await people.put_chat(CHANNEL, "One", type="channel", username="the_one")
    await people.kick(owner, CHANNEL, BOT_USERNAME)
    await deliver(due_now(channel="@the_one"), sending.desk)  # type: ignore[arg-type]
    await people.promote(owner, CHANNEL, BOT_USERNAME)

    async with following(sending):
        # By its id, with the name beside it.
        await sending.log.say(enabled(CHANNEL, username="@the_one"))
        await heard(sending, "@the_one", disabled=False)
    await deliver(due_now(1, "@the_one"), sending.desk)  # type: ignore[arg-type]

    [fact] = await sending.log.events(ChannelDisabled)
    assert fact.channel == "@the_one"
    assert len(await sending.posts()) == 1


async def migrate(stage: Stage, chat: int, to: int) -> None:
    await stage.people.plan_fault("migrated", "sendMessage", chat_id=chat, migrate_to_chat_id=to)


async def test_a_chat_that_moved_is_known_as_that_to_every_sender_after(
    stage: Stage, log: Log
) -> None:
    await stage.people.put_chat(GROUP, "Group", type="supergroup")
    await migrate(stage, GROUP, SUPERGROUP)
    dues: list[Due] = [due_now(number, GROUP) for number in range(4)]
    async with open_sender(stage, log) as first:
        await deliver(dues[0], first.desk)
    asked = len(await calls(stage))
    async with open_sender(stage, log, audit_chat=str(AUDIT_CHAT)) as second:
        await deliver(dues[1], second.desk)
        await stage.people.plan_fault("accept_then_drop", "sendMessage")
        await finished(dues[2], second)
        await migrate(stage, SUPERGROUP, NEWEST)
        await deliver(dues[3], second.desk)

    moves = await log.events(ChannelMigrated)
    sent = await log.events(MessageSent)
    assert [(move.channel, move.chat_id) for move in moves] == [
        (str(GROUP), SUPERGROUP),
        (str(SUPERGROUP), NEWEST),
    ]
    assert [event.chat_id for event in sent] == [SUPERGROUP] * 3 + [NEWEST]
    assert {event.channel for event in sent} == {str(GROUP)}
    assert [event.reconciled for event in sent] == [False, False, True, False]
    since = (await calls(stage))[asked:]
    assert str(GROUP) not in since
    assert since.count(str(NEWEST)) == 1


@pytest.mark.parametrize("name", [GROUP, SUPERGROUP])
async def test_both_names_of_a_chat_that_moved_are_one_channel(
    stage: Stage, log: Log, owner: int, name: int
) -> None:
    await stage.people.put_chat(GROUP, "Group", type="supergroup")
    await migrate(stage, GROUP, SUPERGROUP)
    async with open_sender(stage, log) as sending, following(sending):
        await deliver(due_now(3, GROUP), sending.desk)
        await stage.people.kick(owner, SUPERGROUP, BOT_USERNAME)
        await deliver(due_now(2, GROUP), sending.desk)
        await deliver(due_now(1, SUPERGROUP), sending.desk)
        await stage.people.promote(owner, SUPERGROUP, BOT_USERNAME)
        await log.say(enabled(name))
        await heard(sending, GROUP, disabled=False)
        await deliver(due_now(0, GROUP), sending.desk)

    [fact] = await log.events(ChannelDisabled)
    assert fact.channel == str(SUPERGROUP)  # as Telegram will call it when it lets the bot in
    assert len(await log.events(MessageSkipped)) == 1
    assert len(await log.events(MessageSent)) == 2


async def test_what_was_claimed_before_a_chat_moved_is_not_posted_again(
    stage: Stage, log: Log
) -> None:
    await stage.people.put_chat(GROUP, "Group", type="supergroup")
    async with open_sender(stage, log, audit_chat=str(AUDIT_CHAT)) as sending:
        await deliver(due_now(2, GROUP), sending.desk)
        await stage.people.plan_fault("accept_then_drop", "sendMessage")
        lost = due_now(1, GROUP, on_uncertain="hold")
        with pytest.raises(NackMessage):
            await deliver(lost, sending.desk)
        await migrate(stage, GROUP, SUPERGROUP)
        await deliver(due_now(0, GROUP), sending.desk)
        await deliver(lost, later(sending.desk))

    assert len(await sending.posts(GROUP)) == 2
    assert len(await sending.posts(SUPERGROUP)) == 1
    assert lost.delivery not in {event.delivery for event in await log.events(MessageSent)}
