"""Backup under load, the log destroyed, a restore by deploy/runbook.md: nothing is posted twice."""

import asyncio
import json
import shutil
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from subprocess import run

import asyncpg
import httpx
import pytest
import pytest_asyncio

from contracts.events import CtaClicked, Due, GuideDue, MessageClaimed, MessageSent, PromoDue
from contracts.ids import DeliveryId
from harness.commands import run_command
from harness.logs import E, open_log
from harness.sandboxes import AUDIT_CHAT
from harness.secured import SecuredNats
from harness.secured_stack import ANALYTICS, dsn_of, secured_stack
from harness.waiting import until
from sandbox.client import Sandbox
from stack.demo import CAMPAIGNS
from stack.local import SERVICES, LocalStack
from stack.people import Audience
from stack.scene import PROMOS

OVERRIDES = {
    "FINGERPOST_AUDIT_CHAT": str(AUDIT_CHAT),
    "FINGERPOST_SEND_TIMEOUT": "5s",
    "FINGERPOST_QUARANTINE": "8s",
}
PERSON = 1001
BEFORE, SINCE = 4, 4
"""Posts before the backup, and since: so many that some are of each campaign."""
DUES: tuple[type[Due], ...] = (GuideDue, PromoDue)

Running = tuple[LocalStack, SecuredNats]


@dataclass(frozen=True)
class Lost:
    """What was claimed and posted since the backup, and the slots that were due since."""

    deliveries: frozenset[DeliveryId]
    first: datetime
    last: datetime


@pytest_asyncio.fixture
async def running(tmp_path: Path, postgres_dsn: str) -> AsyncIterator[Running]:
    stack = secured_stack(tmp_path, postgres_dsn, every="10s", overrides=OVERRIDES)
    async with stack as started:
        yield started


@pytest.mark.timeout(600)
async def test_a_restored_log_posts_nothing_twice_and_finds_what_was_posted_since(
    running: Running, tmp_path: Path
) -> None:
    stack, nats = running
    backup = tmp_path / "backups" / "first"
    async with Sandbox(stack.urls["sandbox"]) as sandbox:
        await sandbox.put_chat(AUDIT_CHAT, "Audit", type="supergroup", members=2)
        await sandbox.set_limits(off=True)  # a look takes a copy's turn in the audit chat
        gone = await live_and_lose_the_log(stack, nats, sandbox, backup)
        lost = gone.deliveries

        await nats.server.start()
        back_up(nats, "restore", backup)
        nats.provision()
        await start(stack, "scheduler")
        wanted = ("--from", gone.first.isoformat(), "--to", gone.last.isoformat(), "--yes")
        for campaign in ("trading-guides", "premium-promos"):
            await command(nats, "scheduler", "scheduler", "backfill", campaign, *wanted)
        due = await until(partial(dues, stack), lambda said: lost <= said, seconds=60)
        await stack.services["scheduler"].stop()  # so that the posts can be counted
        declared = json.loads(
            await sender_command(stack, nats, "uncertain", "declare", "--actor", "test", "--json")
        )
        for service in ("sender", "clicks", "analytics"):
            stack.services[service].start()
        await stack.ready("sender")
        await stack.ready("clicks")
        await until(partial(sent, stack), lambda sent: lost <= sent.keys(), seconds=120)
        await until(partial(undecided, stack), lambda left: not left, seconds=120)
        posted = await posts(sandbox)
        found = await sent(stack)

        assert lost
        assert lost <= set(declared["deliveries"])
        assert lost <= due
        assert {found[delivery] for delivery in lost} <= set(posted), "found by looking"
        assert sorted(found.values()) == sorted(posted), "each message is of another delivery"

        promo = next(found[one] for one in sorted(lost) if found[one][0] == PROMOS[0].chat_id)
        await a_tap_counts(stack, sandbox, promo)
        await the_tables_follow(stack, nats)


async def live_and_lose_the_log(
    stack: LocalStack, nats: SecuredNats, sandbox: Sandbox, backup: Path
) -> Lost:
    """Let people tap, back up meanwhile, let more be posted; then all is killed and erased."""
    async with asyncio.TaskGroup() as group:
        group.create_task(Audience(sandbox, CAMPAIGNS, seed=5).read(25))
        await until(partial(sent, stack), lambda said: len(said) >= BEFORE, seconds=90)
        backup.parent.mkdir()
        await asyncio.to_thread(back_up, nats, "save", backup)
        saved = json.loads((backup / "EVENTS" / "backup.json").read_text())["state"]["last_seq"]
        await until(
            partial(since, stack, saved, MessageSent), lambda said: len(said) >= SINCE, seconds=90
        )
    await asyncio.gather(*(stack.services[name].kill() for name in SERVICES))
    # Only now: until here more may be posted.
    sent_since = {sent.delivery for sent in await since(stack, saved, MessageSent)}
    lost = sent_since & {claim.delivery for claim in await since(stack, saved, MessageClaimed)}
    slots = [due.scheduled_for for kind in DUES for due in await since(stack, saved, kind)]
    await nats.server.process.kill()
    shutil.rmtree(stack.options.folder / "nats" / "jetstream")
    return Lost(frozenset(lost), min(slots), max(slots))


