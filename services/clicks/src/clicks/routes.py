"""The HTTP edge: Telegram's webhook, and the links that people follow."""

import hmac
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from chassis.log import LogUnavailableError
from clicks.domain.calls import Call
from clicks.metrics import REFUSED

WEBHOOK_PATH = "/telegram/webhook"
_LARGEST_BODY = 256 * 1024
_SECRET_HEADER = "x-telegram-bot-api-secret-token"  # noqa: S105  a header's name
_COME_BACK = {"Retry-After": "5"}
_NOT_STORED = {"Cache-Control": "no-store"}
_PAGE = "<!doctype html><meta charset=utf-8><title>{0}</title><h1>{0}</h1><p>{1}</p>"
_NOT_FOUND = _PAGE.format("Not found", "This link is not, or no longer, active.")
_LATER = _PAGE.format("One moment", "Please try this link again in a few seconds.")

HandleUpdate = Callable[[object], Awaitable[tuple[Call, ...]]]
Answer = Callable[[Call], Awaitable[None]]


class FollowLink(Protocol):
    """Records a followed link and returns its target; raises LogUnavailableError."""

    async def __call__(self, token: str, *, method: str, user_agent: str) -> str | None: ...


def webhook(handle: HandleUpdate, answer: Answer, *, secret: str) -> Route:
    """Make the route that Telegram posts updates to.

    The answer to a query goes into the response body, which spares a request. Messages are sent
    by calls of their own: of what is in the body Telegram does not say whether it was refused.
    """
    expected = secret.encode()

    async def endpoint(request: Request) -> Response:
        given = request.headers.get(_SECRET_HEADER, "").encode()
        if not hmac.compare_digest(given, expected):
            REFUSED.labels("wrong_secret").inc()
            return Response(status_code=401)
        body = await _body(request)
        if body is None:
            REFUSED.labels("too_large").inc()
            return Response(status_code=413)
        try:
            calls = await handle(_document(body))
        except LogUnavailableError:
            return Response(status_code=503, headers=_COME_BACK)
        for call in calls:
            if not call.is_answer:
                await answer(call)
        return _reply(calls)

    return Route(WEBHOOK_PATH, endpoint, methods=["POST"])


def redirect(follow: FollowLink) -> Route:
    """Make the route of link CTAs: it leads to the campaign's own target and nowhere else."""

    async def endpoint(request: Request) -> Response:
        agent = request.headers.get("user-agent", "")
        token = request.path_params["token"]
        try:
            target = await follow(token, method=request.method, user_agent=agent)
        except LogUnavailableError:
            return HTMLResponse(_LATER, 503, {**_COME_BACK, **_NOT_STORED})
        if target is None:
            return HTMLResponse(_NOT_FOUND, 404, _NOT_STORED)
        return RedirectResponse(target, 302, _NOT_STORED)

    return Route("/r/{token}", endpoint, methods=["GET"])


async def _body(request: Request) -> bytes | None:
    """Return the body, None where it is too large; no more than the limit is ever held."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > _LARGEST_BODY:
                return None
    except ClientDisconnect:
        return b""
    return bytes(body)


def _document(body: bytes) -> object:
    """Return the parsed JSON, None for what is none: it is then ignored, and counted, as such."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _reply(calls: Sequence[Call]) -> Response:
    for call in calls:
        if call.is_answer:
            return Response(json.dumps(call.body()), media_type="application/json")
    return Response()
