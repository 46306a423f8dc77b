"""What is begun comes to its end, by the bot that began it; what cannot begin is said."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any, cast

import pytest
from faststream.exceptions import NackMessage

from chassis.clock import utc_now
from contracts.events import (
    MessageClaimed,
    MessageFailed,
    MessageSent,
    MessageUncertain,
    PromoDue,
)
from contracts.examples import example
from contracts.ids import MAIN_BOT
from harness.gates import Hold, http_gate
from harness.logs import Log
from harness.plain_fold import tables_of
from harness.sandboxes import BOT_ID, CHANNEL, SECOND_ID, SECOND_TOKEN, Stage
from harness.sending import Sending, due_now, open_sender
from sender.domain.deliveries import lost, names
from sender.handlers import deliver, take_up_resolved
from sender.lane import Line, Token
from sender.telegram import Telegram
from sender.witness import LookLaterError

LONG_AGO = timedelta(minutes=10)


def long_due(**fields: object) -> PromoDue:
    """Return a promo that has been due for longer than any change of senders takes."""
    at = utc_now() - LONG_AGO
    return due_now(scheduled_for=at, expires_at=utc_now() + timedelta(minutes=5), **fields)


async def test_a_send_that_was_given_back_is_finished_though_nobody_follows_any_more(
    stage: Stage, log: Log
) -> None:
    due = due_now()
    held = example(MessageUncertain, **names(due), policy="hold")
    back = lost(due, 1, utc_now(), "to be posted again").model_copy(update={"actor": "me"})
    claim = example(MessageClaimed, **names(due), claimed_at=utc_now(), bot_id=BOT_ID)
    await log.say(due, claim, held, back)
    hold = Hold(rb"/sendMessage ")
    async with (
        http_gate(stage.api, [hold]) as api,
        open_sender(replace(stage, api=api), log) as sending,
    ):
        following = asyncio.create_task(take_up_resolved(log.reader, sending.desk))
        async with asyncio.timeout(20):
            await hold.reached.wait()

        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        assert sending.desk.finishing
        hold.release.set()
        await asyncio.wait(sending.desk.finishing)

    (sent,) = await log.events(MessageSent)
    assert (sent.delivery, sent.attempt) == (due.delivery, 2)
    assert sending.desk.in_flight == set()


async def test_a_name_that_no_bot_has_fails_for_good_without_a_claim(sending: Sending) -> None:
    due = long_due(bot="third")
    await sending.log.say(due)

    for first in (True, False):
        await deliver(due, sending.desk, first=first)

    (failed,) = await sending.log.events(MessageFailed)
    assert (failed.failure, failed.retry_at) == ("no_bot", None)
    assert "third" in failed.description
    assert await sending.log.events(MessageClaimed) == []
    assert await sending.posts() == []
    (row,) = tables_of(await sending.log.numbered())["deliveries"]
    assert ("failed", "no_bot") in pairwise(row)


async def test_a_name_that_no_bot_has_yet_waits_for_a_sender_that_has_it(sending: Sending) -> None:
    due = due_now(bot="third")

    with pytest.raises(NackMessage) as waiting:
        await deliver(due, sending.desk)

    assert 0 < waiting.value.extra_options["delay"] < 5.1
    assert await sending.log.events(MessageFailed) == []


@pytest.mark.parametrize("bot", [MAIN_BOT, "third"])
async def test_who_waits_for_a_bot_costs_no_look_into_the_ledger_and_comes_back_in_line(
    sending: Sending, bot: str
) -> None:
    sending.lane.token.refuse()
    lane, line = replace(sending.lane, refused=_standing_line()), _standing_line()
    desk = replace(sending.desk, ledger=cast("Any", None), lanes={MAIN_BOT: lane}, strangers=line)
    waits = []

    for number in range(100):
        with pytest.raises(NackMessage) as waiting:
            await deliver(due_now(number, bot=bot), desk)
        waits.append(waiting.value.extra_options["delay"])

    assert waits[-1] - waits[0] > 0.5


def _standing_line() -> Line:
    """Return a line by a clock that stands: a slow machine shortens nobody's wait."""
    return Line(now=lambda: 0.0)


