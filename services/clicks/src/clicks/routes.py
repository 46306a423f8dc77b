"""The HTTP edge: Telegram's webhook, and the links that people follow.

Both are plain ASGI, without a request and a response object around it: a tap is to cost little
more than its acknowledgement by the log.
"""

import hmac
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, Protocol
from urllib.parse import quote

from pydantic_core import from_json, to_json
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from chassis.log import LogUnavailableError
from clicks.callers import Callers
from clicks.domain.calls import Call
from clicks.domain.links import Visit, visit
from clicks.domain.webhook import PATH
from clicks.joins import NoInviteError
from clicks.metrics import REFUSED

LINK_PATH = "/r/"
_LARGEST_BODY = 256 * 1024
_SAFE = ":/%#?=@[]!$&'()*+,;"
"""What of a target may stand in a header as it is; the rest is quoted."""

Header = tuple[bytes, bytes]
_SECRET_HEADER = b"x-telegram-bot-api-secret-token"
_JSON: Header = (b"content-type", b"application/json")
_HTML: Header = (b"content-type", b"text/html; charset=utf-8")
_COME_BACK: Header = (b"retry-after", b"5")
_COME_BACK_LATER: Header = (b"retry-after", b"600")
_NOT_STORED: Header = (b"cache-control", b"no-store")
_NO_REFERRER: Header = (b"referrer-policy", b"no-referrer")
_NOT_INDEXED: Header = (b"x-robots-tag", b"noindex, nofollow")
_PAGE = "<!doctype html><meta charset=utf-8><title>{0}</title><h1>{0}</h1><p>{1}</p>"
_NOT_FOUND = _PAGE.format("Not found", "This link is not, or no longer, active.").encode()
_LATER = _PAGE.format("One moment", "Please try this link again in a few seconds.").encode()
_TOO_MANY = _PAGE.format(
    "Too many at once", "Many people of your network come here. Please try again in a minute."
).encode()
_NO_INVITE = _PAGE.format(
    "No entrance yet", "This invitation cannot be used at the moment. Please try again later."
).encode()

HandleUpdate = Callable[[object], Awaitable[tuple[Call, ...]]]
Answer = Callable[[Call], Awaitable[None]]


class FollowLink(Protocol):
    """Records a followed link and returns its target.

    Raises LogUnavailableError, or NoInviteError where the click is recorded but leads nowhere yet.
    """

    async def __call__(self, token: str, visit: Visit) -> str | None: ...


def webhook(handle: HandleUpdate, answer: Answer, *, secrets: Sequence[str]) -> Route:
    """Make the route that Telegram posts updates to, with any one of `secrets`."""
    return Route(PATH, Webhook(handle, answer, secrets=secrets), methods=["POST"])


def redirect(follow: FollowLink, callers: Callers) -> Route:
    """Make the route of link CTAs; `callers` have so many clicks recorded, and no more."""
    return Route(f"{LINK_PATH}{{token}}", Redirect(follow, callers), methods=["GET"])


class Reply(NamedTuple):
    """A whole response."""

    status: int
    body: bytes = b""
    headers: tuple[Header, ...] = ()

    async def send(self, send: Send) -> None:
        length = (b"content-length", b"%d" % len(self.body))
        await send(
            {
                "type": "http.response.start",
                "status": self.status,
                "headers": [length, *self.headers],
            }
        )
        await send({"type": "http.response.body", "body": self.body})


class Webhook:
    """Takes one update: 200 says that the log has it, and Telegram may forget it.

    The answer to a query goes into the response body, which spares a request. Messages are sent
    by calls of their own: of what is in the body Telegram does not say whether it was refused.
    """

    def __init__(self, handle: HandleUpdate, answer: Answer, *, secrets: Sequence[str]) -> None:
        self._handle = handle
        self._answer = answer
        self._secrets = [secret.encode() for secret in secrets]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (await self._reply(scope, receive)).send(send)

    async def _reply(self, scope: Scope, receive: Receive) -> Reply:
        told = _header(scope, _SECRET_HEADER)
        if not any([hmac.compare_digest(told, secret) for secret in self._secrets]):  # noqa: C419  as long for each
            REFUSED.labels("wrong_secret").inc()
            return Reply(401)
        body = await _body(receive)
        if body is None:
            REFUSED.labels("too_large").inc()
            return Reply(413)
        try:
            calls = await self._handle(_document(body))
        except LogUnavailableError:
            return Reply(503, headers=(_COME_BACK,))
        for call in calls:
            if not call.is_answer:
                await self._answer(call)
        return _said(calls)


class Redirect:
    """Leads to the campaign's own target and nowhere else, once the log has the click."""

    def __init__(self, follow: FollowLink, callers: Callers) -> None:
        self._follow = follow
        self._callers = callers

    async def __call__(self, scope: Scope, _: Receive, send: Send) -> None:
        await (await self._reply(scope)).send(send)

    async def _reply(self, scope: Scope) -> Reply:
        who = self._callers.who(scope)
        if wait := self._callers.wait(who):
            REFUSED.labels("too_many").inc()
            retry_after = (b"retry-after", b"%d" % wait)
            return Reply(429, _TOO_MANY, (_HTML, retry_after, _NOT_STORED))
        # Before the log is waited for: of one address any number may come meanwhile.
        self._callers.spend(who)
        headers = {name.decode("latin-1"): v.decode("latin-1") for name, v in scope["headers"]}
        token = scope["path"].removeprefix(LINK_PATH)
        try:
            target = await self._follow(token, visit(scope["method"], headers))
        except LogUnavailableError:
            self._callers.give_back(who)
            return Reply(503, _LATER, (_HTML, _COME_BACK, _NOT_STORED))
        except NoInviteError as error:
            if error.lasting:
                return Reply(503, _NO_INVITE, (_HTML, _COME_BACK_LATER, _NOT_STORED))
            return Reply(503, _LATER, (_HTML, _COME_BACK, _NOT_STORED))
        if target is None:
            self._callers.give_back(who)
            return Reply(404, _NOT_FOUND, (_HTML, _NOT_STORED))
        location = (b"location", quote(target, safe=_SAFE).encode())
        return Reply(302, headers=(location, _NOT_STORED, _NO_REFERRER, _NOT_INDEXED))


def _header(scope: Scope, name: bytes) -> bytes:
    """Return a header's value, empty where there is none; ASGI has names in lower case."""
    for key, value in scope["headers"]:
        if key == name:
            return bytes(value)
    return b""


async def _body(receive: Receive) -> bytes | None:
    """Return the body, None where it is too large; no more than the limit is ever held."""
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b""
        chunk: bytes = message.get("body", b"")
        body += chunk
        if len(body) > _LARGEST_BODY:
            return None
        if not message.get("more_body", False):
            return body


def _document(body: bytes) -> object:
    """Return the parsed JSON, None for what is none: it is then ignored, and counted, as such."""
    try:
        document: object = from_json(body)
    except ValueError:
        return None
    return document


def _said(calls: Sequence[Call]) -> Reply:
    for call in calls:
        if call.is_answer:
            return Reply(200, to_json(call.body()), (_JSON,))
    return Reply(200)
