"""A log whose clock is hours off: nothing is sent, skipped or looked for until clocks agree."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from faststream.exceptions import NackMessage

from chassis.clock import utc_now
from chassis.log import Reader
from chassis.log_clock import LogClock
from contracts.events import MessageClaimed, MessageSent, MessageSkipped
from contracts.examples import example
from harness.sending import Sending, due_now
from harness.waiting import until
from sender.afterlife import Afterlife
from sender.clock_watch import ClockWatch
from sender.handlers import deliver

HOURS = timedelta(hours=3)


class _Shifted(Reader):
    """A log whose leader's clock is off by `by`."""

    by = timedelta(0)

    async def time(self) -> datetime:
        return await super().time() + self.by


@asynccontextmanager
async def led_by(sending: Sending, by: timedelta) -> AsyncIterator[Sending]:
    """Yield the sender at a log whose new leader's clock is off; afterwards that is mended."""
    reader, clock = _Shifted(sending.log.js), LogClock()
    desk = replace(sending.desk, clock=clock, hindrance=ClockWatch(clock).hindrance)

    async def hindrance() -> str | None:
        await clock.compare(reader)  # an answer that took long says nothing
        return desk.hindrance()

    reader.by = by
    await until(hindrance, bool)
    yield replace(sending, desk=desk)
    reader.by = timedelta(0)
    await until(hindrance, lambda held: held is None)


@pytest.mark.parametrize("by", [HOURS, -HOURS])
async def test_nothing_is_skipped_by_a_log_that_is_hours_off_and_all_is_sent_when_it_is_mended(
    sending: Sending, by: timedelta
) -> None:
    due = due_now()

    async with led_by(sending, by) as misled:
        with pytest.raises(NackMessage):
            await deliver(due, misled.desk, first=True)
        said = await sending.log.events(MessageSkipped), await sending.log.events(MessageClaimed)
    await deliver(due, misled.desk, first=False)

    assert said == ([], [])
    assert [event.delivery for event in await sending.log.events(MessageSent)] == [due.delivery]
    assert len(await sending.posts()) == 1


async def test_a_claim_is_not_thought_old_by_a_log_that_leapt_ahead(sending: Sending) -> None:
    due = due_now()
    claim = example(
        MessageClaimed, delivery=due.delivery, channel=due.channel, claimed_at=utc_now(), attempt=1
    )
    await sending.log.say(claim)

    async with led_by(sending, HOURS) as misled:
        with pytest.raises(NackMessage):
            await deliver(due, misled.desk)

    assert len(await sending.log.events(MessageClaimed)) == 1
    assert not await sending.posts()


async def test_nothing_is_withdrawn_by_a_log_that_leapt_ahead(sending: Sending) -> None:
    sent = example(MessageSent, withdraw_at=utc_now() + timedelta(hours=1))
    await sending.log.say(sent)
    entry = await sending.log.reader.last(sent.subject)
    assert entry

    async with led_by(sending, HOURS) as misled:
        desk = misled.desk
        afterlife = Afterlife(
            desk.ledger, sending.log.reader, desk.lane_of, desk.clock, hindrance=desk.hindrance
        )
        with pytest.raises(NackMessage) as doubted:
            await afterlife.see_to(entry.envelope, entry.sequence)
    with pytest.raises(NackMessage) as waits:
        await afterlife.see_to(entry.envelope, entry.sequence)

    assert doubted.value.extra_options["delay"] < 60
    assert waits.value.extra_options["delay"] > 3_000