async def the_tables_follow(stack: LocalStack, nats: SecuredNats) -> None:
    """Analytics sees that the log is another one, halts, and is told to fold it anew."""

    async def halted() -> str:
        async with httpx.AsyncClient(timeout=30) as client:
            return (await client.get(f"{stack.urls['analytics']}/readyz")).text

    await until(halted, lambda text: "created anew" in text, seconds=60)
    rebuild = ("rebuild", "--accept-differences")
    await command(nats, "analytics", "analytics", *rebuild, stack=stack)
    await stack.ready("analytics")
    await command(nats, "analytics", "analytics", "verify", stack=stack)
    connection = await asyncpg.connect(stack.postgres_dsn)
    try:
        states = await connection.fetch(
            "SELECT delivery FROM fingerpost.deliveries WHERE state = 'sent'"
        )
    finally:
        await connection.close()
    assert {row["delivery"] for row in states} == (await sent(stack)).keys()


async def a_tap_counts(stack: LocalStack, sandbox: Sandbox, post: tuple[int, int]) -> None:
    async with open_log(stack.nats_url) as log:
        before = len(await log.events(CtaClicked))
        await sandbox.tap(PERSON, *post, 0)
        await until(partial(log.events, CtaClicked), lambda taps: len(taps) > before)


async def start(stack: LocalStack, name: str) -> None:
    stack.services[name].start()
    await stack.ready(name)


async def dues(stack: LocalStack) -> set[DeliveryId]:
    async with open_log(stack.nats_url) as log:
        return {d.delivery for kind in DUES for d in await log.events(kind)}


async def since(stack: LocalStack, sequence: int, kind: type[E]) -> list[E]:
    """Return the events of a kind that the log has since it was backed up."""
    async with open_log(stack.nats_url) as log:
        entries = await log.reader.replay((">",))
    later = [entry.envelope.data for entry in entries if entry.sequence > sequence]
    return [event for event in later if isinstance(event, kind)]


async def sent(stack: LocalStack) -> dict[DeliveryId, tuple[int, int]]:
    """Return each delivery that was sent, and as which message."""
    async with open_log(stack.nats_url) as log:
        return {e.delivery: (e.chat_id, e.message_id) for e in await log.events(MessageSent)}


async def undecided(stack: LocalStack) -> set[DeliveryId]:
    """Return what is due and neither sent nor given up."""
    async with open_log(stack.nats_url) as log:
        decided = {
            entry.envelope.data.delivery  # type: ignore[attr-defined]
            for fact in ("sent", "skipped", "failed", "uncertain")
            for entry in await log.reader.replay((f"message.{fact}.>",))
            if getattr(entry.envelope.data, "retry_at", None) is None
        }
    return await dues(stack) - decided


async def channels(sandbox: Sandbox) -> list[int]:
    return [chat["chat_id"] for chat in await sandbox.chats() if chat["type"] == "channel"]


async def posts_in(sandbox: Sandbox, chat: int) -> list[tuple[int, int]]:
    return [(chat, message["message_id"]) for message in await sandbox.messages(chat)]


async def posts(sandbox: Sandbox) -> list[tuple[int, int]]:
    return [post for chat in await channels(sandbox) for post in await posts_in(sandbox, chat)]


async def sender_command(stack: LocalStack, nats: SecuredNats, *words: str) -> str:
    """Run a command of the sender by a person: the sender may not ask for all that is due."""
    return await command(nats, "admin", "sender", *words, stack=stack)


async def command(
    nats: SecuredNats, user: str, service: str, *words: str, stack: LocalStack | None = None
) -> str:
    """Run what the runbook says, and return what it prints."""
    own = {}
    if stack:
        own = {**stack._settings(), "POSTGRES_DSN": dsn_of(ANALYTICS, stack.postgres_dsn)}
    ended = await run_command(service, *words, environment={**own, **nats.environment(user)})
    assert ended.status == 0, (words, ended)
    return ended.out


def back_up(nats: SecuredNats, *words: str | Path) -> None:
    """Run what saves and restores the log, as the runbook says."""
    command = [sys.executable, "-m", "chassis.backup", *words]
    run(nats.command("admin", command), check=True, capture_output=True, timeout=120)
