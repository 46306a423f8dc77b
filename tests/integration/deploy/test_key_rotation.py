"""Webhook secret and CTA keys are changed in the steps of deploy/runbook.md while people tap."""

import asyncio
import os
import re
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from chaos.front import WEBHOOK, Front
from chaos.history import History
from contracts.events import CtaClicked, MessageSent
from harness.logs import Log
from harness.sandboxes import BOT_ID, BOT_TOKEN, CHANNEL, Stage, open_sandbox
from harness.senders import Sender, promos
from harness.waiting import until
from harness.warm import Warm
from sandbox.client import Tap
from stack.ports import free_port

RUNBOOK = (Path(__file__).parents[3] / "deploy" / "runbook.md").read_text()
PERSON = 9_000_001
COUNTED, REFUSED = "We will write to you.", "This button is no longer active."
OLD, NEW = "the-secret-of-before", "the-secret-of-tomorrow"
_PAUSE_SECONDS = 0.05
_PATIENCE = 60
_ANSWER_SECONDS = 25
"""Less than the sandbox's client waits for an answer itself."""


def steps(secret: str) -> list[str]:
    """Return the values that the runbook has an operator set, one after the other."""
    [row] = [line for line in RUNBOOK.splitlines() if line.startswith(f"| **{secret}** |")]
    written = re.findall(r"\d\. `([a-z0-9:,]+)`", row)
    values = {"old": OLD, "new": NEW}
    return [re.sub("old|new", lambda word: values[word[0]], step) for step in written]


class Clicks:
    """A replica of clicks, started again and again with other secrets."""

    def __init__(self, folder: Path, name: str, settings: Mapping[str, str]) -> None:
        port = free_port()
        self.name = name
        self.url = f"http://127.0.0.1:{port}"
        self._log = folder / f"{name}.log"
        self._settings = {**os.environ, **settings, "FINGERPOST_HTTP_PORT": str(port)}
        self._process: Warm | None = None

    async def start(self, **secrets: str) -> None:
        """Begin, or stop and begin anew, and wait until it is ready."""
        if self._process:
            await self._process.stop()
            assert self._process.exit_status == 0
        environment = {**self._settings, **secrets}
        self._process = Warm(self.name, "clicks", log=self._log, environment=environment)
        self._process.start()
        await self._process.answers(f"{self.url}/readyz", 60)

    async def kill(self) -> None:
        if self._process:
            await self._process.kill()

    async def asked(self, secret: str) -> int:
        """Return how a request is answered that says `secret`."""
        headers = {"X-Telegram-Bot-Api-Secret-Token": secret}
        async with httpx.AsyncClient(timeout=_PATIENCE) as client:
            return (await client.post(self.url + WEBHOOK, json={}, headers=headers)).status_code

    async def refused(self, reason: str) -> float:
        """Return how often it refused for `reason` since it began."""
        async with httpx.AsyncClient(timeout=_PATIENCE) as client:
            page = (await client.get(f"{self.url}/metrics")).text
        found = re.findall(rf'clicks_refused_total{{reason="{reason}"}} (\S+)', page)
        return sum(map(float, found))


class Tapping:
    """A person who taps the buttons of `messages`, one after the other, over and over."""

    def __init__(self, stage: Stage) -> None:
        self.messages: list[int] = []
        self.taps: list[Tap] = []
        self._stage = stage

    async def tap(self, message: int) -> Tap:
        """Tap, and look at the phone for as long as the answer takes."""
        return await self._stage.people.tap(
            PERSON, CHANNEL, message, 1, wait=_ANSWER_SECONDS, follow=False
        )

    @asynccontextmanager
    async def meanwhile(self) -> AsyncIterator[None]:
        """Tap until the block ends; the last tap is answered."""
        ended = asyncio.Event()
        tapping = asyncio.create_task(self._go_on(ended))
        try:
            yield
        finally:
            ended.set()
            await tapping

    async def each_once_more(self) -> None:
        """Wait until each button was tapped again and answered."""
        goal = len(self.taps) + len(self.messages) + 1

        async def answered() -> int:
            return len(self.taps)

        await until(answered, lambda taps: taps >= goal, seconds=60)

    async def all_counted(self, log: Log) -> None:
        """Assert that no tap was refused or lost, and that each is in the log once."""
        clicked = Counter(click.source_id for click in await log.events(CtaClicked))
        assert {tap.text for tap in self.taps} == {COUNTED}
        assert clicked == Counter(tap.callback_query_id for tap in self.taps)

    async def _go_on(self, ended: asyncio.Event) -> None:
        while not ended.is_set():
            message = self.messages[len(self.taps) % len(self.messages)]
            self.taps.append(await self.tap(message))
            await asyncio.sleep(_PAUSE_SECONDS)


