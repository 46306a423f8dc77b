"""Every fault at every moment: what stands in the channels is what the log calls sent.

Moments: the answer (each fault of the sandbox), and kill -9 of a real sender before the claim,
after it, before and after Telegram took the message, before and after the record.
"""

import asyncio
import re
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from faststream.exceptions import NackMessage

from chassis.log import LogSilentError
from contracts.events import Due, MessageFailed, MessageSent, MessageUncertain, PromoDue
from contracts.streams import SENDER_PROMO
from contracts.token import InvalidTokenError, TokenSigner
from harness.gates import Hold, http_gate, nats_gate
from harness.logs import Log
from harness.sandboxes import AUDIT_CHAT, Stage
from harness.senders import Sender, open_channels
from harness.sending import CTA_KEY, due_now, later, open_sender
from harness.waiting import until
from sender.domain.looking import MOST_PROBES
from sender.handlers import Desk, deliver
from stack.process import Process

SIGNER = TokenSigner({"k1": CTA_KEY.encode()})
FAULTS: dict[str, dict[str, Any]] = {
    "none": {},
    "accept_then_drop": {},
    "drop_before": {},
    "late": {"seconds": 60},
    "html_502": {},
    "html_502 after the effect": {"effect": True},
    "server_error": {},
    "server_error after the effect": {"effect": True},
    "restart": {},
    "too_many": {"retry_after": 1},
    "too_many_without_parameters": {},
    "migrated": {},
    "bad_result": {},
    "kicked": {},
    "no_rights": {},
}
REFUSED = {"kicked", "no_rights"}
LEAVES_A_DOUBT = {
    "accept_then_drop",
    "drop_before",
    "late",
    "html_502",
    "html_502 after the effect",
    "server_error",
    "server_error after the effect",
}
NO_AUDIT = pytest.mark.parametrize("audit", [True, False], ids=["looking", "no audit chat"])


async def posted(stage: Stage) -> Counter[str]:
    """Return how often each delivery stands in the channels, by the tokens of its buttons."""
    found = Counter[str]()
    chats = {chat["chat_id"] for chat in await stage.people.chats()} - {AUDIT_CHAT}
    for chat in chats:
        for message in await stage.people.messages(chat):
            token = message["buttons"][0][0]["callback_data"] if message["buttons"] else ""
            try:
                found[SIGNER.verify(token).delivery] += 1
            except InvalidTokenError:
                found[f"a message of somebody: {message['text']}"] += 1
    return found


async def copies_left(stage: Stage) -> list[int]:
    messages = await stage.people.messages(AUDIT_CHAT)
    return [message["message_id"] for message in messages if not message["deleted"]]


async def as_the_log_asks(due: Due, desk: Desk) -> None:
    while True:
        try:
            return await deliver(due, desk)
        except NackMessage as again:
            await asyncio.sleep(min(again.extra_options["delay"], 2))
        except LogSilentError:
            await asyncio.sleep(1)


async def until_the_first_word(due: Due, desk: Desk) -> None:
    """Deliver as a sender that is killed as soon as it has to wait."""
    with suppress(NackMessage):
        await deliver(due, desk)


@NO_AUDIT
async def test_every_fault_of_an_answer(stage: Stage, log: Log, *, audit: bool) -> None:
    channels = await open_channels(stage, len(FAULTS))
    chat = str(AUDIT_CHAT) if audit else None
    patience = timedelta(seconds=5)
    async with open_sender(stage, log, audit_chat=chat, send_timeout=patience) as first:
        seeds = [due_now(60, number) for number in channels]
        await asyncio.gather(*(as_the_log_asks(due, first.desk) for due in seeds))
        dues = {fault: due_now(0, number) for fault, number in zip(FAULTS, channels, strict=True)}
        for (fault, fields), number in zip(FAULTS.items(), channels, strict=True):
            if fault != "none":
                kind = fault.split()[0]
                await stage.people.plan_fault(kind, "sendMessage", chat_id=number, **fields)
        await asyncio.gather(*(until_the_first_word(due, first.desk) for due in dues.values()))
    async with open_sender(stage, log, audit_chat=chat) as second:
        desk = later(second.desk)
        await asyncio.gather(*(as_the_log_asks(due, desk) for due in dues.values()))

    sent = Counter(event.delivery for event in await log.events(MessageSent))
    doubtful = {event.delivery for event in await log.events(MessageUncertain)}
    posts = await posted(stage)
    assert max(posts.values()) == 1
    assert max(sent.values()) == 1
    assert doubtful == (
        set() if audit else {due.delivery for fault, due in dues.items() if fault in LEAVES_A_DOUBT}
    )
    assert set(sent) | doubtful >= set(posts)
    assert set(posts) >= set(sent)
    refused = {dues[fault].delivery for fault in REFUSED}
    wanted = {due.delivery for due in (*seeds, *dues.values())}
    assert set(sent) == wanted - refused - doubtful
    lost_for_good = {e.delivery for e in await log.events(MessageFailed) if e.retry_at is None}
    assert lost_for_good == refused
    assert await copies_left(stage) == []
    await tell_probes(stage, len(LEAVES_A_DOUBT) if audit else 0)


