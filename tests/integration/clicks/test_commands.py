"""`python -m clicks webhook …` as a process, with the sandbox in Telegram's place."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from clicks.domain.updates import WANTED
from harness.commands import run_command

NOWHERE = "nats://127.0.0.1:1"


async def run(environment: Mapping[str, str], *words: str) -> tuple[int, str, str]:
    """Run the command; return its exit status and what it said."""
    ended = await run_command("clicks", *words, environment=environment)
    return ended.status, ended.out, ended.err


async def asked(environment: Mapping[str, str], act: str) -> dict[str, Any]:
    status, said, _ = await run(environment, "webhook", act, "--json")
    assert status == 0
    return json.loads(said)


async def test_a_webhook_is_set_shown_and_removed(stage):
    environment = stage.webhook_environment(NOWHERE, 1)
    url = "http://127.0.0.1:1/telegram/webhook"
    before = await asked(environment, "info")

    state = await asked(environment, "set")
    kinds = (await stage.call("getWebhookInfo"))["result"]["allowed_updates"]
    await stage.call("setWebhook", url=url, allowed_updates=["message"])
    changed = await asked(environment, "info")
    removed = await asked(environment, "delete")

    assert before["differences"][0] == "no webhook is set"
    assert (state["url"], state["differences"]) == (url, [])
    assert sorted(kinds) == sorted(state["allowed_updates"]) == sorted(WANTED)
    assert "allowed_updates are without" in changed["differences"][0]
    assert changed["differences"][1] == "max_connections is 40 instead of 100"
    assert (state["max_connections"], changed["max_connections"]) == (100, 40)
    assert (removed["was"], removed["set_again"]) == (url, True)
    assert (await stage.call("getWebhookInfo"))["result"]["url"] == ""


async def test_telegram_posts_by_as_many_connections_as_the_settings_say(stage):
    fewer = {"FINGERPOST_WEBHOOK_CONNECTIONS": "7"}

    state = await asked(stage.webhook_environment(NOWHERE, 1) | fewer, "set")

    assert (await stage.call("getWebhookInfo"))["result"]["max_connections"] == 7
    assert (state["max_connections"], state["differences"]) == (7, [])


async def test_what_fails_at_the_webhook_is_shown_with_its_age(stage):
    environment = stage.webhook_environment(NOWHERE, 1)
    await asked(environment, "set")
    await stage.sandbox.start(stage.person, stage.username)

    async with asyncio.timeout(60):
        while not (state := await asked(environment, "info"))["last_error"]:
            await asyncio.sleep(0.1)

    assert (state["pending"], 0 <= state["last_error_age_seconds"] < 60) == (1, True)


async def test_settings_that_poll_want_no_webhook(stage):
    environment = stage.environment(NOWHERE)

    status, _, complained = await run(environment, "webhook", "set")
    await stage.call("setWebhook", url="http://127.0.0.1:1/x")
    state = await asked(environment, "info")

    assert (status, "FINGERPOST_CLICKS_MODE=polling" in complained) == (1, True)
    assert "with FINGERPOST_CLICKS_MODE=polling" in state["differences"][0]


@pytest.mark.parametrize(
    ("change", "words", "status", "said"),
    [
        ({"TELEGRAM_BOT_TOKEN": "1:no-such-bot"}, ["info"], 1, "check TELEGRAM_BOT_TOKEN"),
        ({"FINGERPOST_TELEGRAM_API": "http://127.0.0.1:1"}, ["info"], 69, "did not answer"),
        ({"FINGERPOST_TELEGRAM_API": "https://api.telegram.org"}, ["set"], 78, "write https://"),
        ({}, ["sett"], 2, "see python -m clicks webhook"),
    ],
)
async def test_what_is_wrong_is_told_with_its_remedy(stage, change, words, status, said):
    environment = stage.webhook_environment(NOWHERE, 1) | change

    ended, _, complained = await run(environment, "webhook", *words)

    assert (ended, said in complained) == (status, True), complained
    assert "sandbox-token" not in complained
