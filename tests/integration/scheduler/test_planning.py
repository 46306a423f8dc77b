"""How a plan comes into the log: from files that change, and from two files at once."""

import asyncio
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
import structlog

from chassis.clock import utc_now
from contracts.events import (
    CampaignDefined,
    CampaignPaused,
    CampaignRetired,
    CampaignTriggered,
    Due,
)
from contracts.ids import delivery_id
from harness import waiting
from harness.logs import Log
from harness.plans import campaign
from harness.replicas import Replica, applied, ticking, written
from scheduler.catalogue import Catalogue
from scheduler.plan_file import PlanFile
from scheduler.planner import OvertakenError, Planner

HOUR = timedelta(hours=1)


def planner(actor: str) -> Planner:
    return Planner(Catalogue(), utc_now, actor=actor)


async def titles(log: Log) -> dict[str, str]:
    """Return the title that each campaign has in the log."""
    return {e.campaign: e.definition.title for e in await log.events(CampaignDefined)}


@pytest.mark.parametrize("attempt", range(5))
async def test_of_two_files_that_are_applied_at_once_one_wins_as_a_whole(
    attempt: int, log: Log
) -> None:
    names = [f"c{number}" for number in range(12)]
    plans = {
        actor: [campaign(name, title=actor) for name in (names if attempt % 2 else names[::-1])]
        for actor in ("one", "two")
    }

    outcomes = await asyncio.gather(
        *(planner(actor).apply(log.reader, log.publisher, plan) for actor, plan in plans.items()),
        return_exceptions=True,
    )

    lost = [outcome for outcome in outcomes if isinstance(outcome, OvertakenError)]
    [winner] = set((await titles(log)).values())
    assert len(lost) == 1
    assert f"(by {winner})" in str(lost[0])
    assert len(await titles(log)) == len(names)


async def test_two_replicas_with_one_file_define_each_campaign_once(log: Log) -> None:
    plan = [campaign(f"c{number}") for number in range(12)]

    await asyncio.gather(
        *(planner(actor).apply(log.reader, log.publisher, plan) for actor in ("one", "two"))
    )

    defined = [event.campaign for event in await log.events(CampaignDefined)]
    assert sorted(defined) == sorted(definition.id for definition in plan)


async def test_a_pause_that_comes_meanwhile_does_not_stop_a_plan(log: Log) -> None:
    plan = [campaign(f"c{number}") for number in range(30)]
    await planner("first").apply(log.reader, log.publisher, plan)
    changed = [definition.model_copy(update={"title": "New"}) for definition in plan]
    pause = CampaignPaused(campaign="c1", revision=1, actor="owner", decided_at=utc_now())

    await asyncio.gather(
        planner("second").apply(log.reader, log.publisher, changed), log.say(pause)
    )

    assert set((await titles(log)).values()) == {"New"}


async def test_a_file_that_changes_is_applied_and_a_broken_one_is_not(
    log: Log, tmp_path: Path
) -> None:
    path = tmp_path / "campaigns.yaml"
    path.write_text(written(campaign("a"), campaign("b")))
    file = PlanFile(path, {})

    async def said() -> list[str]:
        kinds = [*await log.events(CampaignDefined), *await log.events(CampaignRetired)]
        return [f"{type(e).__name__} {e.campaign} {e.revision}" for e in kinds]

    with structlog.testing.capture_logs() as logged:
        async with ticking(log, file.load(), file=file) as keeper:
            await applied(keeper)
            path.write_text("campaigns: [{id: a, kind: news}]")
            await waiting.until(
                _listed(logged), lambda events: "broken" in " ".join(events), seconds=60
            )
            path.write_text(written(campaign("a", title="New")))
            await waiting.until(said, lambda lines: len(lines) == 4, seconds=60)

    assert await said() == [
        "CampaignDefined a 1",
        "CampaignDefined b 1",
        "CampaignDefined a 2",
        "CampaignRetired b 1",
    ]
    [problem] = [e["problem"] for e in logged if "broken" in e["event"] and "kind" in e["problem"]]
    assert f"{path}:1" in problem


def _listed(logged: list[dict[str, object]]):  # type: ignore[no-untyped-def]
    async def events() -> list[str]:
        return [str(entry["event"]) for entry in logged]

    return events


async def test_a_replica_without_a_file_emits_what_the_log_plans(log: Log) -> None:
    plan = campaign(every=timedelta(seconds=1))
    async with ticking(log, None) as keeper:
        await applied(keeper)
        await planner("elsewhere").apply(log.reader, log.publisher, [plan])
        await waiting.until(lambda: log.events(Due), lambda dues: len(dues) >= 4)  # type: ignore[arg-type]

    assert len(await log.events(CampaignDefined)) == 1


async def asked_for(log: Log) -> list[Due]:
    """Return what is due because somebody asked for it: an hour may begin meanwhile."""
    dues: list[Due] = await log.events(Due)  # type: ignore[arg-type]
    return [due for due in dues if due.trigger == "manual"]


async def test_a_triggered_slot_is_said_by_whatever_replica_runs(
    log: Log, nats_url: str, tmp_path: Path
) -> None:
    plan = campaign(every=HOUR)
    async with Replica(tmp_path, "one", nats_url, written(plan)) as replica:
        await replica.ready()
        now = utc_now()
        await log.say(
            CampaignTriggered(
                campaign="guides", revision=1, actor="owner", decided_at=now, request="k"
            )
        )
        dues = await waiting.until(partial(asked_for, log), lambda dues: len(dues) == 2)

    assert {due.delivery for due in dues} == {
        delivery_id("guides", channel, now) for channel in plan.channels
    }
