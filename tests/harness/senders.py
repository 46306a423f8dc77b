"""Senders as processes of their own, and what the sandbox saw of them."""

import json
import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType

import httpx

from chassis.clock import utc_now
from contracts.events import PromoDue
from contracts.examples import example
from contracts.ids import MAIN_BOT, delivery_id
from harness.sandboxes import BOT_TOKEN, Stage
from harness.sending import CTA_KEY
from harness.warm import Warm
from stack.ports import free_port
from stack.process import Process

_PATIENCE = 20


class Sender:
    """One `python -m sender`; a `cold` one starts from nothing, for those who measure a start."""

    def __init__(
        self,
        folder: Path,
        name: str,
        nats_url: str,
        api: str,
        settings: Mapping[str, str] = MappingProxyType({}),
        *,
        cold: bool = False,
    ) -> None:
        port = free_port()
        self.name = name
        self.url = f"http://127.0.0.1:{port}"
        self.log = folder / f"{name}.log"
        environment = {
            **{n: v for n, v in os.environ.items() if not n.startswith("FINGERPOST_")},
            "NATS_URL": nats_url,
            "TELEGRAM_BOT_TOKEN": BOT_TOKEN,
            "FINGERPOST_TELEGRAM_API": api,
            "FINGERPOST_CTA_KEYS": f"k1:{CTA_KEY}",
            "FINGERPOST_HTTP_PORT": str(port),
            "FINGERPOST_INSTANCE": name,
            **settings,
        }
        command = [sys.executable, "-m", "sender"]
        self.process = (
            Process(name, command, log=self.log, environment=environment)
            if cold
            else Warm(name, "sender", log=self.log, environment=environment)
        )

    async def __aenter__(self) -> "Sender":
        self.process.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.process.kill()

    async def ready(self) -> None:
        """Wait until it says that it is ready."""
        await self.process.answers(f"{self.url}/readyz", 60)

    async def metric(self, name: str) -> float:
        """Return the value of a metric without labels."""
        async with httpx.AsyncClient(timeout=_PATIENCE) as client:
            text = (await client.get(f"{self.url}/metrics")).text
        return next(
            float(line.split()[1]) for line in text.splitlines() if line[: len(name)] == name
        )

    async def active(self) -> bool:
        """Whether it is the one that sends."""
        return await self.metric("fingerpost_sender_active") == 1

    async def problem(self, check: str) -> str:
        """Return what readiness says of `check`."""
        async with httpx.AsyncClient(timeout=_PATIENCE) as client:
            answer = await client.get(f"{self.url}/readyz")
        return str(answer.json()["checks"][check])

    async def standing(self) -> tuple[int, str]:
        """Return the status of readiness, and what it says of the lease."""
        async with httpx.AsyncClient(timeout=_PATIENCE) as client:
            answer = await client.get(f"{self.url}/readyz")
        return answer.status_code, answer.json()["checks"]["lease"]

    def said(self, event: str) -> list[float]:
        """Return when it logged `event`, in seconds of the Unix epoch."""
        # The last line may be only begun.
        whole = self.log.read_text(errors="replace").split("\n")[:-1]
        lines = [json.loads(line) for line in whole if line[:1] == "{"]
        found = [line["timestamp"] for line in lines if line["event"] == event]
        return [datetime.fromisoformat(at).timestamp() for at in found]


async def open_channels(stage: Stage, count: int) -> list[int]:
    """Make so many channels, and return their ids."""
    ids = [-1_002_000_000_000 - number for number in range(count)]
    for channel in ids:
        await stage.people.put_chat(channel, f"Channel {channel}", type="channel", members=10)
    return ids


def promos(channels: Sequence[int], each: int, bot: str = MAIN_BOT) -> list[PromoDue]:
    """Return `each` promos for every channel, due now."""
    now = utc_now()
    return [
        example(
            PromoDue,
            delivery=delivery_id("promos", str(channel), slot),
            channel=str(channel),
            bot=bot,
            scheduled_for=slot,
            expires_at=now + timedelta(minutes=30),
        )
        for slot in (now - timedelta(milliseconds=number) for number in range(each))
        for channel in channels
    ]


async def sends(stage: Stage) -> list[tuple[float, int]]:
    """Return when each sendMessage came, and its status."""
    calls = await stage.people.calls("sendMessage")
    return [(call["at"], call["status"]) for call in calls]


async def posts(stage: Stage, channels: Sequence[int]) -> Counter[str]:
    """Return how often each delivery stands in its channel."""
    found = Counter[str]()
    for channel in channels:
        for message in await stage.people.messages(channel):
            found[message["buttons"][0][0]["callback_data"]] += 1
    return found
