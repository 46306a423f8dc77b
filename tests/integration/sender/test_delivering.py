"""One delivery, against a real log and a real Bot API with faults."""

import asyncio
import time
from dataclasses import replace
from datetime import timedelta

import pytest
from faststream.exceptions import NackMessage

from chassis.clock import utc_now
from contracts.campaign import Variant
from contracts.events import (
    MessageClaimed,
    MessageFailed,
    MessageSent,
    MessageSkipped,
    MessageUncertain,
)
from contracts.examples import example
from contracts.ids import MAIN_BOT
from harness.sandboxes import BOT_ID, CHANNEL
from harness.sending import QUARANTINE, UNLIMITED, Sending, due_now, later
from sender.domain.deliveries import names
from sender.domain.looking import HIDDEN
from sender.domain.pacing import Pacing
from sender.handlers import Desk, _alone, deliver
from sender.limiter import Limiter


def standing(desk: Desk) -> Desk:
    """Return the desk by a clock that stands: no pause is over, however slow a machine is."""
    now = desk.clock()
    return replace(desk, clock=lambda: now)


async def test_a_due_promo_is_posted_with_its_buttons_and_recorded(
    sending: Sending, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sender.handlers._AUDIENCE_SECONDS", 30)
    monkeypatch.setattr("sender.telegram._COUNT_TIMEOUT", 30)
    due = due_now()

    await deliver(due, sending.desk)

    (message,) = await sending.stage.people.messages(CHANNEL)
    (sent,) = await sending.log.events(MessageSent)
    assert message["text"] == HIDDEN + due.variant.text
    assert [row[0]["text"] for row in message["buttons"]] == ["Upgrade", "Remind me"]
    assert (sent.chat_id, sent.message_id, sent.audience) == (CHANNEL, message["message_id"], 100)
    assert sent.latency_ms >= 0
    (claim,) = await sending.log.events(MessageClaimed)
    (link,) = message["message"]["entities"]
    assert (link["offset"], link["length"], link["url"]) == (0, 1, claim.mark)


async def test_a_message_that_was_sent_is_not_sent_again(sending: Sending) -> None:
    due = due_now()

    for _ in range(3):
        await deliver(due, sending.desk)

    assert len(await sending.posts()) == 1
    assert len(await sending.log.events(MessageSent)) == 1


@pytest.mark.parametrize("kind", ["accept_then_drop", "server_error", "html_502", "drop_before"])
async def test_a_lost_answer_that_cannot_be_looked_up_is_uncertain_and_never_repeated(
    sending: Sending, kind: str
) -> None:
    await sending.stage.people.plan_fault(kind, "sendMessage")
    due = due_now()

    with pytest.raises(NackMessage):
        await deliver(due, sending.desk)
    assert await sending.log.events(MessageUncertain) == []
    for times in (1, 2):
        await deliver(due, later(sending.desk, times * QUARANTINE))

    (uncertain,) = await sending.log.events(MessageUncertain)
    assert uncertain.policy == due.on_uncertain == "drop"
    assert "FINGERPOST_AUDIT_CHAT" in uncertain.description
    assert await sending.log.events(MessageSent) == []
    assert len(await sending.posts()) == (1 if kind == "accept_then_drop" else 0)


async def test_an_unreadable_result_means_that_it_was_posted(sending: Sending) -> None:
    await sending.stage.people.plan_fault("bad_result", "sendMessage")

    await deliver(due_now(), sending.desk)

    assert len(await sending.posts()) == 1
    assert len(await sending.log.events(MessageSent)) == 1


@pytest.mark.parametrize(
    ("kind", "failure"),
    [
        ("too_many", "rate_limited"),
        ("too_many_without_parameters", "rate_limited"),
        ("restart", "restarting"),
        ("migrated", "migrated"),
    ],
)
async def test_a_definite_refusal_is_waited_out_and_repeated(
    sending: Sending, kind: str, failure: str
) -> None:
    await sending.stage.people.plan_fault(kind, "sendMessage", retry_after=1)
    due = due_now()

    desk = standing(sending.desk)
    if kind == "migrated":
        await deliver(due, desk)
    else:
        with pytest.raises(NackMessage) as waiting:
            await deliver(due, desk)
        assert 0 < waiting.value.extra_options["delay"] <= 5

    (failed,) = await sending.log.events(MessageFailed)
    assert failed.failure == failure
    assert failed.retry_at is not None


async def test_a_migrated_chat_is_followed(sending: Sending) -> None:
    await sending.stage.people.plan_fault("migrated", "sendMessage")

    await deliver(due_now(), sending.desk)

    (sent,) = await sending.log.events(MessageSent)
    assert sent.chat_id != CHANNEL
    assert sent.attempt == 2
    assert len(await sending.posts(sent.chat_id)) == 1


@pytest.mark.parametrize("kind", ["kicked", "no_rights"])
async def test_a_channel_that_refuses_the_bot_fails_for_good(sending: Sending, kind: str) -> None:
    await sending.stage.people.plan_fault(kind, "sendMessage")

    await deliver(due_now(), sending.desk)

    (failed,) = await sending.log.events(MessageFailed)
    assert (failed.failure, failed.retry_at) == ("target", None)


async def test_an_unknown_chat_and_a_bad_button_fail_for_good(sending: Sending) -> None:
    await deliver(due_now(channel=-100999), sending.desk)
    empty = Variant.model_construct(id="empty", text=" ", ctas=())
    await deliver(due_now(1, variant=empty), sending.desk)

    failures = [event.failure for event in await sending.log.events(MessageFailed)]
    assert failures == ["target", "content"]


async def test_a_server_that_was_never_reached_is_asked_again(sending: Sending) -> None:
    await sending.stage.process.kill()

    with pytest.raises(NackMessage):
        await deliver(due_now(), standing(sending.desk))

    (failed,) = await sending.log.events(MessageFailed)
    assert failed.failure == "not_connected"


async def test_an_expired_promo_is_skipped(sending: Sending) -> None:
    await deliver(due_now(expires_at=utc_now()), sending.desk)

    (skipped,) = await sending.log.events(MessageSkipped)
    assert skipped.reason == "expired"
    assert await sending.posts() == []


@pytest.mark.parametrize("first", [True, False])
async def test_a_promo_that_expired_while_it_waited_for_its_turn_is_skipped(
    sending: Sending, *, first: bool
) -> None:
    pacing = Pacing(UNLIMITED)
    for chat in ("-1", "-2", "-3"):
        pacing.flooded(chat, 1, time.monotonic(), 0)
    lane = replace(sending.lane, limiter=Limiter(pacing, lambda: True))
    desk = replace(sending.desk, lanes={MAIN_BOT: lane})

    await deliver(due_now(expires_at=utc_now() + timedelta(seconds=0.5)), desk, first=first)

    (skipped,) = await sending.log.events(MessageSkipped)
    assert skipped.reason == "expired"
    assert await sending.log.events(MessageClaimed) == []
    assert await sending.posts() == []


async def test_an_orphaned_claim_that_cannot_be_looked_up_is_uncertain(sending: Sending) -> None:
    due = due_now()
    claim = example(
        MessageClaimed, **names(due), claimant="gone", claimed_at=utc_now(), bot_id=BOT_ID
    )
    await sending.log.say(claim)

    with pytest.raises(NackMessage):
        await deliver(due, sending.desk)
    await deliver(due, later(sending.desk))

    assert len(await sending.log.events(MessageUncertain)) == 1
    assert await sending.posts() == []


async def test_the_member_count_never_holds_up_a_post(
    sending: Sending, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sender.telegram._COUNT_TIMEOUT", 60)
    await sending.stage.people.plan_fault("late", "getChatMemberCount", seconds=60)

    async with asyncio.timeout(30):
        await deliver(due_now(), sending.desk)

    (sent,) = await sending.log.events(MessageSent)
    assert sent.audience is None


async def test_a_copy_is_sent_away_while_the_delivery_is_still_being_handled(
    sending: Sending,
) -> None:
    due = due_now()

    with _alone(due.delivery, sending.desk):
        with pytest.raises(NackMessage), _alone(due.delivery, sending.desk):
            pytest.fail("the copy was let in")
        assert sending.desk.in_flight == {due.delivery}

    assert sending.desk.in_flight == set()
