"""How updates reach a bot: polling, webhooks, filters, restarts."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from harness.waiting import until

from .conftest import Stage, callback, serving


@dataclass
class Hook:
    """A webhook that answers from a script and keeps what came; 200 when the script is over."""

    script: list[str] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)
    arrivals: list[float] = field(default_factory=list)
    url: str = ""
    got: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.split("content-length: ")[1].split("\r\n")[0])
        self.bodies.append(json.loads(await reader.readexactly(length)))
        self.headers.append(head)
        self.arrivals.append(asyncio.get_running_loop().time())
        answer = self.script.pop(0) if self.script else "200 OK\r\n\r\n"
        writer.write(f"HTTP/1.1 {answer}".replace("\r\n", "\r\nConnection: close\r\n", 1).encode())
        writer.close()
        self.got.set()

    async def wait_for(self, count: int) -> None:
        async with asyncio.timeout(30):
            while len(self.bodies) < count:
                self.got.clear()
                await self.got.wait()


@asynccontextmanager
async def hook(*script: str) -> AsyncIterator[Hook]:
    """Serve a webhook on a free port."""
    hook = Hook(list(script))
    server = await asyncio.start_server(hook.handle, "127.0.0.1", 0)
    async with server:
        hook.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
        yield hook


async def test_an_offset_confirms(stage: Stage) -> None:
    for text in ("one", "two", "three"):
        await stage.sandbox.post(stage.channel, text)

    first = await stage.call("getUpdates", limit=2)
    repeated = await stage.call("getUpdates")
    rest = await stage.call("getUpdates", offset=first[-1]["update_id"] + 1)
    newest = await stage.call("getUpdates", offset=-1)

    assert [u["channel_post"]["text"] for u in first] == ["one", "two"]
    assert len(repeated) == 3
    assert [u["channel_post"]["text"] for u in rest] == ["three"]
    assert newest == rest


async def test_a_long_poll_returns_with_the_news(stage: Stage) -> None:
    await stage.sandbox.post(stage.channel, "old")
    (old,) = await stage.call("getUpdates")
    news = {"offset": old["update_id"] + 1, "timeout": 50}  # for longer than the client waits

    poll = asyncio.create_task(stage.call("getUpdates", **news))
    await stage.polled()
    await stage.sandbox.post(stage.channel, "news")
    (update,) = await poll

    assert update["channel_post"]["text"] == "news"


async def test_own_posts_do_not_come_back_but_pins_do(stage: Stage) -> None:
    number = await stage.post()
    await stage.call("pinChatMessage", chat_id=stage.channel, message_id=number)

    (update,) = await stage.updates("channel_post")

    assert update["pinned_message"]["message_id"] == number


async def test_chat_member_comes_only_when_asked_for(stage: Stage) -> None:
    await stage.sandbox.join(stage.person, chat_id=stage.channel)
    silent = await stage.updates()
    await stage.call("getUpdates", allowed_updates=["chat_member"])
    await stage.sandbox.leave(stage.person, stage.channel)
    (change,) = await stage.updates("chat_member")

    assert silent == []
    assert change["new_chat_member"]["status"] == "left"


async def test_callbacks_expire_after_150_seconds(stage: Stage) -> None:
    number = await stage.post(reply_markup=callback())
    await stage.sandbox.tap(stage.person, stage.channel, number, wait=0)
    before = (await stage.sandbox.updates(stage.bot_id))["pending_count"]
    await stage.sandbox.advance_clock(151)

    assert before == 1
    assert await stage.updates() == []
    assert (await stage.sandbox.updates(stage.bot_id))["expired_count"] == 1


async def test_polling_is_refused_while_a_webhook_is_set(stage: Stage) -> None:
    await stage.call("setWebhook", url="http://127.0.0.1:1/x")
    status, body = await stage.answer("getUpdates")
    await stage.call("deleteWebhook")

    assert status == 409
    assert body["description"].startswith("Conflict: can't use getUpdates method while webhook")
    assert await stage.updates() == []


@pytest.mark.parametrize("secret", ["with space", "ü", "x" * 257])
async def test_bad_secrets_are_refused(stage: Stage, secret: str) -> None:
    parameters = {"url": "https://example.com", "secret_token": secret}
    assert (await stage.refusal("setWebhook", **parameters)).startswith("Bad Request: secret")


async def test_a_failed_update_comes_again_with_its_id_and_secret(stage: Stage) -> None:
    async with hook("500 Oops\r\n\r\n", "404 No\r\n\r\n") as target:
        await stage.call("setWebhook", url=target.url, secret_token="s3cret")
        await stage.sandbox.post(stage.channel, "news")
        await target.wait_for(3)
        await stage.sandbox.post(stage.channel, "more")
        await target.wait_for(4)
        info = await stage.call("getWebhookInfo")

    ids = [body["update_id"] for body in target.bodies]
    assert ids[:3] == [ids[0]] * 3
    assert ids[3] == ids[0] + 1
    assert all("x-telegram-bot-api-secret-token: s3cret" in head for head in target.headers)
    assert info["last_error_message"] == "Wrong response from the webhook: 404 No"
    assert "secret_token" not in info


async def test_retry_after_is_honoured(stage: Stage) -> None:
    async with hook("503 Busy\r\nRetry-After: 1\r\n\r\n") as target:
        await stage.call("setWebhook", url=target.url)
        await stage.sandbox.post(stage.channel, "news")
        await target.wait_for(2)

    first, second = target.arrivals
    assert second - first > 0.9  # not at once


async def test_one_queue_waits_while_another_goes_on(stage: Stage) -> None:
    async with hook("503 Busy\r\nRetry-After: 3600\r\n\r\n") as target:
        number = await stage.post(reply_markup=callback())
        await stage.call("setWebhook", url=target.url)
        await stage.sandbox.post(stage.channel, "blocked")
        await target.wait_for(1)
        await stage.sandbox.post(stage.channel, "behind it")
        await stage.sandbox.tap(stage.person, stage.channel, number, wait=0)
        await target.wait_for(2)
        async with asyncio.timeout(30):
            while (state := await stage.sandbox.updates(stage.bot_id))["pending_count"] > 2:
                await asyncio.sleep(0.05)

    assert "callback_query" in target.bodies[1]
    assert ["channel_post" in update for update in state["pending"]] == [True, True]


async def test_a_method_in_the_response_body_is_executed(stage: Stage) -> None:
    async with hook() as target:
        await stage.call("setWebhook", url=target.url)
        number = await stage.post(reply_markup=callback())
        tap = asyncio.create_task(stage.sandbox.tap(stage.person, stage.channel, number, wait=0))
        await tap
        await target.wait_for(1)
        query = target.bodies[0]["callback_query"]["id"]
        answer = {"method": "sendMessage", "chat_id": stage.group, "text": query}
        body = json.dumps(answer)
        head = f"200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        target.script.append(head + body)
        await stage.sandbox.post(stage.channel, "go")
        (message,) = await until(lambda: stage.sandbox.messages(stage.group), bool)

    assert message["text"] == query


async def test_raw_updates_and_repeats(stage: Stage) -> None:
    number = await stage.sandbox.inject(stage.bot_id, {"message": {"hostile": True}})
    (first,) = await stage.updates()
    await stage.sandbox.repeat(stage.bot_id, number)
    (second,) = await stage.updates()

    assert first == second == {"update_id": number, "message": {"hostile": True}}


async def test_kill_minus_nine_loses_and_reuses_nothing(tmp_path: Path) -> None:
    state = ("--state", str(tmp_path / "telegram.db"))
    with serving(*state) as served:
        stage = Stage(served.url, 1)
        await stage.set_up()
        number = await stage.post()
        await stage.sandbox.post(stage.channel, "pending")
        (waiting,) = await stage.call("getUpdates")
        served.end(signal.SIGKILL)
        await stage.close()
    with serving(*state) as served:
        stage = Stage(served.url, 1)
        (kept,) = await stage.call("getUpdates")
        following = await stage.post()
        await stage.sandbox.post(stage.channel, "later")
        updates = await stage.call("getUpdates")
        texts = [m["text"] for m in await stage.sandbox.messages(stage.channel)]
        poll = asyncio.create_task(
            stage.call("getUpdates", offset=updates[-1]["update_id"] + 1, timeout=30)
        )
        await stage.polled()
        ended = await asyncio.to_thread(served.end, signal.SIGTERM)
        polled = await poll
        await stage.close()

    assert kept == waiting
    assert following == number + 2
    assert texts == ["hello", "pending", "hello", "later"]
    assert updates[1]["update_id"] == waiting["update_id"] + 1
    assert (ended, polled) == (0, [])
