"""The Telegram sandbox as a process, with a bot and a channel."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.warm import Warm
from sandbox.client import Sandbox
from stack.ports import free_port
from stack.process import Process

BOT_ID = 4_200_001
BOT_TOKEN = f"{BOT_ID}:test-token"
BOT_USERNAME = "sandbox_test_bot"
SECOND_ID = 4_200_002
SECOND_TOKEN = f"{SECOND_ID}:{'second-test-token' * 2}"
CHANNEL = -1001234567890
OTHER_CHANNEL = -1001234567891
AUDIT_CHAT = -1001234567899


@dataclass(frozen=True)
class Stage:
    """A running sandbox. `api` is its address for bots, `people` its control API."""

    api: str
    people: Sandbox
    process: Process

    async def accept(self, token: str, username: str) -> None:
        """Let a bot have `token`, and no other that it may have had before."""
        bot_id = int(token.partition(":")[0])
        await self.people.put_bot(bot_id, token, username)


@asynccontextmanager
async def open_sandbox(folder: Path, *flags: str) -> AsyncIterator[Stage]:
    """Start a sandbox with one bot in two channels."""
    port = free_port()
    arguments = ("--port", str(port), *flags)
    process = Warm("sandbox", "sandbox", *arguments, log=folder / "sandbox.log")
    process.start()
    api = f"http://127.0.0.1:{port}"
    try:
        await process.answers(f"{api}/control/healthz", 20)
        async with Sandbox(api) as people:
            await people.put_bot(BOT_ID, BOT_TOKEN, BOT_USERNAME)
            await people.put_chat(CHANNEL, "One", type="channel", members=100)
            await people.put_chat(OTHER_CHANNEL, "Two", type="channel", members=200)
            await people.put_chat(AUDIT_CHAT, "Audit", type="supergroup", members=2)
            yield Stage(api, people, process)
    finally:
        await process.kill()