async def tell_probes(stage: Stage, looks: int) -> None:
    probes = len(await stage.people.calls("forwardMessage"))
    sys.stdout.write(f"{looks} looks took {probes} probes\n")
    assert probes <= looks * 10 <= looks * MOST_PROBES


@asynccontextmanager
async def sender(
    name: str, folder: Path, nats: str, api: str, *, audit: bool
) -> AsyncIterator[Process]:
    settings = {
        "FINGERPOST_SEND_TIMEOUT": "8s",
        "FINGERPOST_QUARANTINE": "12s",
        **({"FINGERPOST_AUDIT_CHAT": str(AUDIT_CHAT)} if audit else {}),
    }
    async with Sender(folder, name, nats, api, settings) as started:
        await started.ready()
        yield started.process


class Moments:
    """One delivery for each moment of a kill, and what holds the sender there."""

    def __init__(self, channels: list[int]) -> None:
        self.dues = [due_now(0, number) for number in channels]
        claim, after, accepting, accepted, record, recorded = self.dues
        self.before_claim = Hold(rb"PUB message\.claimed\." + claim.delivery.encode())
        self.after_claim = Hold(self._send(after))
        self.before_accepted = Hold(self._send(accepting))
        self.after_accepted = Hold(self._send(accepted), answer=True)
        self.before_record = Hold(rb"PUB message\.sent\." + record.delivery.encode())
        self.after_record = Hold(b"never")
        self.recorded = recorded
        self.telegram = [self.after_claim, self.before_accepted, self.after_accepted]
        self.nats = [self.before_claim, self.before_record, self.after_record]

    @staticmethod
    def _send(due: PromoDue) -> bytes:
        return rb"(?s)/sendMessage .*chat_id=" + re.escape(due.channel).encode()

    async def say(self, log: Log) -> None:
        """Make all due; the acknowledgement of the last one never gets through."""
        sequences = [await log.publisher.publish_once(due) for due in self.dues]
        lane, last = SENDER_PROMO.durable, sequences[-1]
        # An acknowledgement is an empty message; a word of being at work is not.
        ack = rf"PUB \$JS\.ACK\.EVENTS\.{lane}\.\d+\.{last}\.\S+ +0\r\n"
        self.after_record.pattern = ack.encode()

    async def all_reached(self) -> None:
        async def reached() -> list[bool]:
            return [hold.reached.is_set() for hold in (*self.telegram, *self.nats)]

        await until(reached, all, seconds=15)


@pytest.mark.timeout(240)
@NO_AUDIT
async def test_kill_9_at_every_moment(
    stage: Stage, log: Log, nats_url: str, tmp_path: Path, *, audit: bool
) -> None:
    channels = await open_channels(stage, 6)
    moments = Moments(channels)
    async with (
        nats_gate(nats_url, moments.nats) as nats,
        http_gate(stage.api, moments.telegram) as api,
        sender("killed", tmp_path, nats, api, audit=audit) as killed,
    ):
        seeds = await seeded(channels, log, moments)
        await moments.say(log)
        await moments.all_reached()
        await killed.kill()
        moments.before_accepted.release.set()  # Telegram takes it when its sender is dead
        async with sender("next", tmp_path, nats_url, stage.api, audit=audit):
            told = await until(lambda: the_end(log), lambda told: len(told) == 12, seconds=120)
            await asyncio.sleep(1)

    claim, after, accepting, accepted, record, recorded = (due.delivery for due in moments.dues)
    doubted = {event.delivery for event in await log.events(MessageUncertain)}
    posts = await posted(stage)
    sent = {event.delivery: event for event in await log.events(MessageSent)}
    assert max(posts.values()) == 1
    assert told == {due.delivery for due in (*seeds, *moments.dues)}
    if audit:
        assert doubted == set()
        assert set(posts) == set(sent) == told
        reconciled = {delivery for delivery, event in sent.items() if event.reconciled}
        assert reconciled == {accepting, accepted, record}
        assert {sent[claim].attempt, sent[recorded].attempt} == {1}
        assert sent[after].attempt == 2
        await tell_probes(stage, 4)
    else:
        assert doubted == {after, accepting, accepted, record}
        assert set(sent) == told - doubted
        assert set(posts) == told - {after}
    assert await copies_left(stage) == []


async def seeded(channels: list[int], log: Log, moments: Moments) -> list[PromoDue]:
    """Let the sender post once in every channel, unheld."""
    seeds = [due_now(60, number) for number in channels]
    patterns = [(hold, hold.pattern) for hold in moments.telegram]
    for hold, _ in patterns:
        hold.pattern = b"(?!)"
    await log.say(*seeds)
    await until(lambda: log.events(MessageSent), lambda sent: len(sent) == len(seeds), seconds=30)
    for hold, pattern in patterns:
        hold.pattern = pattern
    return seeds


async def the_end(log: Log) -> set[str]:
    sent = {event.delivery for event in await log.events(MessageSent)}
    return sent | {event.delivery for event in await log.events(MessageUncertain)}
