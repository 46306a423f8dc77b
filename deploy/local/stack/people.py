"""Simulated people: they read the channels, tap, start the bot, and some of them pay.

Seeded, so that two runs with the same posts do the same.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import yaml

from sandbox.client import Sandbox
from stack.scene import BOT_USERNAME
from stack.tally import Key, Tally

_PEOPLE = range(1001, 1031)
_LOOK_SECONDS = 0.3
_CHANCE_TO_TAP = 0.35
_CHANCE_TO_REPEAT = 0.2
_CHANCE_TO_PAY = 0.5
_LONGEST_THOUGHT = 2.0
_PATIENCE_SECONDS = 120.0
_ANSWER_SECONDS = 20.0
"""Longer than Telegram lets a bot answer a tap."""
_BROWSER = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}


@dataclass(frozen=True)
class Creative:
    """A variant as people know it: by its text."""

    campaign: str
    variant: str
    stars: Mapping[str, int]
    """Price of the offer behind each button, by its label."""


class Audience:
    """Everybody who reads the channels of one run."""

    def __init__(self, sandbox: Sandbox, campaigns: Path, *, seed: int = 1) -> None:
        self.tally = Tally()
        self._sandbox = sandbox
        self._creatives = _creatives(campaigns)
        self._random = random.Random(seed)
        self._read: dict[int, int] = {}
        self._busy: dict[int, asyncio.Lock] = {person: asyncio.Lock() for person in _PEOPLE}

    async def read(self, seconds: float) -> None:
        """Look at the channels for `seconds`, react to each post, and finish what was begun."""
        for person in _PEOPLE:
            await self._sandbox.put_person(person, f"Person {person - _PEOPLE.start + 1}")
        deadline = asyncio.get_running_loop().time() + seconds
        async with asyncio.TaskGroup() as reactions:
            while asyncio.get_running_loop().time() < deadline:
                for chat in await self._channels():
                    for message in await self._sandbox.messages(chat, self._read.get(chat, 0)):
                        self._read[chat] = message["message_id"]
                        self._react(reactions, chat, message)
                await asyncio.sleep(_LOOK_SECONDS)

    async def differences(self, table: Mapping[Key, Mapping[str, object]]) -> list[str]:
        """Return a line for each number of `table` that is not what happened up to now.

        What is due already may still be posted while somebody waits for the tables.
        """
        return self.tally.differences(table, await self.count_posts())

    async def count_posts(self) -> Counter[Key]:
        """Count what really stands in the channels."""
        posts: Counter[Key] = Counter()
        for chat in await self._channels():
            for message in await self._sandbox.messages(chat):
                posts[self._key(chat, message)] += 1
        return posts

    def _key(self, chat: int, message: dict[str, Any]) -> Key:
        creative = self._creatives[_as_seen(message["text"])]
        return creative.campaign, creative.variant, str(chat), _day(message)

    async def _channels(self) -> list[int]:
        chats = await self._sandbox.chats()
        return [chat["chat_id"] for chat in chats if chat["type"] == "channel"]

    def _react(self, reactions: asyncio.TaskGroup, chat: int, message: dict[str, Any]) -> None:
        for person in _PEOPLE:
            if self._random.random() < _CHANCE_TO_TAP:
                row = self._random.randrange(len(message["buttons"]))
                dice = random.Random(self._random.random())
                reactions.create_task(self._visit(person, chat, message, row, dice))

    async def _visit(
        self, person: int, chat: int, message: dict[str, Any], row: int, dice: random.Random
    ) -> None:
        """One person does one thing at a time."""
        await asyncio.sleep(dice.uniform(0, _LONGEST_THOUGHT))
        async with self._busy[person]:
            await self._tap(person, chat, message, row, dice)
            if dice.random() < _CHANCE_TO_REPEAT:
                await self._tap(person, chat, message, row, dice)

    async def _tap(
        self, person: int, chat: int, message: dict[str, Any], row: int, dice: random.Random
    ) -> None:
        creative = self._creatives[_as_seen(message["text"])]
        deeds = self.tally.of(self._key(chat, message))
        deeds.clicks += 1
        tap = await self._sandbox.tap(
            person, chat, message["message_id"], row, wait=_ANSWER_SECONDS
        )
        if tap.kind == "url":
            unanswered = await _follow(tap.url)
            deeds.doubtful += unanswered
            return
        deeds.clickers.add(person)
        if tap.started:
            deeds.starts += 1
            stars = creative.stars.get(message["buttons"][row][0]["text"])
            if stars and dice.random() < _CHANCE_TO_PAY:
                paid = await self._pay(person, tap.started.message_id, stars)
                deeds.conversions += paid
                deeds.revenue += paid * Decimal(stars)
                deeds.converters.update({person} if paid else ())

    async def _pay(self, person: int, after: int, stars: int) -> bool:
        invoice = await self._invoice(person, after, stars)
        payment = await self._sandbox.pay(person, message_id=invoice, bot=BOT_USERNAME)
        if payment.outcome == "rejected":
            raise RuntimeError(f"person {person} could not pay: {payment.error_message}")
        return payment.outcome == "paid"

    async def _invoice(self, person: int, after: int, stars: int) -> int:
        """Wait for the invoice of this offer; one of an earlier start may come late, after it."""
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while True:
                for message in await self._sandbox.private_messages(person):
                    price = message["message"].get("invoice", {}).get("total_amount")
                    if message["message_id"] > after and price == stars:
                        return int(message["message_id"])
                await asyncio.sleep(0.05)


def _day(message: dict[str, Any]) -> str:
    return datetime.fromtimestamp(message["posted_at"], UTC).date().isoformat()


async def _follow(url: str) -> int:
    """Open a tracked link as a browser does, without leaving this machine, until it leads on.

    Returns how many requests got no answer: each of them may have been counted, or not.
    """
    doubtful = 0
    async with asyncio.timeout(_PATIENCE_SECONDS), httpx.AsyncClient(headers=_BROWSER) as browser:
        while True:
            try:
                response = await browser.get(url)
            except httpx.ConnectError:
                pass  # it never arrived
            except httpx.TransportError:
                doubtful += 1
            else:
                if response.status_code == httpx.codes.FOUND:
                    return doubtful
                if response.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                    raise RuntimeError(f"a link answered {response.status_code}")
            await asyncio.sleep(_LOOK_SECONDS)


def _as_seen(text: str) -> str:
    """Return what people see of a message: not the invisible mark of its delivery."""
    return text.lstrip("\u200b")


def _creatives(campaigns: Path) -> dict[str, Creative]:
    document = yaml.safe_load(campaigns.read_text())
    return {
        variant["text"].strip(): Creative(
            campaign["id"],
            variant["id"],
            {
                cta["label"]: cta["offer"]["stars"]
                for cta in variant.get("ctas", ())
                if "offer" in cta
            },
        )
        for campaign in document["campaigns"]
        for variant in campaign["variants"]
    }
