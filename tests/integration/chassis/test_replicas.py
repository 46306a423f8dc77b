"""What is asked of a log on three servers is as new as what was said, though one of them lags.

That one is frozen while something is said, so long that it wants to lead when it wakes. Until it
has learned better it answers by what it knew.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import nats
import nats.errors
import pytest
from nats.js.api import KeyValueConfig
from nats.js.errors import Error as JetStreamError

from chaos.cluster import make_cluster
from chassis.clock import utc_now
from chassis.log import LogSilentError, LogUnavailableError, Publisher, Reader
from chassis.topology import ensure_bucket, ensure_stream
from clicks.catalogue import Catalogue
from contracts.events import (
    CampaignDefined,
    CampaignPaused,
    ChannelDisabled,
    ChannelEnabled,
    Event,
    MessageClaimed,
    MessageFailed,
)
from contracts.examples import example
from contracts.streams import CLICKS_STRIPE, EVENTS
from harness.logs import Log
from scheduler.console.inquiries import fold
from sender.console import channels
from sender.ledger import Ledger

T = TypeVar("T")

REPLICAS = 3
ASKED_AT_ONCE = 8
BY_HAND = KeyValueConfig(CLICKS_STRIPE.name, replicas=REPLICAS, direct=True)
_FROZEN_SECONDS = 10.0
"""A follower that hears nothing for 4 to 9 s wants to lead (nats-server, raft.go)."""
_WAKING_SECONDS = 1.5
_PATIENCE_SECONDS = 60.0
_PAUSE_SECONDS = 0.05
_UNHEARD_SECONDS = 4.0
_AWAY = (LogUnavailableError, JetStreamError, nats.errors.Error, TimeoutError)


@dataclass
class Replicas:
    """The log by way of each server; the last of them leads nothing, and is frozen and woken.

    `leader` is the log by way of the one that leads it, `others` are the processes of the others.
    """

    logs: list[Log]
    last: int
    leader: Log
    others: list[int]

    async def while_it_wakes(
        self, say: Callable[[Log], Awaitable[object]], ask: Callable[[Log], Awaitable[T]]
    ) -> list[T]:
        """Return what is answered once something was said; some may get no answer meanwhile.

        Where all of them want another leader, nobody does for a while: then that is waited for.
        """
        answers: list[T] = []
        loop = asyncio.get_running_loop()

        async def keep_asking(log: Log, until: float) -> None:
            while loop.time() < until or not (answers or loop.time() > until + _PATIENCE_SECONDS):
                with suppress(*_AWAY):
                    answers.append(await ask(log))
                if loop.time() > until:
                    await asyncio.sleep(_PAUSE_SECONDS)

        os.kill(self.last, signal.SIGSTOP)
        try:
            await say(self.logs[0])
            await asyncio.sleep(_FROZEN_SECONDS)
        finally:
            os.kill(self.last, signal.SIGCONT)
        until = loop.time() + _WAKING_SECONDS
        await asyncio.gather(*(keep_asking(log, until) for log in self.logs * ASKED_AT_ONCE))
        return answers


@pytest.fixture
async def replicas(tmp_path: Path) -> AsyncIterator[Replicas]:
    cluster = make_cluster(tmp_path, tmp_path)
    async with AsyncExitStack() as ending:
        for server in cluster:
            ending.push_async_callback(server.member.kill)
            server.member.process.start()
        logs = {}
        for server in cluster:
            await server.member.process.answers(f"{server.monitor}/healthz", 60)
            client = await nats.connect(server.url)
            ending.push_async_callback(client.close)
            js = client.jetstream(timeout=2)
            logs[server.member.name] = Log(js, Publisher(js, source="test"), Reader(js))
        patient = client.jetstream(timeout=30)
        await ensure_stream(patient, EVENTS, replicas=REPLICAS)
        await patient.create_key_value(BY_HAND)
        infos = [await js.stream_info(name) for name in (EVENTS.name, f"KV_{BY_HAND.bucket}")]
        leaders = {info.cluster.leader for info in infos if info.cluster}
        last = next(server.member for server in cluster if server.member.name not in leaders)
        leader = infos[0].cluster.leader if infos[0].cluster else None
        yield Replicas(
            sorted(logs.values(), key=logs[last.name].__eq__),
            last.process.pid,
            logs[str(leader)],
            [each.member.process.pid for each in cluster if each.member.name != leader],
        )


async def test_nothing_that_is_in_the_log_is_said_not_to_be_there(replicas: Replicas) -> None:
    said = example(ChannelDisabled)

    found = await replicas.while_it_wakes(
        lambda log: log.say(said), lambda log: log.reader.last(said.subject)
    )

    assert found
    assert None not in found


async def test_clicks_knows_the_last_word_about_a_channel(replicas: Replicas) -> None:
    before, said = example(ChannelEnabled), example(ChannelDisabled, happened_at=utc_now())
    await replicas.logs[0].say(before)

    words = await replicas.while_it_wakes(
        lambda log: log.say(said),
        lambda log: Catalogue(log.reader, patience=5, remembered=1).last_word(
            said.channel, said.bot_id
        ),
    )

    assert words
    assert {word and word.envelope.data.fact() for word in words} == {said.fact()}


async def test_consoles_and_the_ledger_know_what_was_said_before(replicas: Replicas) -> None:
    """A pause is not resumed twice, nor a channel enabled that is, nor an attempt made again."""
    claim, failed = example(MessageClaimed), example(MessageFailed)
    await replicas.logs[0].say(example(CampaignDefined), claim)
    paused = example(CampaignPaused, until=None)

    async def ask(log: Log) -> tuple[int, int, Event | None]:
        campaigns, listed, state = await asyncio.gather(
            fold(log.reader),
            channels.listing(log.reader, {}),
            Ledger(log.publisher, log.reader).state_of(claim.delivery),
        )
        pauses = campaigns.campaigns[paused.campaign].pauses
        return len(pauses), len(listed.channels), state.outcome

    answers = await replicas.while_it_wakes(
        lambda log: log.say(paused, example(ChannelDisabled), failed), ask
    )

    assert answers
    assert set(answers) == {(1, 1, failed)}


async def test_a_bucket_is_read_where_it_is_written_whoever_made_it(replicas: Replicas) -> None:
    js = replicas.logs[0].js
    await ensure_bucket(js, CLICKS_STRIPE, replicas=REPLICAS)
    assert not (await js.stream_info(f"KV_{CLICKS_STRIPE.name}")).config.allow_direct
    buckets = {id(log): await log.js.key_value(CLICKS_STRIPE.name) for log in replicas.logs}
    await buckets[id(replicas.logs[0])].put("sale", b"before")

    found = await replicas.while_it_wakes(
        lambda log: buckets[id(log)].put("sale", b"kept"),
        lambda log: buckets[id(log)].get("sale"),
    )

    assert {entry.value for entry in found} == {b"kept"}


async def test_a_leader_that_hears_nobody_does_not_say_what_is_not_there(
    replicas: Replicas,
) -> None:
    """Cut off from the others it names itself for ten seconds more, and they may have another."""
    for other in replicas.others:
        os.kill(other, signal.SIGSTOP)
    try:
        await asyncio.sleep(_UNHEARD_SECONDS)
        with pytest.raises(LogSilentError):
            await replicas.leader.reader.last(example(ChannelDisabled).subject)
    finally:
        for other in replicas.others:
            os.kill(other, signal.SIGCONT)
