"""From campaign to conversion table: the services as processes, and one of them killed."""

import asyncio

import pytest

from contracts.events import (
    BotStarted,
    ConversionRecorded,
    CtaClicked,
    Due,
    GuideDue,
    MessageClaimed,
    MessageSent,
    MessageUncertain,
    PromoDue,
    SlotMissed,
)
from harness.logs import Log, open_log
from sandbox.client import Sandbox
from stack.demo import CAMPAIGNS
from stack.local import SERVICES, LocalStack
from stack.people import Audience
from stack.report import settled_table

READING_SECONDS = 10
BETWEEN_KILLS = 6


@pytest.mark.timeout(300)
async def test_the_tables_say_what_people_did(stack: LocalStack) -> None:
    async with Sandbox(stack.urls["sandbox"]) as sandbox, open_log(stack.nats_url) as log:
        audience = Audience(sandbox, CAMPAIGNS, seed=7)
        while not conversions(audience):
            await audience.read(READING_SECONDS)
        await stack.services["scheduler"].stop()
        await posted_all(log)

        await assert_tables_are_right(stack, audience)
        await assert_causes_are_closed(log)


@pytest.mark.timeout(300)
async def test_services_killed_one_after_the_other_lose_nothing_and_double_nothing(
    stack: LocalStack,
) -> None:
    async with Sandbox(stack.urls["sandbox"]) as sandbox, open_log(stack.nats_url) as log:
        audience = Audience(sandbox, CAMPAIGNS, seed=11)
        reading = asyncio.create_task(audience.read(BETWEEN_KILLS * (len(SERVICES) + 1)))
        for victim in SERVICES:
            await asyncio.sleep(BETWEEN_KILLS - 1)
            await stack.services[victim].kill()
            await asyncio.sleep(1)
            stack.services[victim].start()

        await reading
        for name in SERVICES:
            await stack.ready(name)
        await stack.services["scheduler"].stop()
        await posted_all(log)
        await assert_tables_are_right(stack, audience)
        await assert_causes_are_closed(log)
        await assert_slots_are_whole(log)


def conversions(audience: Audience) -> int:
    """Return how often people paid."""
    return sum(deeds.conversions for deeds in audience.tally.deeds.values())


async def posted_all(log: Log) -> None:
    """Wait until the log says of each due delivery how it ended."""
    async with asyncio.timeout(100):
        while await open_deliveries(log):
            await asyncio.sleep(0.2)


async def open_deliveries(log: Log) -> set[str]:
    """Return the deliveries that are due and neither sent nor declared uncertain."""
    due = {event.delivery for event in await dues(log)}
    sent = {event.delivery for event in await log.events(MessageSent)}
    unsure = {event.delivery for event in await log.events(MessageUncertain)}
    return due - sent - unsure


async def dues(log: Log) -> list[Due]:
    """Return every due event."""
    return [*await log.events(GuideDue), *await log.events(PromoDue)]


async def assert_tables_are_right(stack: LocalStack, audience: Audience) -> None:
    """The conversion tables equal what people did and what stands in the channels."""
    table = await settled_table(stack.postgres_dsn, audience.differences, 60)

    assert await audience.differences(table) == []
    assert sum((await audience.count_posts()).values()) >= 4


async def assert_causes_are_closed(log: Log) -> None:
    """Each message has a claim and a due event before it, each deed a message before it."""
    envelopes = await log.envelopes()
    place = {envelope.id: number for number, envelope in enumerate(envelopes)}
    caused = (MessageClaimed, MessageSent, CtaClicked, BotStarted, ConversionRecorded)
    for number, envelope in enumerate(envelopes):
        if isinstance(envelope.data, caused):
            assert place[envelope.causationid] < number, envelope
    assert len(place) == len(envelopes), "an event stands in the log twice"


async def assert_slots_are_whole(log: Log) -> None:
    """On the grid, from the first slot to the last, each is due or missed, and none is twice."""
    slots = [*await dues(log), *await log.events(SlotMissed)]
    for campaign in {slot.campaign for slot in slots}:
        ordinals = sorted(slot.ordinal for slot in slots if slot.campaign == campaign)

        assert ordinals == list(range(ordinals[0], ordinals[-1] + 1))
