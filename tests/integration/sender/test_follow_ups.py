"""The message below an album whose answer was lost, at a real log and a real sandbox."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from chassis.clock import utc_now
from contracts.events import MessageClaimed, MessageSent, PromoDue
from contracts.examples import example
from harness.gates import Hold, http_gate
from harness.logs import Log
from harness.sandboxes import AUDIT_CHAT, BOT_ID, CHANNEL, Stage
from harness.senders import Sender
from harness.sending import QUARANTINE, Sending, due_now, open_sender
from harness.waiting import until
from sender.domain.deliveries import names
from sender.handlers import deliver

from .test_looking_up import finished, standing_copies

PHOTO = {"kind": "photo", "url": "https://example.org/a.jpg"}
TAP = {"kind": "callback", "label": "Tap", "answer": "Thanks"}
ALBUM = {"id": "album", "text": "Two", "album": [PHOTO, PHOTO], "album_text": "?", "ctas": [TAP]}


@pytest_asyncio.fixture
async def sending(stage: Stage, log: Log) -> AsyncIterator[Sending]:
    async with open_sender(stage, log, audit_chat=str(AUDIT_CHAT)) as sending:
        await deliver(due_now(60), sending.desk)
        yield sending


def album(number: int = 0, **fields: Any) -> PromoDue:
    return due_now(number, variant=ALBUM, **fields)


async def below(stage: Stage) -> list[int]:
    """Return the ids of the messages that stand below albums."""
    messages = await stage.people.messages(CHANNEL)
    return [m["message_id"] for m in messages if m["text"].endswith("?") and m["buttons"]]


async def sent_of(log: Log, due: PromoDue) -> MessageSent:
    [sent] = [event for event in await log.events(MessageSent) if event.delivery == due.delivery]
    return sent


async def test_an_album_that_is_found_gets_its_buttons(sending: Sending) -> None:
    due = album()
    await sending.stage.people.plan_fault("accept_then_drop", "sendMediaGroup")

    await finished(due, sending)

    sent, [buttons] = await sent_of(sending.log, due), await below(sending.stage)
    assert (sent.reconciled, sent.follow_up_id) == (True, buttons)
    assert len(await sending.stage.people.messages(CHANNEL)) == 4
    assert await standing_copies(sending) == []


@pytest.mark.parametrize("gap", [0, 3])
async def test_buttons_that_stand_already_are_found_and_not_posted_again(
    sending: Sending, gap: int
) -> None:
    due = album()
    content = sending.lane.buttons.content(due.variant, due.delivery)
    claim = example(
        MessageClaimed,
        **names(due),
        attempt=1,
        claimant=secrets.token_hex(8),
        claimed_at=utc_now(),
        bot_id=BOT_ID,
        mark=content.mark,
        last_known_message_id=sending.telegram.last_known_message_id(due.channel),
    )
    await sending.log.say(claim)
    # Its sender dies when both stand, and before it could say so.
    follow_up = content.follow_up
    assert follow_up
    await sending.telegram._send(due.channel, content)
    for _ in range(gap):
        await sending.stage.people.post(CHANNEL, "a word of the owner")
    await sending.telegram.post(due.channel, follow_up)

    await finished(due, sending)

    sent, [buttons] = await sent_of(sending.log, due), await below(sending.stage)
    assert sent.follow_up_id == buttons


@pytest.mark.parametrize("kind", ["accept_then_drop", "drop_before", "too_many", "html_502"])
async def test_trouble_with_the_buttons_is_waited_out(sending: Sending, kind: str) -> None:
    due = album()
    await sending.stage.people.plan_fault("accept_then_drop", "sendMediaGroup")
    await sending.stage.people.plan_fault(kind, "sendMessage", retry_after=1)

    await finished(due, sending)

    sent, [buttons] = await sent_of(sending.log, due), await below(sending.stage)
    assert sent.follow_up_id == buttons


async def test_buttons_that_are_refused_for_good_are_missing_and_told(sending: Sending) -> None:
    due = album()
    await sending.stage.people.plan_fault("accept_then_drop", "sendMediaGroup")
    await sending.stage.people.plan_fault("no_rights", "sendMessage")

    with capture_logs() as logs:
        await finished(due, sending)

    assert (await sent_of(sending.log, due)).follow_up_id is None
    assert "the buttons below an album are missing" in [entry["event"] for entry in logs]
    assert await below(sending.stage) == []


async def test_an_offer_that_is_over_gets_no_buttons(sending: Sending) -> None:
    due = album(expires_at=utc_now() + QUARANTINE / 2)
    await sending.stage.people.plan_fault("accept_then_drop", "sendMediaGroup")

    await finished(due, sending)

    assert (await sent_of(sending.log, due)).reconciled
    assert await below(sending.stage) == []


@pytest.mark.timeout(300)
@pytest.mark.parametrize("taken", [False, True], ids=["before Telegram took them", "after"])
async def test_kill_9_between_the_album_and_its_buttons(
    stage: Stage, log: Log, nats_url: str, tmp_path: Path, *, taken: bool
) -> None:
    settings = {
        "FINGERPOST_SEND_TIMEOUT": "5s",
        "FINGERPOST_QUARANTINE": "8s",
        "FINGERPOST_AUDIT_CHAT": str(AUDIT_CHAT),
    }
    hold = Hold(rb"(?s)/sendMessage .*below-", answer=taken)
    seed, due = due_now(60), album()
    async with http_gate(stage.api, [hold]) as api:
        async with Sender(tmp_path, "killed", nats_url, api, settings) as killed:
            await log.say(seed)
            await until(lambda: log.events(MessageSent), bool, seconds=60)
            await log.say(due)
            async with asyncio.timeout(30):
                await hold.reached.wait()
            await killed.process.kill()
        async with Sender(tmp_path, "next", nats_url, stage.api, settings):
            await until(lambda: log.events(MessageSent), lambda sent: len(sent) == 2, seconds=200)

    sent, [buttons] = await sent_of(log, due), await below(stage)
    assert (sent.reconciled, sent.follow_up_id) == (True, buttons)
