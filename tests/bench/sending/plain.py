"""The peer of the fault runs, as a process: aiogram on the same log, as most senders are written.

`retry`: what fails is sent again, and the event is acknowledged once that worked. `once`: the event
is acknowledged first, and sent once. Neither keeps a ledger.
"""

import asyncio
import json
import sys
from pathlib import Path

import nats
import uvloop
from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import (
    AiogramError,
    TelegramBadRequest,
    TelegramForbiddenError,
    TelegramRetryAfter,
)
from aiogram.types import InlineKeyboardButton, InlineKeyboardMarkup
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig

AT_ONCE = 32
_TIMEOUT = 5
_ATTEMPTS = 5
_PAUSE = 1.0


class Plain:
    """Sends what the log says is due; `posts` maps each delivery to its text and button."""

    def __init__(self, bot: Bot, posts: dict[str, dict[str, str]], *, retries: bool) -> None:
        self._bot = bot
        self._posts = posts
        self._retries = retries

    async def handle(self, message: Msg) -> None:
        """Send one due event, and acknowledge it."""
        post = self._posts[message.subject.rsplit(".", 1)[-1]]
        if self._retries:
            await self._with_retries(post)
            await message.ack()
        else:
            await message.ack_sync()
            await self._send(post)

    async def _with_retries(self, post: dict[str, str]) -> None:
        for _ in range(_ATTEMPTS):
            if await self._send(post):
                return
            await asyncio.sleep(_PAUSE)

    async def _send(self, post: dict[str, str]) -> bool:
        """Return whether nothing is left to do."""
        button = InlineKeyboardButton(text="Upgrade", callback_data=post["token"])
        try:
            await self._bot.send_message(
                int(post["chat"]),
                post["text"],
                reply_markup=InlineKeyboardMarkup(inline_keyboard=[[button]]),
                parse_mode=None,
                request_timeout=_TIMEOUT,
            )
        except TelegramRetryAfter as error:
            await asyncio.sleep(error.retry_after)
            return False
        except (TelegramBadRequest, TelegramForbiddenError):
            return True
        except AiogramError:
            return False
        return True


async def main(
    nats_url: str, token: str, api: str, posts: dict[str, dict[str, str]], policy: str
) -> None:
    """Send for ever."""
    bot = Bot(token, session=AiohttpSession(api=TelegramAPIServer.from_base(api)))
    plain = Plain(bot, posts, retries=policy == "retry")
    client = await nats.connect(nats_url)
    js = client.jetstream()
    config = ConsumerConfig(
        durable_name="plain",
        filter_subject="promo.due.*",
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=9,
        max_ack_pending=50_000,
    )
    await js.add_consumer("EVENTS", config)
    subscription = await js.pull_subscribe_bind("plain", "EVENTS")
    room = asyncio.Semaphore(AT_ONCE)
    async with asyncio.TaskGroup() as group:
        while True:
            await room.acquire()
            try:
                [message] = await subscription.fetch(1, timeout=5)
            except TimeoutError:
                room.release()
                continue
            group.create_task(plain.handle(message)).add_done_callback(lambda _: room.release())


if __name__ == "__main__":
    _, nats_url, token, api, file, policy = sys.argv
    uvloop.run(main(nats_url, token, api, json.loads(Path(file).read_text()), policy))