@pytest_asyncio.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with open_sandbox(tmp_path, "--no-floods", "--retry-base", "0.2") as stage:
        await stage.people.put_person(PERSON, "Ann")
        # What is asked here is whether a tap counts, not how fast a process starts.
        await stage.people.set_limits(callback_window=_ANSWER_SECONDS)
        yield stage


@pytest_asyncio.fixture
async def front(tmp_path: Path) -> AsyncIterator[Front]:
    history = History(tmp_path / "history.jsonl")
    front = Front(history)
    await front.start()
    yield front
    await front.stop()
    history.close()


def settings_of(stage: Stage, nats_url: str) -> dict[str, str]:
    return {
        "NATS_URL": nats_url,
        "TELEGRAM_BOT_TOKEN": BOT_TOKEN,
        "FINGERPOST_TELEGRAM_API": stage.api,
        "FINGERPOST_TAPS_PER_MINUTE": "100000",
    }


async def posted(
    stage: Stage, log: Log, folder: Path, settings: Mapping[str, str], keys: str
) -> tuple[int, str]:
    """Let a sender with `keys` post; return the message, and the key that signed its buttons."""
    [due] = promos([CHANNEL], 1)
    await log.say(due)

    async def sent() -> list[int]:
        said = await log.events(MessageSent)
        return [event.message_id for event in said if event.delivery == due.delivery]

    own = {"FINGERPOST_CTA_KEYS": keys}
    async with Sender(folder, "sender", settings["NATS_URL"], stage.api, own) as sender:
        [message] = await until(sent, bool, seconds=60)
        await sender.process.stop()
    found = {m["message_id"]: m["buttons"] for m in await stage.people.messages(CHANNEL)}
    return message, found[message][1][0]["callback_data"].partition("-")[0]


@pytest.mark.timeout(240)
async def test_while_the_webhook_secret_is_changed_every_update_is_taken_at_once(
    stage: Stage, log: Log, nats_url: str, tmp_path: Path, front: Front
) -> None:
    keys = f"k1:{OLD}"
    settings = {
        **settings_of(stage, nats_url),
        "FINGERPOST_CTA_KEYS": keys,
        "FINGERPOST_CLICKS_MODE": "webhook",
        "FINGERPOST_WEBHOOK_URL": front.url,
    }
    replicas = [Clicks(tmp_path, name, settings) for name in ("one", "two")]
    tapping = Tapping(stage)
    tapping.messages = [(await posted(stage, log, tmp_path, settings, keys))[0]]
    told = steps("webhook secret")
    try:
        for replica in replicas:
            await replica.start(FINGERPOST_WEBHOOK_SECRET=OLD)
        front.replicas = [(replica.name, replica.url) for replica in replicas]
        async with tapping.meanwhile():
            for step in told:
                for replica in replicas:
                    # As an orchestrator does: it gets nothing from here on, then SIGTERM.
                    front.replicas.remove((replica.name, replica.url))
                    await replica.start(FINGERPOST_WEBHOOK_SECRET=step)
                    await tapping.each_once_more()
                    front.replicas.append((replica.name, replica.url))
                    await tapping.each_once_more()
        answers = [(await one.asked(OLD), await one.asked(NEW)) for one in replicas]
    finally:
        for replica in replicas:
            await replica.kill()

    assert (told[0].split(",")[0], told[-1]) == (OLD, NEW)
    assert set(front.answered) == {200}
    assert answers == [(401, 200)] * 2, "the old one is withdrawn"
    await tapping.all_counted(log)


@pytest.mark.timeout(240)
async def test_while_cta_keys_are_changed_every_button_counts_until_its_key_is_taken_away(
    stage: Stage, log: Log, nats_url: str, tmp_path: Path
) -> None:
    settings = settings_of(stage, nats_url)
    clicks, tapping, signed = Clicks(tmp_path, "clicks", settings), Tapping(stage), list[str]()
    *changes, withdrawal = (f"k1:{OLD}", *steps("CTA keys"))

    async def change(keys: str) -> None:
        await clicks.start(FINGERPOST_CTA_KEYS=keys)
        message, key = await posted(stage, log, tmp_path, settings, keys)
        tapping.messages.append(message)
        signed.append(key)

    try:
        await change(changes[0])
        async with tapping.meanwhile():
            for keys in changes[1:]:
                await change(keys)
                await tapping.each_once_more()
        await tapping.all_counted(log)
        # An update that is not confirmed would come again, with the key that is taken away.
        await until(lambda: stage.people.updates(BOT_ID), lambda u: u["pending_count"] == 0)
        await clicks.start(FINGERPOST_CTA_KEYS=withdrawal)
        answers = [(await tapping.tap(message)).text for message in tapping.messages]
        refused = await clicks.refused("unknown_key")
    finally:
        await clicks.kill()

    assert signed == ["k1", "k1", "k2"]
    assert answers == [REFUSED, REFUSED, COUNTED]
    assert refused == 2
