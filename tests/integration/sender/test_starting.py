"""The sender in this process, at a log that fails just as it becomes the active one."""

import itertools
from typing import Any

import nats.errors
import pytest
from nats.js import JetStreamContext

from contracts.events import MessageSent
from harness.logs import Log
from harness.sandboxes import BOT_TOKEN, Stage
from harness.sending import CTA_KEY, due_now
from harness.waiting import until
from sender.app import build
from sender.settings import Settings
from stack.ports import free_port


async def test_a_consumer_without_a_leader_is_waited_for(
    stage: Stage, log: Log, nats_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscribe, calls = JetStreamContext.pull_subscribe, itertools.count(1)

    async def fail_once(self: JetStreamContext, *args: Any, **options: Any) -> Any:
        if next(calls) == 1:
            raise nats.errors.TimeoutError
        return await subscribe(self, *args, **options)

    monkeypatch.setattr(JetStreamContext, "pull_subscribe", fail_once)
    for name, value in {
        "NATS_URL": nats_url,
        "TELEGRAM_BOT_TOKEN": BOT_TOKEN,
        "FINGERPOST_TELEGRAM_API": stage.api,
        "FINGERPOST_CTA_KEYS": f"k1:{CTA_KEY}",
        "FINGERPOST_HTTP_PORT": str(free_port()),
    }.items():
        monkeypatch.setenv(name, value)
    service = build(Settings())

    async with service._lifespan(service.asgi):
        await log.say(due_now())
        await until(lambda: log.events(MessageSent), bool, seconds=60)

    assert next(calls) > 2
    assert not service._failed
