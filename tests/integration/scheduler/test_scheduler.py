"""The scheduler against a real nats-server: each slot of each channel once, whatever happens."""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from chassis.clock import utc_now
from contracts.campaign import Campaign, IntervalSchedule
from contracts.events import CampaignDefined, CampaignRetired, Due, GuideDue, SlotMissed
from contracts.streams import EVENTS
from harness import waiting
from harness.logs import Log, open_log
from harness.plans import CHANNELS, campaign, grid
from harness.replicas import Replica, applied, ticking, written
from harness.servers import connected, embedded_nats
from stack.ports import free_port

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
LONELY = {"nats": "NATS is not connected", "plan": "the log is not folded yet"}


def interval(plan: Campaign) -> timedelta:
    """Return the interval of a plan that has one."""
    assert isinstance(plan.schedule, IntervalSchedule)
    return plan.schedule.every


async def slots(log: Log) -> list[Due | SlotMissed]:
    """Return what the log says about slots, in order."""
    found = [envelope.data for envelope in await log.envelopes()]
    return [event for event in found if isinstance(event, Due | SlotMissed)]


async def until(log: Log, condition: Callable[[list[Due | SlotMissed]], bool]) -> None:
    await waiting.until(lambda: slots(log), condition, seconds=60)


async def assert_each_slot_once(log: Log, plan: Campaign) -> None:
    """Compare the log with an enumeration of the grid, up to the slot before the newest one."""
    since = await log.effective_since(plan.id)
    said = await slots(log)
    every = interval(plan)
    newest = max(event.scheduled_for for event in said) - every
    expected = Counter(
        (slot, channel) for slot in grid(every, since, newest) for channel in plan.channels
    )

    assert len(expected) >= 2 * len(plan.channels)
    assert (
        Counter(
            (event.scheduled_for, event.channel) for event in said if event.scheduled_for <= newest
        )
        == expected
    )
    assert max(Counter(event.delivery for event in said).values()) == 1


async def assert_none_early(log: Log) -> None:
    early = [
        envelope
        for envelope in await log.envelopes()
        if isinstance(envelope.data, Due) and envelope.time < envelope.data.scheduled_for
    ]

    assert early == []


async def test_two_replicas_say_each_slot_once(log: Log) -> None:
    plan = campaign(every=SECOND)

    async with ticking(log, [plan]), ticking(log, [plan]):
        await until(log, lambda said: len(said) >= 4 * len(CHANNELS))

    await assert_each_slot_once(log, plan)
    await assert_none_early(log)
    assert len(await log.events(CampaignDefined)) == 1


async def test_a_replica_whose_clock_is_behind_repeats_nothing(log: Log) -> None:
    plan = campaign(every=SECOND)

    async with ticking(log, [plan]), ticking(log, [plan], lambda: utc_now() - 0.4 * SECOND):
        await until(log, lambda said: len(said) >= 4 * len(CHANNELS))

    await assert_each_slot_once(log, plan)


async def test_a_slot_that_was_said_long_ago_is_not_said_again(log: Log) -> None:
    """A start says the newest slot again, hours later perhaps: then no message id protects it."""
    plan = campaign(every=2 * SECOND)
    config = (await log.js.stream_info(EVENTS.name)).config
    await log.js.update_stream(config.evolve(duplicate_window=0.1))

    for number in range(1, 4):
        async with ticking(log, [plan]):
            await until(log, lambda said, n=number: len(said) >= n * len(CHANNELS))

    said = await slots(log)
    assert max(Counter(event.delivery for event in said).values()) == 1
    assert len({event.scheduled_for for event in said}) >= 3


async def test_two_processes_say_each_slot_once(log: Log, nats_url: str, tmp_path: Path) -> None:
    plan = campaign(every=SECOND)

    async with AsyncExitStack() as stack:
        for name in ("one", "two"):
            replica = Replica(tmp_path, name, nats_url, written(plan))
            await stack.enter_async_context(replica)
            await replica.ready()
        before = len(await slots(log))
        await until(log, lambda said: len(said) >= before + 3 * len(CHANNELS))

    await assert_each_slot_once(log, plan)
    await assert_none_early(log)


