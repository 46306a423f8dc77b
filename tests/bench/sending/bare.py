"""The floor of a post, as a process: aiogram, a semaphore, and nothing that is kept."""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import uvloop
from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.types import InlineKeyboardButton, InlineKeyboardMarkup


async def main(token: str, api: str, posts: list[dict[str, Any]], at_once: int) -> None:
    """Send every post; print the time that all but the first tenth took."""
    bot = Bot(token, session=AiohttpSession(api=TelegramAPIServer.from_base(api)))
    room = asyncio.Semaphore(at_once)

    async def send(post: dict[str, Any]) -> None:
        rows = [[InlineKeyboardButton(**button) for button in row] for row in post["rows"]]
        async with room:
            await bot.send_message(
                post["chat"],
                post["text"],
                reply_markup=InlineKeyboardMarkup(inline_keyboard=rows),
                parse_mode=None,
            )

    tenth = len(posts) // 10
    await asyncio.gather(*(send(post) for post in posts[:tenth]))
    begun, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(send(post) for post in posts[tenth:]))
    figures = {
        "posts": len(posts) - tenth,
        "wall": time.perf_counter() - begun,
        "cpu": time.process_time() - cpu,
    }
    await bot.session.close()
    sys.stdout.write(json.dumps(figures))


if __name__ == "__main__":
    _, token, api, file, at_once = sys.argv
    uvloop.run(main(token, api, json.loads(Path(file).read_text()), int(at_once)))
