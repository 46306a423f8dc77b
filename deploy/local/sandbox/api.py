"""The Bot API over HTTP: find the bot and the method, apply planned faults, answer as Telegram."""

import asyncio
import inspect
from collections import deque
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from sandbox.faults import Fault
from sandbox.forms import Parameters, read_parameters
from sandbox.methods import METHODS
from sandbox.records import Bot, Chat, Json
from sandbox.refusals import (
    Refusal,
    bad_request,
    forbidden,
    migrated,
    too_many,
    unauthorized,
    unknown_method,
)
from sandbox.telegram import Call, Telegram

_LARGEST_BODY = 52 * 1024 * 1024
_JOURNAL = 20_000
_BAD_GATEWAY = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
_DESCRIBED = {
    "setwebhook": "Webhook was set",
    "deletewebhook": "Webhook was deleted",
}
_REASONS = {
    "no_rights": "need administrator rights in the channel chat",
    "no_file": "failed to get HTTP URL content",
    "cannot_delete": "message can't be deleted",
}
Cut = Callable[[], None]


class BotApi:
    """Answers calls; `calls` is the journal of the latest of them."""

    def __init__(self, telegram: Telegram):
        self._telegram = telegram
        self.calls: deque[Json] = deque(maxlen=_JOURNAL)

    async def endpoint(self, request: Request) -> Response:
        """`/bot<token>/<method>`, GET or POST."""
        try:
            bot = self._telegram.world.bot_by_token(request.path_params["token"])
            if bot is None:
                raise unauthorized()
            parameters = await _parameters(request)
            cut = request.scope["extensions"]["sandbox.cut"]
            return await self._answer(bot, request.path_params["method"], parameters, cut)
        except Refusal as refusal:
            return JSONResponse(refusal.body(), refusal.code)

    async def execute(self, bot: Bot, name: str, parameters: Parameters) -> Any:
        """Run one method and make its effect durable; Refusal when Telegram would refuse."""
        method = METHODS.get(name.lower())
        if method is None:
            raise unknown_method()
        try:
            result = method(Call(self._telegram, bot, parameters))
            if inspect.isawaitable(result):
                result = await result
        finally:
            self._telegram.world.commit()
        return result

    async def _answer(self, bot: Bot, name: str, parameters: Parameters, cut: Cut) -> Response:
        chat = self._chat(parameters)
        fault = self._telegram.faults.take(name, chat.key if chat else parameters.text("chat_id"))
        entry = self._journal(bot, name, parameters, fault)
        try:
            response = await self._faulty(bot, name, parameters, fault, cut)
        except Refusal as refusal:
            entry["error"] = refusal.description
            response = JSONResponse(refusal.body(), refusal.code)
        entry["status"] = response.status_code
        return response

    def _journal(self, bot: Bot, name: str, parameters: Parameters, fault: Fault | None) -> Json:
        entry = {
            "method": name,
            "bot_id": bot.id,
            "chat_id": parameters.values.get("chat_id"),
            "at": self._telegram.world.now(),
            "status": None,
            "error": None,
            "fault": fault.kind if fault else None,
        }
        self.calls.append(entry)
        return entry

    async def _faulty(
        self, bot: Bot, name: str, parameters: Parameters, fault: Fault | None, cut: Cut
    ) -> Response:
        if fault and not _has_effect(fault):
            return await self._refuse(fault, parameters, cut)
        result = await self.execute(bot, name, parameters)
        if fault is None:
            return JSONResponse(_success(name, result))
        return await _spoiled(fault, name, result, cut)

    async def _refuse(self, fault: Fault, parameters: Parameters, cut: Cut) -> Response:
        match fault.kind:
            case "drop_before":
                return await _dropped(cut)
            case "html_502":
                return HTMLResponse(_BAD_GATEWAY, 502)
            case "server_error":
                raise Refusal(500, "Internal Server Error: Request aborted")
            case "restart":
                raise Refusal(500, "Internal Server Error: restart")
            case "too_many":
                raise too_many(fault.retry_after)
            case "too_many_without_parameters":
                raise Refusal(429, "Too Many Requests")
            case "no_rights" | "no_file" | "cannot_delete":
                raise bad_request(_REASONS[fault.kind])
            case "migrated":
                raise self._migrate(parameters, fault)
            case _:
                raise forbidden(f"bot was kicked from the {self._kind_of_chat(parameters)} chat")

    def _chat(self, parameters: Parameters) -> Chat | None:
        given = parameters.text("chat_id")
        world = self._telegram.world
        return world.chat_by_username(given) if given.startswith("@") else world.chats.get(given)

    def _kind_of_chat(self, parameters: Parameters) -> str:
        chat = self._chat(parameters)
        return chat.type if chat else "channel"

    def _migrate(self, parameters: Parameters, fault: Fault) -> Refusal:
        """Give the chat a new id for good; the old one keeps answering with it."""
        world = self._telegram.world
        old = self._chat(parameters)
        if old is None:
            return bad_request("chat not found")
        if old.migrated_to is None:
            default = -1_009_000_000_000 - world.counters.next("migration")
            new_id = fault.migrate_to_chat_id or default
            bots = dict(old.bots)
            world.chats.save(Chat(new_id, "supergroup", old.title, "", old.members, bots=bots))
            old.migrated_to = new_id
            world.chats.save(old)
            world.commit()
        return migrated(old.migrated_to)


async def _parameters(request: Request) -> Parameters:
    if int(request.headers.get("content-length", 0)) > _LARGEST_BODY:
        raise Refusal(413, "Request Entity Too Large")
    content_type = request.headers.get("content-type", "")
    return read_parameters(request.url.query, content_type, await request.body())


def _has_effect(fault: Fault) -> bool:
    always = {"accept_then_drop", "late", "bad_result"}
    return fault.kind in always or (fault.effect and fault.kind in {"html_502", "server_error"})


async def _spoiled(fault: Fault, name: str, result: Any, cut: Cut) -> Response:
    """The effect happened; what the caller gets to know of it."""
    match fault.kind:
        case "accept_then_drop":
            return await _dropped(cut)
        case "html_502":
            return HTMLResponse(_BAD_GATEWAY, 502)
        case "server_error":
            return JSONResponse(Refusal(500, "Internal Server Error: Request aborted").body(), 500)
        case "bad_result":
            return JSONResponse({"ok": True, "result": _invalid(result)})
    await asyncio.sleep(fault.seconds)
    return JSONResponse(_success(name, result))


def _invalid(result: Any) -> Json:
    """A result no client can read as a Message; the id is still in it."""
    whole = result if isinstance(result, dict) else {}
    return {**whole, "date": "soon", "chat": None}


def _success(name: str, result: Any) -> Json:
    body: Json = {"ok": True, "result": result}
    description = _DESCRIBED.get(name.lower())
    return body | ({"description": description} if description else {})


async def _dropped(cut: Cut) -> Response:
    """Close the connection without a byte; the response returned goes nowhere."""
    cut()
    await asyncio.sleep(0.01)
    return Response(status_code=499)
