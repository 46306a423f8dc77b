"""The sender as a process: redelivery, replicas, kill -9, a channel that makes others wait."""

import asyncio
import os
import re
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from chaos.jumping import set_offset
from chassis.clock import utc_now
from contracts.events import (
    Event,
    GuideDue,
    MessageClaimed,
    MessageFailed,
    MessageSent,
    MessageSkipped,
    MessageUncertain,
    MessageUnreadable,
    PromoDue,
)
from contracts.examples import example
from contracts.ids import delivery_id
from contracts.streams import EVENTS, SENDER_PROMO
from harness.logs import Log
from harness.sandboxes import BOT_TOKEN, CHANNEL, OTHER_CHANNEL, Stage
from harness.sending import CTA_KEY, due_now
from harness.waiting import until
from sender.domain.looking import HIDDEN
from stack.ports import free_port
from stack.process import Process

_TESTS = str(Path(__file__).parents[2])
pytestmark = pytest.mark.timeout(300)


def sender_process(
    name: str, nats_url: str, api: str, folder: Path, *, ahead: float = 0.0
) -> tuple[Process, str]:
    """Prepare a sender whose clock is `ahead` by so many seconds."""
    port = free_port()
    clock = folder / f"{name}.clock"
    set_offset(clock, ahead)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, (_TESTS, os.environ.get("PYTHONPATH")))),
        "NATS_URL": nats_url,
        "TELEGRAM_BOT_TOKEN": BOT_TOKEN,
        "FINGERPOST_TELEGRAM_API": api,
        "FINGERPOST_CTA_KEYS": f"k1:{CTA_KEY}",
        "FINGERPOST_HTTP_PORT": str(port),
        "FINGERPOST_INSTANCE": name,
        "FINGERPOST_SEND_TIMEOUT": "6s",
        "FINGERPOST_QUARANTINE": "9s",
        "FINGERPOST_CHAT_RATE": "100",
        "FINGERPOST_CHANNEL_RATE": "6000",
    }
    command = (sys.executable, "-m", "chaos.jumping", str(clock), "sender")
    process = Process(name, command, log=folder / f"{name}.log", environment=environment)
    return process, f"http://127.0.0.1:{port}/readyz"


@asynccontextmanager
async def running(
    count: int, url: str, api: str, folder: Path, *, ahead: float = 0.0
) -> AsyncIterator[list[Process]]:
    started = [sender_process(f"sender-{n}", url, api, folder, ahead=ahead) for n in range(count)]
    for process, _ in started:
        process.start()
    try:
        for process, ready in started:
            await process.answers(ready, 120)
        yield [process for process, _ in started]
    finally:
        for process, _ in started:
            await process.kill()


@pytest_asyncio.fixture
async def sender(nats_url: str, stage: Stage, tmp_path: Path) -> AsyncIterator[Process]:
    async with running(1, nats_url, stage.api, tmp_path) as (process,):
        yield process


@pytest_asyncio.fixture
async def replicas(nats_url: str, stage: Stage, tmp_path: Path) -> AsyncIterator[list[Process]]:
    async with running(2, nats_url, stage.api, tmp_path) as processes:
        yield processes


def dues(count: int, channel: int = CHANNEL) -> list[PromoDue]:
    now = utc_now()
    slots = [now - timedelta(milliseconds=number) for number in range(count)]
    return [
        example(
            PromoDue,
            delivery=delivery_id("promos", str(channel), slot),
            channel=str(channel),
            scheduled_for=slot,
            expires_at=now + timedelta(minutes=5),
        )
        for slot in slots
    ]


async def test_two_replicas_one_of_them_killed_post_each_delivery_at_most_once(
    replicas: list[Process], log: Log, stage: Stage
) -> None:
    batch = dues(60) + dues(60, OTHER_CHANNEL)
    publishing = asyncio.gather(*(log.publisher.publish_once(due) for due in batch))
    await until(lambda: stage.people.messages(CHANNEL), lambda posts: len(posts) > 5)
    await replicas[0].kill()
    await publishing

    async def told() -> set[str]:
        sent = [event.delivery for event in await log.events(MessageSent)]
        unsure = [event.delivery for event in await log.events(MessageUncertain)]
        return {*sent, *unsure}

    await until(told, lambda deliveries: len(deliveries) == len(batch), seconds=150)

    posts = Counter[str]()
    for channel in (CHANNEL, OTHER_CHANNEL):
        for message in await stage.people.messages(channel):
            posts[message["buttons"][0][0]["callback_data"]] += 1
    sent = await log.events(MessageSent)
    unsure = await log.events(MessageUncertain)
    assert max(posts.values()) == 1
    assert len(sent) <= len(posts) <= len(sent) + len(unsure)
    assert len({event.delivery for event in sent}) == len(sent)


async def test_a_channel_that_must_wait_does_not_hold_up_another(
    sender: Process, log: Log, stage: Stage
) -> None:
    await stage.people.plan_fault(
        "too_many", "sendMessage", chat_id=CHANNEL, times=500, retry_after=120
    )
    await log.say(*dues(80), *dues(3, OTHER_CHANNEL))

    posts = await until(
        lambda: stage.people.messages(OTHER_CHANNEL), lambda posts: len(posts) == 3, seconds=60
    )

    assert len(posts) == 3
    failed = await until(lambda: log.events(MessageFailed), bool)
    assert {event.failure for event in failed} == {"rate_limited"}


async def test_a_flood_limit_is_waited_out_and_then_it_is_posted(
    sender: Process, log: Log, stage: Stage
) -> None:
    await stage.people.plan_fault("too_many", "sendMessage", retry_after=2)
    await log.say(due_now())

    (sent,) = await until(lambda: log.events(MessageSent), bool, seconds=60)

    assert sent.attempt == 2
    assert sent.latency_ms >= 2_000


