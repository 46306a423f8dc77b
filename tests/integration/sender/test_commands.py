"""`python -m sender COMMAND` against a real nats-server and a real sandbox."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from faststream.exceptions import NackMessage

from chassis.clock import utc_now
from contracts.events import (
    MessageClaimed,
    MessageFailed,
    MessageSent,
    MessageSkipped,
    MessageUncertain,
    PromoDue,
)
from contracts.examples import example
from harness.commands import Ended, run_command
from harness.logs import Log
from harness.sandboxes import AUDIT_CHAT, BOT_ID, BOT_TOKEN, CHANNEL, Stage
from harness.sending import CTA_KEY, Sending, due_now, later
from harness.waiting import until
from sender.domain.deliveries import names
from sender.handlers import deliver, take_up_resolved


async def run(*arguments: str, **environment: str) -> Ended:
    return await run_command("sender", *arguments, environment=environment)


async def selftest(stage: Stage, *arguments: str) -> Ended:
    return await run(
        "selftest",
        "--channel",
        str(CHANNEL),
        *arguments,
        TELEGRAM_BOT_TOKEN=BOT_TOKEN,
        FINGERPOST_TELEGRAM_API=stage.api,
        FINGERPOST_CTA_KEYS=f"k1:{CTA_KEY}",
    )


async def standing(stage: Stage, chat: int) -> list[int]:
    messages = await stage.people.messages(chat)
    return [message["message_id"] for message in messages if not message["deleted"]]


async def test_the_selftest_proves_that_looking_works_and_leaves_nothing_behind(
    stage: Stage,
) -> None:
    ended = await selftest(stage, "--audit", str(AUDIT_CHAT))

    assert ended.status == 0, ended
    assert "Proved with this bot" in ended.out
    assert ended.out.count("ok  ") == 6
    assert "it may: post, edit and delete what it posted, delete what others posted" in ended.out
    assert len(await stage.people.messages(CHANNEL)) == 2
    assert await standing(stage, CHANNEL) == []
    assert await standing(stage, AUDIT_CHAT) == []


async def test_the_selftest_fails_where_looking_does_not_work_and_says_why(stage: Stage) -> None:
    await stage.people.put_chat(AUDIT_CHAT, "Audit", bots={str(BOT_ID): {"status": "kicked"}})

    kicked = await selftest(stage, "--audit", str(AUDIT_CHAT), "--json")
    without = await selftest(stage, "--json")

    assert (kicked.status, without.status) == (1, 1)
    assert kicked.document["passed"] is False
    assert "kicked" in json.dumps(kicked.document["steps"])
    assert "FINGERPOST_AUDIT_CHAT" in json.dumps(without.document["steps"])
    assert await standing(stage, CHANNEL) == []


async def test_the_selftest_says_what_the_bot_may_not_do(stage: Stage) -> None:
    rights = {"status": "administrator", "can_edit_messages": False, "can_delete_messages": False}
    await stage.people.put_chat(CHANNEL, "One", bots={str(BOT_ID): rights})

    lacks = await selftest(stage, "--audit", str(AUDIT_CHAT))
    await stage.people.put_chat(CHANNEL, "One", bots={str(BOT_ID): {"can_post_messages": False}})
    mute = await selftest(stage, "--audit", str(AUDIT_CHAT))

    assert (lacks.status, mute.status) == (0, 1)
    assert "it may: post, edit and delete what it posted, see who joins and leaves" in lacks.out
    assert "it may not: delete what others posted, pin" in lacks.out
    assert "it may not: post" in mute.out


async def test_a_command_without_telegram_says_so(stage: Stage) -> None:
    await stage.process.kill()

    ended = await selftest(stage, "--audit", str(AUDIT_CHAT))

    assert ended.status == 69
    assert "Telegram does not answer" in ended.err


@asynccontextmanager
async def taking_up(sending: Sending) -> AsyncIterator[None]:
    task = asyncio.create_task(take_up_resolved(sending.log.reader, sending.desk))
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def held(sending: Sending, number: int = 0) -> PromoDue:
    """Return a delivery that is held, as its answer was lost and nothing can be looked for."""
    due = due_now(number, on_uncertain="hold")
    await sending.log.say(due)
    await sending.stage.people.plan_fault("drop_before", "sendMessage")
    with pytest.raises(NackMessage):
        await deliver(due, sending.desk)
    await deliver(due, later(sending.desk))
    return due


async def test_uncertain_deliveries_are_listed_and_resolved(
    sending: Sending, nats_url: str, log: Log
) -> None:
    dues = [await held(sending, number) for number in range(3)]

    listed = await run("uncertain", "list", "--json", NATS_URL=nats_url)

    rows = listed.document["deliveries"]
    assert [row["delivery"] for row in rows] == [due.delivery for due in dues]
    assert {row["policy"] for row in rows} == {"hold"}
    assert all("FINGERPOST_AUDIT_CHAT" in row["why"] for row in rows)

    asked = (("--posted", "77"), ("--drop",), ("--post-again",))
    async with taking_up(sending):
        for due, how in zip(dues, asked, strict=True):
            ended = await run(
                "uncertain", "resolve", due.delivery, *how, "--actor", "me", NATS_URL=nats_url
            )
            assert ended.status == 0, ended.err
        sent = await until(lambda: log.events(MessageSent), lambda sent: len(sent) == 2)

    (skipped,) = await log.events(MessageSkipped)
    (again,) = await log.events(MessageFailed)
    assert (sent[0].delivery, sent[0].message_id, sent[0].chat_id) == (
        dues[0].delivery,
        77,
        CHANNEL,
    )
    assert (sent[0].reconciled, sent[0].actor) == (True, "me")
    assert (skipped.delivery, skipped.reason, skipped.actor) == (dues[1].delivery, "dropped", "me")
    assert (again.failure, again.actor) == ("lost", "me")
    assert (sent[1].delivery, sent[1].attempt, sent[1].reconciled) == (dues[2].delivery, 2, False)
    assert len(await sending.posts()) == 1
    listed = await run("uncertain", "list", NATS_URL=nats_url)
    assert listed.out == "nothing is uncertain\n"


async def test_what_was_given_back_while_no_sender_ran_is_sent_by_the_next_one(
    sending: Sending, nats_url: str, log: Log
) -> None:
    due = await held(sending)
    for _ in range(2):
        ended = await run("uncertain", "resolve", due.delivery, "--post-again", NATS_URL=nats_url)
        assert ended.status == 0

    assert "said before" in ended.out
    async with taking_up(sending):
        await until(lambda: log.events(MessageSent), bool)
    async with taking_up(sending):
        await asyncio.sleep(0.5)
    assert len(await sending.posts()) == 1


async def test_a_resolution_that_does_not_fit_is_refused(
    sending: Sending, nats_url: str, log: Log
) -> None:
    expired, sent = due_now(on_uncertain="hold", expires_at=utc_now()), due_now(5)
    doubt = example(MessageUncertain, **names(expired), policy="hold")
    await log.say(expired, example(MessageClaimed, **names(expired)), doubt, sent)
    await deliver(sent, sending.desk)

    late = await run("uncertain", "resolve", expired.delivery, "--post-again", NATS_URL=nats_url)
    done = await run("uncertain", "resolve", sent.delivery, "--drop", "--json", NATS_URL=nats_url)
    odd = await run("uncertain", "resolve", "nonsense", "--drop", NATS_URL=nats_url)
    none = await run("uncertain", "resolve", "0" * 26, "--drop", NATS_URL=nats_url)

    assert [late.status, done.status, odd.status, none.status] == [1, 1, 2, 1]
    assert "expired at" in late.err
    assert "message.sent" in done.document["error"]
    assert await log.events(MessageSkipped) == []
