"""A typed client of the control API, for the demo and for tests."""

from types import TracebackType
from typing import Any, Self

import httpx
from pydantic import BaseModel

Json = dict[str, Any]


class Started(BaseModel):
    """The start a tap led to."""

    bot: str
    payload: str
    message_id: int


class Tap(BaseModel):
    """What a person saw after a tap; `kind` is callback, url, copy or another button's action."""

    kind: str
    callback_query_id: str = ""
    answered: bool = False
    text: str = ""
    show_alert: bool = False
    url: str = ""
    waited_ms: float = 0.0
    cached: bool = False
    started: Started | None = None


class Payment(BaseModel):
    """How a payment ended: paid, rejected, timeout or canceled."""

    outcome: str
    charge_id: str | None
    error_message: str = ""


class SandboxError(Exception):
    """The control API refused; the text says why."""


class Sandbox:
    """Sets the scene, plays the people and looks at what happened."""

    def __init__(self, base_url: str, timeout: float = 30.0):
        self._http = httpx.AsyncClient(base_url=f"{base_url}/control", timeout=timeout)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def _call(self, method: str, path: str, body: Json | None = None) -> Json:
        answer = await self._http.request(method, path, json=body)
        document: Json = answer.json()
        if answer.is_error:
            raise SandboxError(f"{answer.status_code} {document.get('error', document)}")
        return document

    async def health(self) -> Json:
        return await self._call("GET", "/healthz")

    async def put_bot(self, bot_id: int, token: str, username: str, name: str = "") -> Json:
        body = {"token": token, "username": username, "name": name}
        return await self._call("PUT", f"/bots/{bot_id}", body)

    async def put_chat(self, chat_id: int, title: str, **fields: Any) -> Json:
        """Create or change a chat; `fields` as in the README: type, username, bots and so on."""
        return await self._call("PUT", f"/chats/{chat_id}", {"title": title, **fields})

    async def put_person(
        self, user_id: int, first_name: str, username: str = "", language_code: str = "en"
    ) -> Json:
        body = {"first_name": first_name, "username": username, "language_code": language_code}
        return await self._call("PUT", f"/people/{user_id}", body)

    async def tap(
        self,
        user_id: int,
        chat_id: int,
        message_id: int,
        row: int = 0,
        column: int = 0,
        *,
        callback_data: str | None = None,
        wait: float = 10.0,
        follow: bool = True,
        bot: str | None = None,
    ) -> Tap:
        """Tap a button, or send forged callback data; returns when the bot has answered."""
        body = {
            "chat_id": chat_id,
            "message_id": message_id,
            "row": row,
            "column": column,
            "callback_data": callback_data,
            "wait": wait,
            "follow": follow,
            "bot": bot,
        }
        return Tap.model_validate(await self._call("POST", f"/people/{user_id}/tap", body))

    async def start(self, user_id: int, bot: str, payload: str = "") -> Json:
        body = {"bot": bot, "payload": payload}
        return await self._call("POST", f"/people/{user_id}/start", body)

    async def say(
        self, user_id: int, text: str, *, chat_id: int | None = None, bot: str | None = None
    ) -> Json:
        body = {"text": text, "chat_id": chat_id, "bot": bot}
        return await self._call("POST", f"/people/{user_id}/say", body)

    async def pay(
        self,
        user_id: int,
        invoice_link: str | None = None,
        *,
        message_id: int | None = None,
        bot: str | None = None,
        renew: bool = False,
    ) -> Payment:
        """Pay by an invoice link, or the invoice message in the chat with `bot`."""
        body = {"invoice_link": invoice_link, "message_id": message_id, "bot": bot, "renew": renew}
        return Payment.model_validate(await self._call("POST", f"/people/{user_id}/pay", body))

    async def charge_back(self, user_id: int, charge_id: str) -> Json:
        """Take a payment back without a word to the bot."""
        return await self._call("POST", f"/people/{user_id}/charge_back", {"charge_id": charge_id})

    async def join(
        self, user_id: int, *, invite_link: str | None = None, chat_id: int | None = None
    ) -> Json:
        body = {"invite_link": invite_link, "chat_id": chat_id}
        return await self._call("POST", f"/people/{user_id}/join", body)

    async def leave(self, user_id: int, chat_id: int) -> Json:
        return await self._call("POST", f"/people/{user_id}/leave", {"chat_id": chat_id})

    async def block(self, user_id: int, bot: str) -> Json:
        return await self._call("POST", f"/people/{user_id}/block", {"bot": bot})

    async def promote(self, user_id: int, chat_id: int, bot: str, **rights: bool) -> Json:
        """Make `bot` an administrator of a chat; `rights` as can_post_messages=False take one."""
        body = {"chat_id": chat_id, "bot": bot, "rights": rights}
        return await self._call("POST", f"/people/{user_id}/promote", body)

    async def kick(self, user_id: int, chat_id: int, bot: str) -> Json:
        """Remove `bot` from a chat."""
        body = {"chat_id": chat_id, "bot": bot}
        return await self._call("POST", f"/people/{user_id}/kick", body)

    async def post(self, chat_id: int, text: str) -> Json:
        """A human administrator posts."""
        return await self._call("POST", f"/chats/{chat_id}/post", {"text": text})

    async def inject(self, bot_id: int, update: Json) -> int:
        """Deliver a raw update; returns its id."""
        answer = await self._call("POST", f"/updates/{bot_id}", {"update": update})
        return int(answer["update_id"])

    async def repeat(self, bot_id: int, update_id: int) -> None:
        await self._call("POST", f"/updates/{bot_id}/repeat", {"update_id": update_id})

    async def lose_updates(self, bot_id: int, *kinds: str) -> None:
        """Lose all updates of these kinds from now on; none named: lose nothing any more."""
        await self._call("PUT", f"/updates/{bot_id}/lost", {"kinds": list(kinds)})

    async def plan_fault(self, kind: str, method: str = "*", **fields: Any) -> None:
        """Plan a fault; `fields`: chat_id, times, seconds, retry_after, effect."""
        await self._call("POST", "/faults", {"kind": kind, "method": method, **fields})

    async def faults(self) -> list[Json]:
        return list((await self._call("GET", "/faults"))["faults"])

    async def clear_faults(self) -> None:
        await self._call("DELETE", "/faults")

    async def set_limits(self, **limits: Any) -> Json:
        """Change flood limits, `callback_window`, or switch all floods off with `off=True`."""
        return await self._call("POST", "/limits", limits)

    async def advance_clock(self, seconds: float) -> None:
        await self._call("POST", "/clock", {"advance": seconds})

    async def chats(self) -> list[Json]:
        return list((await self._call("GET", "/chats"))["chats"])

    async def messages(self, chat_id: int, after: int = 0) -> list[Json]:
        """Messages of a chat with a greater id than `after`, deleted ones included."""
        return list(
            (await self._call("GET", f"/chats/{chat_id}/messages?after={after}"))["messages"]
        )

    async def private_messages(self, user_id: int) -> list[Json]:
        return list((await self._call("GET", f"/people/{user_id}/messages"))["messages"])

    async def callbacks(self) -> list[Json]:
        return list((await self._call("GET", "/callbacks"))["callbacks"])

    async def charges(self) -> list[Json]:
        return list((await self._call("GET", "/charges"))["charges"])

    async def updates(self, bot_id: int) -> Json:
        """`pending_count`, `expired_count`, `pending`, `delivered` and the webhook's state."""
        return await self._call("GET", f"/updates/{bot_id}")

    async def calls(self, method: str = "") -> list[Json]:
        return list((await self._call("GET", f"/calls?method={method}"))["calls"])
