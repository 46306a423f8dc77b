"""Five processes race through ten thousand slots while an adversary kills them, and NATS too."""

import asyncio
import random
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import nats.errors
import pytest

from contracts.events import Due, SlotMissed
from contracts.streams import EVENTS
from harness.logs import Log, open_log
from harness.plans import campaign, grid
from harness.replicas import Replica, written
from harness.servers import embedded_nats
from stack.nats_server import NatsServer

REPLICAS = 5
CHANNELS = tuple(f"-100{number:04}" for number in range(400))
SLOTS = 10_000
EVERY = timedelta(seconds=1)


class Adversary:
    """Kills a replica every half second, and NATS once, when half of the slots are said."""

    def __init__(self, replicas: list[Replica], nats: NatsServer, seed: int) -> None:
        self.kills = 0
        self._replicas = replicas
        self._nats = nats
        self._random = random.Random(seed)
        self._nats_killed = False

    async def strike(self, said: int) -> None:
        victim = self._random.choice(self._replicas)
        await victim.process.kill()
        self.kills += 1
        await asyncio.sleep(self._random.uniform(0, 0.4))
        victim.process.start()
        if said > SLOTS / 2 and not self._nats_killed:
            self._nats_killed = True
            await self._nats.process.kill()
            await asyncio.sleep(1)
            await self._nats.start()


async def messages(log: Log) -> int:
    """Return how many messages the log has, as soon as it answers."""
    while True:
        with suppress(nats.errors.Error, TimeoutError):
            return int((await log.js.stream_info(EVENTS.name)).state.messages)
        await asyncio.sleep(0.1)


@pytest.mark.timeout(420)
async def test_five_replicas_killed_at_random_say_each_of_ten_thousand_slots_once(
    tmp_path: Path,
) -> None:
    plan = campaign(every=EVERY, channels=CHANNELS, catch_up={"policy": "all", "window": "1m"})
    nats = embedded_nats(tmp_path)
    await nats.start()
    replicas = [Replica(tmp_path, f"replica-{n}", nats.url, written(plan)) for n in range(REPLICAS)]
    adversary = Adversary(replicas, nats, seed=20_261_123)
    try:
        async with open_log(nats.url) as log:
            for replica in replicas:
                replica.process.start()
            async with asyncio.timeout(360):
                while (said := await messages(log)) < SLOTS + 1:
                    await adversary.strike(said)
                await replicas[0].ready()
            await asyncio.sleep(2)
            for replica in replicas:
                await replica.process.kill()
            await assert_each_slot_once(log)
    finally:
        for replica in replicas:
            await replica.process.kill()
        await nats.process.kill()

    assert adversary.kills >= REPLICAS


async def assert_each_slot_once(log: Log) -> None:
    """Compare the log with an enumeration of the grid, up to the slot before the newest one."""
    envelopes = await log.envelopes()
    since = await log.effective_since()
    said = [e.data for e in envelopes if isinstance(e.data, Due | SlotMissed)]
    newest = max(event.scheduled_for for event in said) - EVERY
    expected = {(slot, c) for slot in grid(EVERY, since, newest) for c in CHANNELS}
    settled = Counter((e.scheduled_for, e.channel) for e in said if e.scheduled_for <= newest)
    early = [e for e in envelopes if isinstance(e.data, Due) and e.time < e.data.scheduled_for]

    assert len(said) >= SLOTS
    assert set(settled) == expected
    assert set(settled.values()) == {1}
    assert early == []
