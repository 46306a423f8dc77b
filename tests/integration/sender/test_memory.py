"""What the log remembers for the limits, when a sender takes over."""

import time
from datetime import timedelta

import pytest

from chassis.clock import utc_now
from chassis.log import Publisher
from contracts.events import Event, MessageClaimed, MessageFailed
from contracts.examples import example
from contracts.ids import delivery_id
from harness.logs import Log
from sender.domain.channels import Chats
from sender.domain.pacing import Limits, Pacing
from sender.memory import remember

ONE, TWO = 1, 2
LIMITS = Limits(shares={"promo": 1}, channel_per_minute=3)
ROOMY = Limits(shares={"promo": 1})
SLOW = 8
"""Seconds that a slow machine may take from what is said until somebody asks."""


def claimed(number: int, bot_id: int, channel: str = "-1", messages: int = 1) -> MessageClaimed:
    at = utc_now()
    delivery = delivery_id("promos", channel, at + timedelta(seconds=number))
    return example(
        MessageClaimed,
        delivery=delivery,
        channel=channel,
        claimed_at=at,
        bot_id=bot_id,
        messages=messages,
    )


def flooded(claim: MessageClaimed, seconds: float) -> MessageFailed:
    now = utc_now()
    return example(
        MessageFailed,
        delivery=claim.delivery,
        channel=claim.channel,
        failure="rate_limited",
        failed_at=now,
        retry_at=now + timedelta(seconds=seconds),
    )


async def waits(log: Log, *events: Event, chat: str = "-1", limits: Limits = LIMITS) -> list[float]:
    """Return how long each of two bots waits for a chat after it took over."""
    await log.say(*events)
    accounts = {ONE: Pacing(limits), TWO: Pacing(limits)}
    await remember(log.reader, accounts, {ONE: Chats(), TWO: Chats()})
    now = time.monotonic()
    return [account.ask("new", chat, "promo", now, 0.0) for account in accounts.values()]


async def test_what_one_bot_was_sent_counts_for_that_bot_alone(log: Log) -> None:
    one, two = await waits(log, *(claimed(number, ONE) for number in range(3)))

    assert one > 50
    assert two == 0


async def test_an_album_counts_as_the_messages_that_it_is(log: Log) -> None:
    one, _ = await waits(log, claimed(0, ONE, messages=3))

    assert one > 50


async def test_a_bot_that_the_settings_do_not_know_counts_for_nobody(log: Log) -> None:
    assert await waits(log, *(claimed(number, 9) for number in range(5))) == [0, 0]


async def test_a_flood_that_is_not_over_is_remembered_for_its_bot_and_its_chat(log: Log) -> None:
    claim = claimed(0, ONE, channel="-7")

    one, two = await waits(log, claim, flooded(claim, 30), chat="-7", limits=ROOMY)

    assert one == pytest.approx(30, abs=SLOW)
    assert two == 0


async def test_the_floods_of_two_bots_in_one_channel_are_both_remembered(log: Log) -> None:
    first, second = claimed(0, ONE, channel="-7"), claimed(1, TWO, channel="-7")

    floods = [flooded(first, 40), flooded(second, 20)]
    one, two = await waits(log, first, second, *floods, chat="-7", limits=ROOMY)

    assert one == pytest.approx(40, abs=SLOW)
    assert two == pytest.approx(20, abs=SLOW)


@pytest.mark.parametrize("ahead", [timedelta(minutes=5), timedelta(minutes=-5)])
async def test_the_clock_of_the_sender_before_does_not_matter(log: Log, ahead: timedelta) -> None:
    other = Publisher(log.js, source="other", clock=lambda: utc_now() + ahead)
    claims = [claimed(number, ONE, channel="-7") for number in range(3)]
    flood = flooded(claims[0], 30)
    shifted = {
        "failed_at": utc_now() + ahead,
        "retry_at": utc_now() + ahead + timedelta(seconds=30),
    }
    for event in (*claims, flood.model_copy(update=shifted)):
        await other.publish(event)

    one, two = await waits(log, chat="-7")

    assert one == pytest.approx(59, abs=SLOW)
    assert two == 0
    by_flood, _ = await waits(log, chat="-7", limits=ROOMY)
    assert by_flood == pytest.approx(30, abs=SLOW)


async def test_a_flood_that_is_over_is_forgotten(log: Log) -> None:
    claim = claimed(0, ONE, channel="-7")

    one, _ = await waits(log, claim, flooded(claim, -1), chat="-7", limits=ROOMY)

    assert one < 4


async def test_floods_of_three_chats_at_once_stop_all(log: Log) -> None:
    claims = [claimed(0, ONE, channel=f"-{number}") for number in (7, 8, 9)]
    await log.say(*claims, *(flooded(claim, 30) for claim in claims))
    account = Pacing(LIMITS)

    await remember(log.reader, {ONE: account}, {ONE: Chats()})

    assert account.share < 1
