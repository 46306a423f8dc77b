"""Inbound edge: who may read. Stands before every route that is handed to it, and knows no page.

Health and metrics are not behind it. What it decides stands in `domain.access`.
"""

import asyncio
import hmac
from base64 import b64decode
from collections.abc import Sequence
from hashlib import blake2b
from secrets import token_bytes

from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from analytics.domain.access import Admitted, Asked, AskPassword, Refused, Rules, access
from analytics.domain.passwords import Password
from analytics.domain.throttle import Throttle
from chassis.clock import Clock
from chassis.logs import logger

_CHALLENGE = {"WWW-Authenticate": 'Basic realm="Fingerpost", charset="UTF-8"'}
_AT_ONCE = 2
_PLAIN = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

log = logger(__name__)


def guarded(routes: Sequence[BaseRoute], guard: "Guard") -> Sequence[BaseRoute]:
    """Put `routes` behind the login; they must come last, as they take every other address."""
    return (Mount("", routes=list(routes), middleware=[Middleware(Login, guard=guard)]),)


class Guard:
    """Admits or refuses; remembers a right password by a keyed hash, and wrong tries a minute."""

    def __init__(self, rules: Rules, password: Password | None, *, clock: Clock) -> None:
        self._rules = rules
        self._password = password
        self._clock = clock
        self._throttle = Throttle()
        self._key = token_bytes(32)
        self._right: bytes | None = None
        # A hash takes 128 MB and a good tenth of a second: tries must not fill the machine.
        self._room = asyncio.Semaphore(_AT_ONCE)

    async def refusal(self, scope: Scope) -> Response | None:
        """Return what to answer where the request is not admitted."""
        headers, peer = Headers(scope=scope), _peer(scope)
        users = headers.getlist(self._rules.header) if self._rules.header else []
        match access(self._rules, Asked(peer, headers.get("host", ""), users)):
            case Admitted():
                return None
            case Refused(remedy):
                return PlainTextResponse(f"{remedy}\n", status_code=403, headers=_PLAIN)
            case AskPassword():
                return await self._ask(headers.get("authorization", ""), peer or "")

    async def _ask(self, authorization: str, peer: str) -> Response | None:
        given = blake2b(authorization.encode(), key=self._key).digest()
        if self._right and hmac.compare_digest(given, self._right):
            return None
        if not authorization:
            return _challenge("Sign in with the name and password of FINGERPOST_LOGIN_PASSWORD.")
        async with self._room:
            wait = self._throttle.wait(peer, self._clock())
            if wait is not None:
                seconds = str(int(wait.total_seconds()) + 1)
                return PlainTextResponse(
                    f"Too many wrong passwords; wait {seconds} s, then try again.\n",
                    status_code=429,
                    headers={**_PLAIN, "Retry-After": seconds},
                )
            if await self._matches(authorization):
                self._throttle.right(peer)
                self._right = given
                return None
            self._throttle.wrong(peer, self._clock())
        log.warning("wrong password for the dashboard", peer=peer)
        return _challenge("That is not the name and password of FINGERPOST_LOGIN_PASSWORD.")

    async def _matches(self, authorization: str) -> bool:
        scheme, _, encoded = authorization.partition(" ")
        try:
            name, colon, word = b64decode(encoded.strip(), validate=True).decode().partition(":")
        except ValueError:
            return False
        if scheme.lower() != "basic" or not colon or self._password is None:
            return False
        return await asyncio.to_thread(self._password.matches, name, word)


class Login:
    """The middleware: asks the guard before each request."""

    def __init__(self, app: ASGIApp, guard: Guard) -> None:
        self._app = app
        self._guard = guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = await self._guard.refusal(scope) if scope["type"] == "http" else None
        await (refusal or self._app)(scope, receive, send)


def _challenge(text: str) -> Response:
    return PlainTextResponse(f"{text}\n", status_code=401, headers={**_PLAIN, **_CHALLENGE})


def _peer(scope: Scope) -> str | None:
    client = scope.get("client")
    return client[0] if client else None
