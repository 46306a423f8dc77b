"""Those who act on what is posted, and strangers who act on nothing; all of them through the front.

Seeded; but what they meet depends on the faults, so two runs of one seed are alike, not equal.
"""

import asyncio
import contextlib
import hmac
import json
import random
from base64 import urlsafe_b64encode
from collections.abc import Awaitable
from datetime import timedelta
from hashlib import sha256
from typing import Any

import aiohttp
import httpx

from chaos.campaigns import CHANNELS
from chaos.front import MARKER, ROUTE, WEBHOOK, click_in
from chaos.history import History
from harness.signing import signed, signed_by_stripe
from sandbox.client import Json, Sandbox, SandboxError
from stack.scene import BOT_USERNAME

PEOPLE = range(500_001, 500_031)
_LOOK_SECONDS = 0.4
_CHANCE_TO_ACT = 0.09
_CHANCE_TO_REPEAT = 0.2
_CHANCE_TO_PAY = 0.7
_CHANCE_TO_BUY = 0.5
_LONGEST_THOUGHT = 3.0
_INVOICE_SECONDS = 15.0
_TRIES = 4
_BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
_FAILURES = (
    httpx.HTTPError, aiohttp.ClientError, SandboxError, TimeoutError, OSError, ValueError
)  # fmt: skip
_LATE = timedelta(minutes=10)


class People:
    """Everybody who reads the channels of one run.

    `tokens` are those of all posts they saw, `orders` what the shop told of them.
    """

    def __init__(self, sandbox: Sandbox, front: str, history: History, seed: int) -> None:
        self.tokens: list[str] = []
        self.orders: list[bytes] = []
        self.posts = 0
        self._sandbox = sandbox
        self._front = front
        self._history = history
        self._dice = random.Random(f"people of {seed}")
        self._read: dict[int, int] = {}
        self._busy = {person: asyncio.Lock() for person in PEOPLE}

    async def read(self, seconds: float) -> None:
        """Look at the channels for so long, act on what is there, and finish what was begun."""
        deadline = asyncio.get_running_loop().time() + seconds
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http,
            asyncio.TaskGroup() as acts,
        ):
            for person in PEOPLE:
                await self._bravely(self._sandbox.put_person(person, f"Person {person}"))
            while asyncio.get_running_loop().time() < deadline:
                for chat in CHANNELS:
                    await self._bravely(self._look(chat, acts, http))
                await asyncio.sleep(_LOOK_SECONDS)

    async def _bravely(self, act: Awaitable[object]) -> None:
        """Do it, and take it as it comes."""
        try:
            await act
        except _FAILURES as error:
            self._history.add("person", failed=repr(error)[:200])

    async def _look(self, chat: int, acts: asyncio.TaskGroup, http: aiohttp.ClientSession) -> None:
        for message in await self._sandbox.messages(chat, self._read.get(chat, 0)):
            self._read[chat] = message["message_id"]
            self.posts += 1
            self.tokens += [
                button["callback_data"]
                for row in message["buttons"]
                for button in row
                if "callback_data" in button
            ]
            for person in PEOPLE:
                if self._dice.random() < _CHANCE_TO_ACT:
                    dice = random.Random(self._dice.random())
                    acts.create_task(self._visit(person, chat, message, http, dice))

    async def _visit(
        self,
        person: int,
        chat: int,
        message: Json,
        http: aiohttp.ClientSession,
        dice: random.Random,
    ) -> None:
        await asyncio.sleep(dice.uniform(0, _LONGEST_THOUGHT))
        row = dice.randrange(len(message["buttons"]))
        async with self._busy[person]:
            for _ in range(2 if dice.random() < _CHANCE_TO_REPEAT else 1):
                await self._bravely(self._tap(person, chat, message, row, http, dice))

    async def _tap(
        self,
        person: int,
        chat: int,
        message: Json,
        row: int,
        http: aiohttp.ClientSession,
        dice: random.Random,
    ) -> None:
        tap = await self._sandbox.tap(person, chat, message["message_id"], row, wait=6)
        if tap.kind == "url" and tap.url.startswith(self._front):
            click = await self._follow(tap.url, http)
            if click and dice.random() < _CHANCE_TO_BUY:
                await self._order(click, person, http)
        elif tap.started and dice.random() < _CHANCE_TO_PAY:
            await self._pay(person, tap.started.message_id)

    async def _follow(self, url: str, http: aiohttp.ClientSession) -> str | None:
        """Open a link as a browser does, which gives up after some tries."""
        for _ in range(_TRIES):
            with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
                async with http.get(
                    url, headers={"User-Agent": _BROWSER}, allow_redirects=False
                ) as answer:
                    if click := click_in(answer.headers.get("Location", "")):
                        return click
            await asyncio.sleep(1)
        return None

    async def _order(self, click: str, person: int, http: aiohttp.ClientSession) -> None:
        """Buy in a shop, which tells clicks until it says yes; and then once more, by mistake.

        Some shops know which link somebody followed, the others who it was.
        """
        number = len(self.orders) + 1
        document = {
            "id": f"order-{number}",
            "source": "shop",
            "kind": "payment",
            "amount": "9.90",
            "currency": "EUR",
            **({"click_id": click} if number % 2 else {"user_id": person}),
        }
        body = json.dumps(document).encode()
        self.orders.append(body)
        for _ in range(_TRIES):
            with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
                if await tell_order(body, self._front, http) and number % 5:
                    return
            await asyncio.sleep(1)

    async def _pay(self, person: int, after: int) -> None:
        async with asyncio.timeout(_INVOICE_SECONDS):
            while True:
                for message in await self._sandbox.private_messages(person):
                    if message["message_id"] > after and "invoice" in message["message"]:
                        await self._sandbox.pay(
                            person, message_id=message["message_id"], bot=BOT_USERNAME
                        )
                        return
                await asyncio.sleep(0.5)


