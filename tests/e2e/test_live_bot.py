"""A bot of one's own, as the README tells: polling, no public address, links through the bot.

The sandbox stands for Telegram, but the run does not know: it is told a token and an address.
"""

import json
import os
from pathlib import Path

from contracts.events import BotStarted, CtaClicked
from harness.logs import open_log
from harness.sandboxes import BOT_TOKEN, CHANNEL, OTHER_CHANNEL, open_sandbox
from harness.waiting import until
from stack.local import LocalStack, Options

READER = 77


async def test_a_bot_of_ones_own_posts_and_counts_without_a_public_address(tmp_path: Path) -> None:
    async with open_sandbox(tmp_path) as telegram:
        await telegram.people.put_person(READER, "Reader")
        environment = {
            **os.environ,
            "TELEGRAM_BOT_TOKEN": BOT_TOKEN,
            "FINGERPOST_TELEGRAM_API": telegram.api,
            "FINGERPOST_EVERY": "3s",
            "GUIDES_CHAT_IDS_JSON": json.dumps([CHANNEL]),
            "PROMOS_CHAT_IDS_JSON": json.dumps([OTHER_CHANNEL]),
        }
        stack = LocalStack(Options(folder=tmp_path / "run", environment=environment))
        await stack.start()
        try:
            assert "sandbox" not in stack.endpoints()
            people = telegram.people
            (guide, *_) = await until(lambda: people.messages(CHANNEL), bool)
            (promo, *_) = await until(lambda: people.messages(OTHER_CHANNEL), bool)

            async with open_log(stack.nats_url) as log:
                followed = await people.tap(READER, CHANNEL, guide["message_id"])
                await until(lambda: log.events(BotStarted), bool)  # so that it stands first
                tapped = await people.tap(READER, OTHER_CHANNEL, promo["message_id"], wait=20)
                starts = await until(lambda: log.events(BotStarted), lambda seen: len(seen) == 2)
                (click,) = await log.events(CtaClicked)
            assert (followed.kind, tapped.kind, tapped.answered) == ("url", "callback", True)
            assert followed.started
            assert tapped.started
            assert {start.user_id for start in starts} == {READER}
            assert click.delivery == starts[1].delivery
            private = await until(
                lambda: people.private_messages(READER),
                lambda messages: any("example.org" in str(m["buttons"]) for m in messages),
            )
            assert private
        finally:
            await stack.stop()
            if stack.postgres:
                stack.postgres.remove()
