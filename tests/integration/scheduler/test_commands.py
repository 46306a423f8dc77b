"""`python -m scheduler COMMAND` against a real nats-server and a real scheduler."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from chassis.clock import utc_now
from chassis.console import RefusedError, UsageError
from contracts.campaign import Campaign
from contracts.events import (
    CampaignBackfilled,
    CampaignDefined,
    CampaignPaused,
    CampaignResumed,
    CampaignRetired,
    CampaignTriggered,
    Due,
    GuideDue,
    MessageFailed,
    MessageSent,
    SlotMissed,
)
from contracts.ids import delivery_id
from harness import waiting
from harness.commands import Ended, run_command
from harness.logs import Log, open_log
from harness.plans import CHANNELS, campaign, grid
from harness.warm import Warm
from scheduler.console import inquiries, orders, requests
from scheduler.console.answers import Difference
from stack.ports import free_port

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
ME = "me@here"


class Shell:
    """Runs commands as an operator does, in any pod."""

    def __init__(self, nats_url: str) -> None:
        self._environment = {"NATS_URL": nats_url}

    async def __call__(self, *arguments: str) -> Ended:
        return await run_command("scheduler", *arguments, environment=self._environment)

    async def json(self, *arguments: str) -> Any:
        """Return the one JSON document that a command answers."""
        ended = await self(*arguments, "--json")
        assert ended.status == 0, ended
        assert ended.err == ""
        return ended.document


@asynccontextmanager
async def replica(folder: Path, nats_url: str) -> AsyncIterator[None]:
    """Run a scheduler without a campaign file."""
    port = free_port()
    process = Warm(
        "replica",
        "scheduler",
        log=folder / "replica.log",
        environment={
            **os.environ,
            "NATS_URL": nats_url,
            "FINGERPOST_CAMPAIGNS": "",
            "FINGERPOST_HTTP_PORT": str(port),
        },
    )
    process.start()

    async def ready() -> bool:
        try:
            async with httpx.AsyncClient() as client:
                return (await client.get(f"http://127.0.0.1:{port}/readyz")).is_success
        except httpx.TransportError:
            return False

    try:
        await waiting.until(ready, bool, seconds=60)
        yield
    finally:
        await process.kill()


def written(path: Path, *plans: Campaign) -> Path:
    """Write a campaign file."""
    fields = [plan.model_dump(mode="json", exclude_defaults=True) for plan in plans]
    path.write_text(yaml.safe_dump({"campaigns": fields}))
    return path


def _half_a_day_away() -> timedelta:
    """Return a time of day at which no slot comes while a test runs."""
    return timedelta(seconds=int((utc_now() + DAY / 2).timestamp())) % DAY


def defined(plan: Campaign) -> CampaignDefined:
    """Return the event by which a plan takes effect."""
    return CampaignDefined(campaign=plan.id, revision=1, definition=plan)


def sent(due: Due) -> MessageSent:
    return MessageSent(
        **_message(due), chat_id=-1001, message_id=7, sent_at=utc_now(), latency_ms=40
    )


def failed(due: Due) -> MessageFailed:
    told = "Bad Request: chat not found"
    return MessageFailed(**_message(due), failure="target", description=told, failed_at=utc_now())


def _message(due: Due) -> dict[str, Any]:
    return {
        "delivery": due.delivery,
        "campaign": due.campaign,
        "channel": due.channel,
        "variant": due.variant.id,
        "kind": due.kind,
        "attempt": 1,
    }


async def test_an_operator_controls_a_campaign_from_anywhere(nats_url: str, tmp_path: Path) -> None:
    shell = Shell(nats_url)
    file = written(tmp_path / "plan.yaml", campaign(every=DAY, phase=_half_a_day_away()))

    assert (await shell("list")).err.startswith("there is no log yet; start a scheduler first")
    assert (await shell("apply", str(file), "--dry-run")).out.startswith("+ new  guides")
    asked = await shell("apply", str(file))
    assert (asked.status, "--yes" in asked.err) == (2, True)
    assert "+ new  guides  revision 1" in asked.out
    assert "there is no log yet" in (await shell("list")).err
    applied = await shell("apply", str(file), "--yes")
    assert applied.out.splitlines()[-1] == "applied: 1 change, 0 campaigns as before"
    assert applied.out.count("+ new  guides") == 1
    assert (await shell("apply", str(file))).out.startswith("nothing to change")

    [listed] = (await shell.json("list"))["campaigns"]
    assert (listed["status"], listed["revision"]) == ("active", 1)
    [coming] = (await shell.json("preview", "guides", "--count", "2"))["campaigns"]
    assert [slot["deliveries"][0]["variant"] for slot in coming["slots"]] == ["v0", "v1"]
    assert coming["slots"][0]["at"] == listed["next_slot"]

    paused = await shell("pause", "guides", "--until", "2h", "--note", "holiday")
    assert paused.out.startswith("guides is paused: since")
    assert "paused until" in (await shell("list")).out

    async with replica(tmp_path, nats_url):
        trigger = ("trigger", "guides", "--key", "launch", "--variant", "v2", "--wait", "60")
        first = await shell(*trigger)
        again = await shell.json(*trigger)
    assert "waiting (for the sender)" in first.out
    assert "is paused; this slot is posted nevertheless" in first.out
    assert (again["new"], again["answered"]) == (False, True)

    assert (await shell("resume", "guides")).out == "guides is no longer paused (active)\n"
    assert "nothing changed" in (await shell("resume", "guides")).out

    async with open_log(nats_url) as log:
        first_due, second_due = await log.events(GuideDue)
        await log.say(sent(first_due), failed(second_due))
    told = (await shell("describe", "guides")).out.splitlines()[-1]
    assert "manual (launch)  v2       sent, failed (target: Bad Request: chat not found)" in told
    described = await shell.json("describe", "guides", "--channel", second_due.channel)
    assert [tally["outcome"] for tally in described["last_slots"][0]["outcomes"]] == ["failed"]


async def test_missed_slots_are_told_and_backfilled_once(
    log: Log, nats_url: str, tmp_path: Path
) -> None:
    shell = Shell(nats_url)
    since = utc_now()
    end = since + 4 * SECOND
    pause = CampaignPaused(campaign="guides", revision=1, actor="ann", decided_at=since)
    await log.say(defined(campaign(every=SECOND, end=end)), pause)
    slots = grid(SECOND, await log.effective_since(), end)
    span = ("--from", since.isoformat(), "--to", end.isoformat())
    command = ("backfill", "guides", *span, "--wait", "60")

    async with replica(tmp_path, nats_url):
        await asyncio.sleep((end - utc_now()).total_seconds())
        missed = await waiting.until(
            lambda: log.events(SlotMissed), lambda told: len(told) == len(slots) * len(CHANNELS)
        )
        assert "missed 2 (paused)" in (await shell("describe", "guides")).out
        looked = await shell.json(*command, "--dry-run")
        assert "--yes" in (await shell(*command)).err
        done = await shell.json(*command, "--yes")
        again = await shell.json(*command)

    assert len(slots) >= 1
    assert (looked["deliveries"], looked["asked"]) == (len(missed), False)
    assert (done["new"], done["said_due"]) == (True, len(missed))
    assert (again["new"], again["asked"], again["already_due"]) == (False, True, len(missed))
    assert {due.trigger for due in await log.events(GuideDue)} == {"backfill"}
    assert len(await log.events(CampaignBackfilled)) == 1
    assert "backfill" in (await shell("describe", "guides")).out


async def test_a_request_stands_in_the_log_where_no_scheduler_runs(log: Log) -> None:
    await log.say(defined(campaign(every=DAY)))

    answer = await requests.trigger(
        log.connection, requests.Trigger("guides", "k1"), wait=0.3, clock=utc_now, actor=ME
    )

    [event] = await log.events(CampaignTriggered)
    assert (answer.new, answer.answered) == (True, False)
    assert answer.void_after == event.decided_at + 2 * HOUR
    assert [part.delivery for part in answer.deliveries] == [
        delivery_id("guides", channel, event.decided_at) for channel in CHANNELS
    ]


async def test_a_key_is_not_used_for_two_requests(log: Log) -> None:
    await log.say(defined(campaign(every=DAY)))
    wish = requests.Trigger("guides", "k1")
    await requests.trigger(log.connection, wish, wait=0, clock=utc_now, actor=ME)

    with pytest.raises(RefusedError, match="k1 was used for another request, by me@here"):
        await requests.trigger(
            log.connection, replace(wish, variant="v1"), wait=0, clock=utc_now, actor=ME
        )


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        (requests.Trigger("guide", "k"), "no campaign 'guide'; did you mean guides"),
        (requests.Trigger("guides", "k", variant="v9"), "no variant 'v9'.* v0, v1, v2"),
        (requests.Trigger("guides", "k", channels=("-9",)), "no channel -9.* -1001, -1002"),
        (requests.Trigger("gone", "k"), "gone is retired"),
    ],
)
async def test_a_trigger_is_refused_with_what_is_known(
    wish: requests.Trigger, told: str, log: Log
) -> None:
    gone = campaign("gone", every=DAY)
    leaves = CampaignRetired(campaign="gone", revision=1, actor=ME, decided_at=utc_now())
    await log.say(defined(campaign(every=DAY)), defined(gone), leaves)

    with pytest.raises(RefusedError, match=told):
        await requests.trigger(log.connection, wish, wait=0, clock=utc_now, actor=ME)

    assert await log.events(CampaignTriggered) == []


@pytest.mark.parametrize(
    ("since", "until", "told"),
    [
        ("0001-01-02", "2026-01-01", "more than 20,000 slots"),
        ("2026-01-01", "2026-01-01T00:30", "more than 1,000 slots"),
        ("2026-01-01", "2999-01-01", "lies in the future"),
        ("2026-01-02T10:00", "2026-01-02T09:00", "exchange them"),
        ("2026-02-30", "2026-03-01", "correct the date"),
    ],
)
async def test_a_backfill_has_bounds(since: str, until: str, told: str, log: Log) -> None:
    await log.say(defined(campaign(every=timedelta(seconds=1))))
    wish = requests.Backfill("guides", since, until)

    async with asyncio.timeout(60):
        with pytest.raises((RefusedError, UsageError), match=told):
            await requests.plan_backfill(log.reader, wish, utc_now())


async def test_a_pause_that_already_holds_changes_nothing(log: Log) -> None:
    await log.say(defined(campaign(every=DAY)))

    first = await orders.pause(log.connection, "guides", None, "", utc_now, ME)
    again = await orders.pause(log.connection, "guides", None, "", utc_now, "you@there")
    longer = await orders.pause(log.connection, "guides", "3d", "", utc_now, ME)

    assert [first.changed, again.changed, longer.changed] == [True, False, True]
    assert again.pause == first.pause
    assert len(await log.events(CampaignPaused)) == 2


async def test_many_who_pause_and_resume_at_once_all_get_an_answer(log: Log) -> None:
    await log.say(defined(campaign(every=DAY)))

    answers = await asyncio.gather(
        *(orders.pause(log.connection, "guides", None, "", utc_now, f"p{n}") for n in range(4)),
        *(orders.resume(log.connection, "guides", "", utc_now, f"r{n}") for n in range(4)),
    )

    pauses, resumptions = await log.events(CampaignPaused), await log.events(CampaignResumed)
    assert sum(answer.changed for answer in answers) == len(pauses) + len(resumptions)


async def test_a_plan_is_not_applied_over_one_that_was_not_shown(log: Log) -> None:
    plan = campaign(every=DAY)
    shown = orders.difference(await inquiries.fold(log.reader), [plan], utc_now())
    await log.say(defined(campaign(every=HOUR)))

    with pytest.raises(RefusedError, match="changed since the difference was shown"):
        await orders.apply(log.connection, [plan], shown, utc_now, ME)

    assert len(await log.events(CampaignDefined)) == 1


async def test_applying_names_the_actor_and_retires_what_is_gone(log: Log) -> None:
    await log.say(defined(campaign("old", every=DAY)))
    plan = campaign(every=DAY)
    shown = orders.difference(await inquiries.fold(log.reader), [plan], utc_now())

    done: Difference = await orders.apply(log.connection, [plan], shown, utc_now, ME)

    assert [(c.campaign, c.change) for c in done.changes] == [("guides", "new"), ("old", "retired")]
    assert done.applied
    [retired] = await log.events(CampaignRetired)
    assert (retired.campaign, retired.actor) == ("old", ME)
    listing = await inquiries.listing(log.reader, utc_now())
    assert [(c.id, c.status) for c in listing.campaigns] == [
        ("guides", "active"),
        ("old", "retired"),
    ]


async def test_an_unreadable_event_is_told_and_not_stumbled_over(log: Log) -> None:
    plan = campaign(every=SECOND, channels=CHANNELS[:1])
    await log.say(defined(plan))
    await asyncio.sleep(3)
    now = utc_now()
    last = now.replace(microsecond=0)
    await log.js.publish(f"guide.due.{delivery_id('guides', '-1001', last)}", b"from the future")

    described = await inquiries.describe(log.reader, "guides", now)

    outcomes = [slot.outcomes[0].outcome for slot in described.last_slots]
    assert outcomes[:2] == ["unreadable", "not said yet"]
    assert set(outcomes[1:]) == {"not said yet"}