async def tell_order(body: bytes, front: str, http: aiohttp.ClientSession) -> bool:
    """Tell clicks of an order, as a shop does; True where it says yes."""
    async with http.post(f"{front}/v1/conversions", data=body, headers=signed(body)) as answer:
        return answer.ok


class Strangers:
    """They forge, repeat what is long past, and send what nothing can read."""

    def __init__(self, front: str, secret: str, people: People, seed: int) -> None:
        self._front = front
        self._secret = secret
        self._people = people
        self._seed = seed
        self._dice = random.Random(f"strangers of {seed}")
        self._number = 0

    async def disturb(self, every: float) -> None:
        """Do one thing after the other, for ever."""
        acts = (
            self._wrong_secret, self._edited_tap, self._foreign_tap, self._edited_start,
            self._foreign_payment, self._edited_link, self._wrongly_signed, self._unsigned,
            self._stale, self._unreadable_update, self._unreadable_order, self._not_json,
            self._other_button, self._own_key, self._stale_by_stripe,
        )  # fmt: skip
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http:
            while True:
                # Each as often as any other: a short run is to have them all.
                for act in self._dice.sample(acts, len(acts)):
                    await self._pause(every)
                    self._number += 1
                    with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
                        await act(http)

    async def _pause(self, every: float) -> None:
        await asyncio.sleep(self._dice.expovariate(1 / every))
        while not self._people.tokens:
            await asyncio.sleep(every)

    @property
    def _marker(self) -> str:
        return f"stranger_{self._seed}_{self._number}"

    def _token(self) -> str:
        return self._dice.choice(self._people.tokens)

    def _edited(self) -> str:
        """Return a token whose signature was changed in one place."""
        token = self._token()
        place = -self._dice.randint(2, 20)
        other = "A" if token[place] != "A" else "B"
        return token[:place] + other + token[place + 1 :]

    async def _post(
        self,
        http: aiohttp.ClientSession,
        route: str,
        path: str,
        body: bytes,
        headers: dict[str, str] | None = None,
    ) -> None:
        named = {ROUTE: route, MARKER: self._marker, "Content-Type": "application/json"}
        async with http.post(
            f"{self._front}{path}", data=body, headers={**(headers or {}), **named}
        ):
            pass

    async def _update(
        self, http: aiohttp.ClientSession, content: Json, *, secret: str | None = None
    ) -> None:
        headers = {"X-Telegram-Bot-Api-Secret-Token": secret or self._secret}
        update = {"update_id": 900_000_000 + self._number, **content}
        await self._post(http, "forged", WEBHOOK, json.dumps(update).encode(), headers)

    def _tap(self, token: str) -> Json:
        chat = {"id": CHANNELS[0], "title": "Channel", "type": "channel"}
        message = {"message_id": 1, "chat": chat, "date": 1_700_000_000, "text": "?"}
        query = {"id": self._marker, "from": self._person(), "message": message, "data": token}
        return {"callback_query": {**query, "chat_instance": "1"}}

    def _person(self) -> Json:
        return {"id": 666_000_000 + self._number, "is_bot": False, "first_name": self._marker}

    def _said(self, content: Json) -> Json:
        person = self._person()
        chat = {"id": person["id"], "type": "private", "first_name": self._marker}
        return {
            "message": {
                "message_id": 1, "date": 1_700_000_000, "from": person, "chat": chat, **content
            }
        }  # fmt: skip

    async def _wrong_secret(self, http: aiohttp.ClientSession) -> None:
        await self._update(http, self._tap(self._token()), secret="not-the-secret")

    async def _edited_tap(self, http: aiohttp.ClientSession) -> None:
        await self._update(http, self._tap(self._edited()))

    async def _foreign_tap(self, http: aiohttp.ClientSession) -> None:
        head, _, _, tail = self._token().split("-", 3)
        await self._update(http, self._tap(f"{head}-{'0' * 26}-0-{tail}"))

    async def _other_button(self, http: aiohttp.ClientSession) -> None:
        head, delivery, cta, tail = self._token().split("-", 3)
        await self._update(http, self._tap(f"{head}-{delivery}-{int(cta == '0')}-{tail}"))

    async def _own_key(self, http: aiohttp.ClientSession) -> None:
        """Sign by a key that nobody gave out, with what somebody without any secret has."""
        _, delivery, cta, _ = self._token().split("-", 3)
        said = f"own-{delivery}-{cta}"
        mac = hmac.digest(b"", f"fingerpost.cta.v1:{said}".encode(), sha256)[:16]
        signature = urlsafe_b64encode(mac).decode().rstrip("=")
        await self._update(http, self._tap(f"{said}-{signature}"))

    async def _edited_start(self, http: aiohttp.ClientSession) -> None:
        text = f"/start {self._edited()}"
        entity = {"type": "bot_command", "offset": 0, "length": 6}
        await self._update(http, self._said({"text": text, "entities": [entity]}))

    async def _foreign_payment(self, http: aiohttp.ClientSession) -> None:
        payment = {
            "currency": "XTR",
            "total_amount": 25,
            "invoice_payload": "another-product",
            "telegram_payment_charge_id": self._marker,
            "provider_payment_charge_id": "",
        }
        await self._update(http, self._said({"successful_payment": payment}))

    async def _edited_link(self, http: aiohttp.ClientSession) -> None:
        headers = {ROUTE: "forged", MARKER: self._marker, "User-Agent": self._marker}
        async with http.get(f"{self._front}/r/{self._edited()}", headers=headers):
            pass

    def _order(self, **fields: Any) -> bytes:
        order = {
            "id": self._marker, "source": "shop", "kind": "payment", "amount": "1.00",
            "currency": "EUR",
        }  # fmt: skip
        return json.dumps({**order, **fields}).encode()

    async def _wrongly_signed(self, http: aiohttp.ClientSession) -> None:
        body = self._order()
        headers = signed(body, secret="whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")
        await self._post(http, "forged", "/v1/conversions", body, headers)

    async def _unsigned(self, http: aiohttp.ClientSession) -> None:
        await self._post(http, "forged", "/v1/conversions", self._order())

    async def _stale(self, http: aiohttp.ClientSession) -> None:
        body = self._order()
        headers = signed(body, late=_LATE)
        await self._post(http, "stale", "/v1/conversions", body, headers)

    async def _stale_by_stripe(self, http: aiohttp.ClientSession) -> None:
        bought: Json = {"id": self._marker, "payment_intent": self._marker, "mode": "payment"}
        bought |= {"payment_status": "paid", "amount_total": 990, "currency": "eur"}
        bought["client_reference_id"] = self._token()
        event: Json = {"id": self._marker, "object": "event", "type": "checkout.session.completed"}
        event |= {"created": 1_700_000_000, "livemode": True, "data": {"object": bought}}
        body = json.dumps(event).encode()
        headers = signed_by_stripe(body, late=_LATE)
        await self._post(http, "stale", "/v1/webhooks/stripe", body, headers)

    async def _unreadable_order(self, http: aiohttp.ClientSession) -> None:
        body = self._order(amount="a lot", kind="gift")
        await self._post(http, "malformed", "/v1/conversions", body, signed(body))

    async def _unreadable_update(self, http: aiohttp.ClientSession) -> None:
        headers = {"X-Telegram-Bot-Api-Secret-Token": self._secret}
        update = {"update_id": "x", "callback_query": {"id": [self._marker], "data": {}}}
        await self._post(http, "malformed", WEBHOOK, json.dumps(update).encode(), headers)

    async def _not_json(self, http: aiohttp.ClientSession) -> None:
        headers = {"X-Telegram-Bot-Api-Secret-Token": self._secret}
        body = f'{{"update_id": 1, "{self._marker}'.encode()
        await self._post(http, "malformed", WEBHOOK, body, headers)
