"""One real sandbox process for all tests, and a stage of its own for each of them."""

import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from harness.waiting import until
from sandbox.client import Sandbox

LOCAL = Path(__file__).parents[3] / "deploy" / "local"
_numbers = itertools.count(1)


@dataclass
class Served:
    """A running sandbox."""

    url: str
    process: subprocess.Popen[str]

    def end(self, how: signal.Signals) -> int:
        self.process.send_signal(how)
        return self.process.wait(60)


@contextmanager
def serving(*flags: str) -> Iterator[Served]:
    """Run `python -m sandbox` on a free port until the block ends."""
    command = [sys.executable, "-W", "error", "-m", "sandbox", "--port", "0", *flags]
    environment = {**os.environ, "PYTHONPATH": str(LOCAL)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Served(json.loads(process.stdout.readline())["url"], process)
        finally:
            process.kill()


@pytest.fixture(scope="session")
def server() -> Iterator[Served]:
    with serving("--no-floods", "--retry-base", "0.01") as served:
        yield served


class Stage:
    """A bot, a channel, a group and a person nobody else uses."""

    def __init__(self, url: str, number: int):
        self.url = url
        self.bot_id = 4000 + number
        self.token = f"{self.bot_id}:sandbox-token"
        self.bot_name = f"guide{number}_bot"
        self.channel = -1001000000000 - number
        self.group = -1002000000000 - number
        self.person = 9000 + number
        self.sandbox = Sandbox(url)
        self._http = httpx.AsyncClient(base_url=f"{url}/bot{self.token}", timeout=20)

    async def set_up(self) -> None:
        await self.sandbox.put_bot(self.bot_id, self.token, self.bot_name, "Guide")
        username = f"news{self.bot_id}"
        await self.sandbox.put_chat(self.channel, "News", username=username, members=1200)
        await self.sandbox.put_chat(self.group, "Audit", type="supergroup")
        await self.sandbox.put_person(self.person, "Ann", f"ann{self.person}")

    async def close(self) -> None:
        await self.sandbox.close()
        await self._http.aclose()

    async def answer(self, method: str, /, **parameters: Any) -> tuple[int, dict[str, Any]]:
        """Call a method without a client's help: status and body."""
        answer = await self._http.post(f"/{method}", json=parameters)
        return answer.status_code, answer.json()

    async def call(self, method: str, /, **parameters: Any) -> Any:
        """The result of a call that must succeed."""
        status, body = await self.answer(method, **parameters)
        assert status == 200, body
        return body["result"]

    async def refusal(self, method: str, /, **parameters: Any) -> str:
        """The description of a call that must fail."""
        _, body = await self.answer(method, **parameters)
        assert body["ok"] is False, body
        return str(body["description"])

    async def post(self, text: str = "hello", **parameters: Any) -> int:
        """Post into the channel; the message's id."""
        message = await self.call("sendMessage", chat_id=self.channel, text=text, **parameters)
        return int(message["message_id"])

    async def polled(self) -> None:
        """Wait until a poll that confirms all there is has reached the server."""

        async def pending() -> int:
            return int((await self.sandbox.updates(self.bot_id))["pending_count"])

        await until(pending, lambda count: count == 0)

    async def updates(self, kind: str | None = None, seconds: int = 0) -> list[Any]:
        """Take all pending updates; only those of a kind when one is named."""
        found = await self.call("getUpdates", timeout=seconds)
        if found:
            await self.call("getUpdates", offset=found[-1]["update_id"] + 1)
        return [u[kind] for u in found if kind in u] if kind else found


@pytest.fixture
async def stage(server: Served) -> AsyncIterator[Stage]:
    stage = Stage(server.url, next(_numbers))
    await stage.set_up()
    yield stage
    await stage.close()


def callback(data: str = "go") -> dict[str, Any]:
    """A keyboard with one callback button."""
    return {"inline_keyboard": [[{"text": "Go", "callback_data": data}]]}
