"""A channel lost and won back: sender, clicks and commands as processes, the sandbox between."""

import json
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from contracts.events import (
    ChannelDisabled,
    ChannelEnabled,
    MessageFailed,
    MessageSent,
    MessageSkipped,
    PromoDue,
)
from harness.logs import Log
from harness.sandboxes import BOT_ID, BOT_TOKEN, BOT_USERNAME, CHANNEL, OTHER_CHANNEL, Stage
from harness.senders import Sender
from harness.sending import CTA_KEY, due_now
from harness.waiting import until
from harness.warm import Warm
from stack.ports import free_port

OWNER = 77
NAME = "the_one"
DISABLED = 'fingerpost_sender_channels_disabled{bot="main"}'
pytestmark = pytest.mark.timeout(300)


@dataclass
class Play:
    """The stage, the log, and what to start on them."""

    stage: Stage
    log: Log
    folder: Path
    nats_url: str
    numbers: Any = field(default_factory=count)

    def sender(self) -> Sender:
        return Sender(self.folder, f"s{next(self.numbers)}", self.nats_url, self.stage.api)

    async def due(self, channel: int | str = CHANNEL) -> PromoDue:
        due = due_now(next(self.numbers), channel)  # type: ignore[arg-type]
        await self.log.say(due)
        return due

    async def fate(self, due: PromoDue) -> str:
        """Wait until the log says how the delivery ended."""

        async def ends() -> list[str]:
            kinds: list[Any] = [MessageSent, MessageFailed, MessageSkipped]
            events = [event for kind in kinds for event in await self.log.events(kind)]
            return [
                getattr(event, "failure", None) or getattr(event, "reason", "sent")
                for event in events
                if event.delivery == due.delivery
            ]

        return (await until(ends, bool, seconds=60))[0]

    async def sends(self) -> int:
        return len(await self.stage.people.calls("sendMessage"))

    async def command(self, *arguments: str) -> Any:
        """Run `python -m sender channels …` and return what it answers."""
        log = self.folder / f"command-{next(self.numbers)}.log"
        words = ("sender", "channels", *arguments, "--json")
        environment = {**os.environ, "NATS_URL": self.nats_url}
        command = Warm("command", *words, log=log, environment=environment)
        command.start()
        await command.ended(60)
        return json.loads(log.read_text()) | {"status": command.exit_status}


@pytest_asyncio.fixture
async def play(stage: Stage, log: Log, nats_url: str, tmp_path: Path) -> AsyncIterator[Play]:
    await stage.people.put_person(OWNER, "Ann")
    await stage.people.put_chat(CHANNEL, "One", type="channel", username=NAME)
    async with AsyncExitStack() as stack:
        environment = {
            **os.environ,
            "NATS_URL": nats_url,
            "TELEGRAM_BOT_TOKEN": BOT_TOKEN,
            "FINGERPOST_TELEGRAM_API": stage.api,
            "FINGERPOST_CTA_KEYS": f"k1:{CTA_KEY}",
            "FINGERPOST_HTTP_PORT": str(port := free_port()),
        }
        clicks = Warm("clicks", "clicks", log=tmp_path / "clicks.log", environment=environment)
        clicks.start()
        stack.push_async_callback(clicks.kill)
        await clicks.answers(f"http://127.0.0.1:{port}/readyz", 30)
        yield Play(stage, log, tmp_path, nats_url)


@pytest.mark.parametrize("called", [CHANNEL, f"@{NAME}"])
async def test_kicked_restarted_and_promoted_again(play: Play, called: int | str) -> None:
    people, log = play.stage.people, play.log
    async with play.sender() as first:
        assert await play.fate(await play.due(called)) == "sent"
        await people.kick(OWNER, CHANNEL, BOT_USERNAME)
        assert await play.fate(await play.due(called)) == "target"
        await until(lambda: log.events(ChannelDisabled), bool)
        await until(lambda: first.metric(DISABLED), lambda number: number == 1)
        sends = await play.sends()
        assert [await play.fate(await play.due(called)) for _ in range(3)] == [
            "channel_disabled"
        ] * 3
        await first.process.kill()
    async with play.sender() as second:
        assert await play.fate(await play.due(called)) == "channel_disabled"
        assert await play.sends() == sends
        assert await second.metric(DISABLED) == 1
        assert await play.fate(await play.due(OTHER_CHANNEL)) == "sent"

        await people.promote(OWNER, CHANNEL, BOT_USERNAME)
        [enabled] = await until(lambda: log.events(ChannelEnabled), bool)
        await until(lambda: second.metric(DISABLED), lambda number: number == 0)
        assert await play.fate(await play.due(called)) == "sent"

    assert (enabled.channel, enabled.username) == (str(called), f"@{NAME}")
    assert len(await log.events(ChannelDisabled)) == 1


async def test_an_operator_disables_and_enables(play: Play) -> None:
    people, log = play.stage.people, play.log
    async with play.sender() as sender:
        assert await play.fate(await play.due()) == "sent"
        unknown = await play.command("enable", str(CHANNEL), "--bot", str(BOT_ID))
        nobody = await play.command("disable", str(CHANNEL))
        asked = ("disable", str(CHANNEL), "--bot", str(BOT_ID), "--actor", "ann", "--why", "sold")
        done, again = await play.command(*asked), await play.command(*asked)
        await until(lambda: sender.metric(DISABLED), lambda number: number == 1)
        assert await play.fate(await play.due()) == "channel_disabled"
        assert await play.fate(await play.due(OTHER_CHANNEL)) == "sent"

        # What a person said, Telegram does not undo.
        await people.kick(OWNER, CHANNEL, BOT_USERNAME)
        await people.promote(OWNER, CHANNEL, BOT_USERNAME)
        listed = await play.command("list")
        enabled = await play.command("enable", str(CHANNEL), "--actor", "bob")
        await until(lambda: sender.metric(DISABLED), lambda number: number == 0)
        assert await play.fate(await play.due()) == "sent"

    assert (unknown["status"], "never disabled" in unknown["error"]) == (1, True)
    assert (nobody["status"], "--bot" in nobody["remedy"]) == (2, True)
    assert (done["new"], again["new"], enabled["new"]) == (True, False, True)
    [row] = listed["channels"]
    assert (row["channel"], row["bot_id"], row["state"]) == (str(CHANNEL), BOT_ID, "disabled")
    assert (row["why"], row["actor"]) == ("sold", "ann")
    assert [event.actor for event in await log.events(ChannelDisabled)] == ["ann"]
    assert [event.actor for event in await log.events(ChannelEnabled)] == ["bob"]