async def test_a_restart_continues_the_rotation(log: Log) -> None:
    plan = campaign(every=SECOND, variants=3, channels=CHANNELS[:1])

    for _ in range(2):
        before = len(await slots(log))
        async with ticking(log, [plan]):
            await until(log, lambda said, before=before: len(said) >= before + 2)

    said = await slots(log)
    dues = [event for event in said if isinstance(event, GuideDue)]
    # While nobody runs a slot may be missed: it has its number all the same.
    assert [event.ordinal for event in said] == list(range(len(said)))
    assert [event.variant.id for event in dues] == [f"v{event.ordinal % 3}" for event in dues]
    await assert_each_slot_once(log, plan)


async def test_a_killed_scheduler_leaves_no_gap_and_no_double(
    log: Log, nats_url: str, tmp_path: Path
) -> None:
    channels = tuple(f"-100{number:04}" for number in range(200))
    plan = campaign(every=SECOND, channels=channels)

    for number in range(2):
        async with Replica(tmp_path, f"life-{number}", nats_url, written(plan)):
            await until_half_said(log, len(channels))
    async with Replica(tmp_path, "survivor", nats_url, written(plan)):
        before = len(await slots(log))
        await until(log, lambda said: len(said) >= before + 2 * len(channels))

    await assert_each_slot_once(log, plan)


async def until_half_said(log: Log, channels: int) -> None:
    """Return in the middle of a slot; the log begins with the campaign's definition."""
    before = await length(log)
    async with asyncio.timeout(60):
        while True:
            now = await length(log)
            if now > before and 0.1 < (now - 1) % channels / channels < 0.8:
                return
            await asyncio.sleep(0.002)


async def length(log: Log) -> int:
    return int((await log.js.stream_info(EVENTS.name)).state.messages)


async def test_a_killed_nats_server_delays_slots_and_loses_none(tmp_path: Path) -> None:
    server = embedded_nats(tmp_path)
    await server.start()
    plan = campaign(every=SECOND)

    try:
        async with open_log(server.url) as log, ticking(log, [plan]):
            await until(log, lambda said: len(said) >= 2)
            await server.process.kill()
            await asyncio.sleep(1.5)
            await server.start()
            before = len(await slots(log))
            await until(log, lambda said: len(said) >= before + 6)

            await assert_each_slot_once(log, plan)
    finally:
        await server.process.kill()


async def since_defined(log: Log, plan: Campaign) -> datetime:
    """Define `plan` and return since when it counts, without a slot, though the next hour begin."""
    async with ticking(log, [plan], lambda: utc_now() - HOUR / 2) as keeper:
        await applied(keeper)
    return await log.effective_since(plan.id)


async def told_after_an_outage(log: Log, plan: Campaign, outage: timedelta) -> list[str]:
    """Define `plan` at the present, be away for `outage`, and return what is said then."""
    defined = await since_defined(log, plan)
    every = interval(plan)
    later = grid(every, defined, defined + outage)[-1] + timedelta(minutes=20)
    async with ticking(log, [plan], lambda: later):
        await until(log, lambda said: len(said) == len(grid(every, defined, later)))
    return [
        event.reason if isinstance(event, SlotMissed) else f"due ({event.trigger})"
        for event in await slots(log)
    ]


async def test_after_an_outage_the_latest_is_posted_and_the_rest_is_told(log: Log) -> None:
    plan = campaign(every=HOUR, channels=CHANNELS[:1], catch_up={"window": "2h"})

    assert await told_after_an_outage(log, plan, 5 * HOUR) == [
        *["catchup_window"] * 3,
        "superseded",
        "due (catchup)",
    ]


FIFTY_HOURS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "latest": ({"policy": "latest"}, ["catchup_window"] * 49 + ["due (catchup)"]),
    "latest within a day": (
        {"policy": "latest", "window": "24h"},
        ["catchup_window"] * 26 + ["superseded"] * 23 + ["due (catchup)"],
    ),
    "skip": ({"policy": "skip"}, ["skipped"] * 50),
    "all": (
        {"policy": "all", "max": 5, "window": "24h"},
        ["catchup_window"] * 26 + ["limit"] * 19 + ["due (catchup)"] * 5,
    ),
}