async def test_an_unreadable_due_event_does_not_stop_the_lane(
    sender: Process, log: Log, stage: Stage
) -> None:
    await log.js.publish("guide.due.broken", b'{"specversion": "1.0"}')
    guide = example(GuideDue, channel=str(CHANNEL), expires_at=utc_now() + timedelta(minutes=1))
    await log.say(guide)

    posts = await until(lambda: stage.people.messages(CHANNEL), bool, seconds=60)

    assert posts[0]["text"] == HIDDEN + guide.variant.text
    (told,) = await until(lambda: log.events(MessageUnreadable), bool, seconds=60)
    assert (told.delivery, told.sequence) == ("broken", 1)
    assert told.description


async def test_sigterm_lets_a_send_finish_and_records_it(
    sender: Process, log: Log, stage: Stage
) -> None:
    await stage.people.plan_fault("late", "sendMessage", seconds=2)
    await log.say(due_now())
    await until(lambda: stage.people.messages(CHANNEL), bool)

    sender.send(signal.SIGTERM)
    await sender.ended(60)

    assert sender.exit_status == 0
    assert len(await log.events(MessageSent)) == 1


async def test_a_consumer_that_was_deleted_is_created_anew_and_posting_goes_on(
    sender: Process, log: Log, stage: Stage
) -> None:
    await log.say(due_now())
    await until(lambda: log.events(MessageSent), bool)

    await log.js.delete_consumer(EVENTS.name, SENDER_PROMO.durable)
    await log.say(due_now(1))

    sent = await until(lambda: log.events(MessageSent), lambda sent: len(sent) == 2, seconds=60)
    assert len(await stage.people.messages(CHANNEL)) == 2
    assert len({event.delivery for event in sent}) == 2


async def test_a_sender_whose_clock_is_wrong_judges_by_the_logs_time(
    nats_url: str, log: Log, stage: Stage, tmp_path: Path
) -> None:
    async with running(1, nats_url, stage.api, tmp_path, ahead=45) as (process,):
        soon = utc_now() + timedelta(seconds=40)
        await log.say(*(due_now(number, expires_at=soon) for number in range(3)))
        sent = await until(lambda: log.events(MessageSent), lambda found: len(found) == 3)
        set_offset(tmp_path / "sender-0.clock", -45)
        late = due_now(expires_at=utc_now() - timedelta(seconds=2))
        await log.say(late)
        (skipped,) = await until(lambda: log.events(MessageSkipped), bool, seconds=60)

        assert process.running

    claims = await log.events(MessageClaimed)
    assert all(claim.claimed_at <= utc_now() + timedelta(seconds=2) for claim in claims)
    assert max(event.latency_ms for event in sent) < 40_000
    assert (skipped.delivery, skipped.reason) == (late.delivery, "expired")


async def test_a_sender_at_a_log_that_is_hours_ahead_leaves_all_to_one_whose_clock_agrees(
    nats_url: str, log: Log, stage: Stage, tmp_path: Path
) -> None:
    # By the log it expired an hour ago, by the sender's own clock it did not for two more.
    doubtful = due_now(expires_at=utc_now() - timedelta(hours=1))
    process, ready = sender_process("behind", nats_url, stage.api, tmp_path, ahead=-10_800)
    process.start()
    try:
        await log.say(doubtful)
        problem = await until(lambda: _clock_check(ready), lambda said: "NTP" in said, seconds=60)
        await log.say(due_now(1))
        # It looks ten times a second whether it may; a minute of that would say no more.
        await asyncio.sleep(3)
        early = [event.subject for event in (await log.events(Event))]
        set_offset(tmp_path / "behind.clock", 0)
        (skipped,) = await until(lambda: log.events(MessageSkipped), bool, seconds=60)
        (sent,) = await until(lambda: log.events(MessageSent), bool, seconds=60)
    finally:
        await process.kill()

    (skew,) = re.findall(r"the clock is ([-+.0-9]+) s", problem)
    assert float(skew) == pytest.approx(-10_800, abs=5)
    assert {subject.split(".")[0] for subject in early} == {"promo"}
    assert (skipped.delivery, skipped.reason) == (doubtful.delivery, "expired")
    assert sent.delivery != doubtful.delivery


async def test_a_sender_whose_clock_is_hours_off_lets_another_send(
    nats_url: str, log: Log, stage: Stage, tmp_path: Path
) -> None:
    async with running(2, nats_url, stage.api, tmp_path) as processes:
        await log.say(due_now())
        await until(lambda: log.events(MessageSent), bool)
        wrong = (await log.events(MessageClaimed))[-1].claimant.rpartition("-")[0]

        set_offset(tmp_path / f"{wrong}.clock", 10_800)
        await until(lambda: _freed(tmp_path / f"{wrong}.log"), bool, seconds=60)
        due = due_now(1)
        await log.say(due)
        claim, *_ = await until(partial(claims, log, due), bool, seconds=60)

        assert all(process.running for process in processes)

    assert claim.claimant.rpartition("-")[0] != wrong
    assert not await log.events(MessageSkipped)


async def claims(log: Log, due: PromoDue) -> list[MessageClaimed]:
    return [claim for claim in await log.events(MessageClaimed) if claim.delivery == due.delivery]


async def _clock_check(ready: str) -> str:
    async with httpx.AsyncClient(timeout=5) as client:
        try:
            return str((await client.get(ready)).json()["checks"].get("clock"))
        except httpx.TransportError:
            return ""


async def _freed(file: Path) -> bool:
    return "holding back" in await asyncio.to_thread(file.read_text)