async def test_a_claim_of_a_bot_without_a_token_here_is_uncertain(sending: Sending) -> None:
    due = long_due()
    claim = example(MessageClaimed, **names(due), claimed_at=utc_now() - LONG_AGO, bot_id=SECOND_ID)
    await sending.log.say(claim)

    await deliver(due, sending.desk)

    (uncertain,) = await sending.log.events(MessageUncertain)
    assert str(SECOND_ID) in uncertain.description
    assert await sending.posts() == []


async def test_the_bot_that_claimed_is_the_one_that_looks(sending: Sending, stage: Stage) -> None:
    """The main bot has an audit chat here; the one that claimed has none, and says so."""
    await stage.accept(SECOND_TOKEN, "second_test_bot")
    telegram = Telegram(SECOND_TOKEN, stage.api, utc_now, send_timeout=timedelta(seconds=10))
    token = Token(telegram, "second", "second in TELEGRAM_BOT_TOKENS")
    await token.ask()
    second = replace(sending.lane, bot_id=SECOND_ID, token=token, telegram=telegram)
    main = replace(sending.lane, witness=_nobody_asks())
    desk = replace(sending.desk, lanes={MAIN_BOT: main, "second": second})
    due = long_due()
    claim = example(MessageClaimed, **names(due), claimed_at=utc_now() - LONG_AGO, bot_id=SECOND_ID)
    await sending.log.say(claim)

    await deliver(due, desk)
    await telegram.close()

    (uncertain,) = await sending.log.events(MessageUncertain)
    assert "FINGERPOST_AUDIT_CHAT" in uncertain.description


async def test_many_who_wait_for_a_look_come_back_in_line(sending: Sending) -> None:
    lane = replace(sending.lane, witness=_busy(), looks=Line(10, now=lambda: 0.0))
    desk = replace(sending.desk, lanes={MAIN_BOT: lane})
    dues = [due_now(number) for number in range(20)]
    long_ago = {"claimed_at": utc_now() - LONG_AGO, "bot_id": BOT_ID}
    await sending.log.say(*(example(MessageClaimed, **names(due), **long_ago) for due in dues))
    waits = []

    for due in dues:
        with pytest.raises(NackMessage) as waiting:
            await deliver(due, desk)
        waits.append(waiting.value.extra_options["delay"])

    assert waits == pytest.approx([3.0 + place / 10 for place in range(len(dues))])


def _busy() -> object:
    class Witness:
        async def look(self, *_: object, **__: object) -> None:
            raise LookLaterError(3.0, "other messages are being looked for")

    return Witness()


def _nobody_asks() -> object:
    class Witness:
        async def look(self, *_: object, **__: object) -> None:
            pytest.fail("another bot than the one that claimed was asked")

    return Witness()


async def test_while_its_token_is_refused_a_bot_claims_nothing(sending: Sending) -> None:
    await sending.stage.accept(f"{BOT_ID}:another-token", "sandbox_test_bot")
    first, second = due_now(), due_now(1)

    for due in (first, second):
        with pytest.raises(NackMessage):
            await deliver(due, sending.desk, first=True)

    (claim,) = await sending.log.events(MessageClaimed)
    (failed,) = await sending.log.events(MessageFailed)
    assert (claim.delivery, failed.failure) == (first.delivery, "unauthorized")
    assert failed.retry_at is not None
    assert not sending.lane.token.accepted


async def test_what_no_request_can_be_made_of_fails_as_content(
    sending: Sending, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise TypeError("no such field")

    monkeypatch.setattr("sender.telegram.request", broken)

    await deliver(due_now(), sending.desk)

    (failed,) = await sending.log.events(MessageFailed)
    assert (failed.failure, failed.retry_at) == ("content", None)
    assert "no such field" in failed.description
    assert await sending.log.events(MessageUncertain) == []


async def test_an_album_is_claimed_as_the_messages_that_it_is(sending: Sending) -> None:
    due = due_now()
    picture = {"kind": "photo", "url": "https://example.org/a.jpg"}
    variant = due.variant.model_validate(
        {**due.variant.model_dump(), "album": [picture, picture], "album_text": "below"}
    )

    await deliver(due.model_copy(update={"variant": variant}), sending.desk)

    (claim,) = await sending.log.events(MessageClaimed)
    assert claim.messages == 3
    assert len(await sending.stage.people.messages(CHANNEL)) == 3