@pytest.mark.parametrize("policy", FIFTY_HOURS)
async def test_an_outage_over_fifty_slots_is_told_by_the_plans_policy(
    policy: str, log: Log
) -> None:
    catch_up, told = FIFTY_HOURS[policy]
    plan = campaign(every=HOUR, channels=CHANNELS[:1], catch_up=catch_up)

    assert await told_after_an_outage(log, plan, 50 * HOUR) == told


async def test_an_outage_longer_than_the_window_is_told_slot_by_slot(log: Log) -> None:
    plan = campaign(every=HOUR, channels=CHANNELS[:1], catch_up={"window": "10m"})

    assert await told_after_an_outage(log, plan, 4 * HOUR) == ["catchup_window"] * 4


async def test_a_changed_file_becomes_a_new_revision_and_a_removed_campaign_retires(
    log: Log,
) -> None:
    plans = [
        [campaign("a", every=HOUR), campaign("b", every=HOUR)],
        [campaign("a", every=HOUR, title="New")],
        [campaign("a", every=HOUR, title="New")],
    ]
    for plan in plans:
        async with ticking(log, plan) as keeper:
            await applied(keeper)

    defined = [(event.campaign, event.revision) for event in await log.events(CampaignDefined)]
    assert defined == [("a", 1), ("b", 1), ("a", 2)]
    assert [event.campaign for event in await log.events(CampaignRetired)] == ["b"]


async def test_a_broken_file_stops_the_process_before_anything_is_said(
    nats_url: str, tmp_path: Path
) -> None:
    plan = written(campaign(every=HOUR)).replace("title:", "titel:")

    async with Replica(tmp_path, "broken", nats_url, plan) as replica:
        await replica.process.ended(60)
        said = replica.process.tail()

    assert replica.process.exit_status == 78
    assert f"{tmp_path}/plan.yaml:" in said
    assert "campaigns[0].titel: unknown field; remove it or correct its name" in said
    assert "Traceback" not in said
    async with connected(nats_url) as client:
        made = {stream.config.name for stream in await client.jetstream().streams_info()}
        assert EVENTS.name not in made


async def test_an_unreachable_nats_is_seen_in_the_log_and_in_readiness(tmp_path: Path) -> None:
    nobody = f"nats://127.0.0.1:{free_port()}"
    plan = written(campaign(every=HOUR))

    async with Replica(tmp_path, "lonely", nobody, plan) as replica:
        await replica.process.answers(f"{replica.url}/healthz", 60)
        await waiting.until(replica.problems, lambda said: said == LONELY)
        await waiting.until(replica.events, lambda said: "NATS error" in said)


@pytest.mark.parametrize("headers", [None, {"Nats-Msg-Id": "campaign.defined.guides.1"}])
async def test_an_unreadable_event_about_a_campaign_does_not_hold_up_its_plan(
    headers: dict[str, str] | None, log: Log
) -> None:
    plan = campaign(every=SECOND)
    await log.js.publish("campaign.defined.guides", b"from the future", headers=headers)

    async with ticking(log, [plan]) as keeper:
        await applied(keeper)
        await until(log, lambda said: len(said) >= 2 * len(CHANNELS))

    [defined] = await log.events(CampaignDefined)
    assert defined.definition == plan


async def test_an_unreadable_event_after_the_definition_does_not_hold_up_a_new_one(
    log: Log,
) -> None:
    async with ticking(log, [campaign(every=HOUR)]) as keeper:
        await applied(keeper)
    await log.js.publish("campaign.paused.guides", b"from the future")
    async with ticking(log, [campaign(every=HOUR, title="New")]) as keeper:
        await applied(keeper)

    defined = await log.events(CampaignDefined)
    assert [(event.revision, event.definition.title) for event in defined] == [
        (1, "guides"),
        (2, "New"),
    ]


async def test_a_slot_that_is_a_little_late_is_on_time_and_keeps_its_moment(log: Log) -> None:
    late = timedelta(seconds=5)
    plan = campaign(every=HOUR, channels=CHANNELS[:1])
    defined = await since_defined(log, plan)
    moment = grid(HOUR, defined, defined + HOUR)[0] + late
    async with ticking(log, [plan], lambda: moment):
        await until(log, lambda said: len(said) == 1)

    [due] = await slots(log)
    assert isinstance(due, GuideDue)
    assert due.scheduled_for == moment - late
    assert due.trigger == "schedule"
