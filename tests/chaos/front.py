"""The load balancer before clicks: notes what comes in, passes it on, notes what was answered.

It does what such a machine may do: the replica is another one each time; one that takes no
connection is passed over. What was sent to a replica and not answered is not sent to another: that
is for the one who asked to repeat.
"""

import asyncio
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
from aiohttp import web

from chaos.history import History

ROUTE, MARKER = "Chaos-Route", "Chaos-Marker"
WEBHOOK = "/telegram/webhook"
_TIMEOUT = aiohttp.ClientTimeout(total=25, connect=2)
_LONGEST_BODY = 500
_HOP = {"connection", "content-length", "host", "transfer-encoding", "date", "server"}


class Front:
    """One address for any number of replicas."""

    def __init__(self, history: History) -> None:
        self.url = ""
        self.replicas: list[tuple[str, str]] = []
        self.untold = 0
        """So many of the next answers do not reach the one who asked."""
        self.twice = 0
        """So many of the next updates are given to both replicas at once."""
        self.answered: dict[int, int] = {}
        """How many requests got which status."""
        self._history = history
        self._turn = 0
        self._runner: web.AppRunner | None = None
        self._client: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Listen from now on."""
        app = web.Application(client_max_size=2**22)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._client = aiohttp.ClientSession(timeout=_TIMEOUT, auto_decompress=False)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"

    async def stop(self) -> None:
        """Listen no more."""
        if self._runner:
            await self._runner.cleanup()
        if self._client:
            await self._client.close()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if request.path == WEBHOOK and self.twice > 0 and ROUTE not in request.headers:
            self.twice -= 1
            answers = await asyncio.gather(
                *(self._ask(request, body, replica) for replica in self.replicas)
            )
            answer = next((found for found in answers if found), None)
        else:
            answer = await self._first(request, body)
        if answer is None:
            return web.Response(status=502, text="no replica answered")
        return answer

    async def _first(self, request: web.Request, body: bytes) -> web.StreamResponse | None:
        self._turn += 1
        for number in range(len(self.replicas)):
            replica = self.replicas[(self._turn + number) % len(self.replicas)]
            try:
                return await self._ask(request, body, replica)
            except aiohttp.ClientConnectorError:
                continue
        return None

    async def _ask(
        self, request: web.Request, body: bytes, replica: tuple[str, str]
    ) -> web.StreamResponse | None:
        """Ask one replica; None where it does not answer, raises where it was never asked."""
        name, address = replica
        number = self._history.next_request()
        self._history.add("request", id=number, to=name, **described(request, body))
        headers = {n: v for n, v in request.headers.items() if _passes(n)}
        if self._client is None:
            raise RuntimeError("the front was not started")
        try:
            async with self._client.request(
                request.method,
                f"{address}{request.raw_path}",
                data=body,
                headers=headers,
                allow_redirects=False,
            ) as found:
                content = await found.read()
        except aiohttp.ClientConnectorError as error:
            self._history.add("answer", id=number, status=None, why=repr(error))
            raise
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._history.add("answer", id=number, status=None, why=repr(error))
            return None
        told = self.untold <= 0
        self.untold -= not told
        self._note(request, number, found, content, told=told)
        if not told:
            if request.transport:
                request.transport.abort()
            return None
        kept = {n: v for n, v in found.headers.items() if n.lower() not in _HOP}
        return web.Response(status=found.status, body=content, headers=kept)

    def _note(
        self,
        request: web.Request,
        number: int,
        found: aiohttp.ClientResponse,
        content: bytes,
        *,
        told: bool,
    ) -> None:
        more: dict[str, Any] = {}
        if request.path == "/v1/conversions" or found.status >= web.HTTPBadRequest.status_code:
            more["body"] = content[:_LONGEST_BODY].decode(errors="replace")
        if click := click_in(found.headers.get("Location", "")):
            more["click_id"] = click
        self._history.add("answer", id=number, status=found.status, told=told, **more)
        self.answered[found.status] = self.answered.get(found.status, 0) + 1


def _passes(header: str) -> bool:
    return header.lower() not in _HOP and header not in {ROUTE, MARKER}


def click_in(location: str) -> str | None:
    """Return the click that a redirect leads on with."""
    found = parse_qs(urlsplit(location).query).get("fp_click")
    return found[0] if found else None


def described(request: web.Request, body: bytes) -> dict[str, Any]:
    """Return a request as the history has it."""
    if route := request.headers.get(ROUTE):
        return {
            "route": route,
            "payload": {
                "path": request.raw_path,
                "body": body.decode(errors="replace"),
                "headers": {n: v for n, v in request.headers.items() if _passes(n)},
            },
            "expects": "nothing",
            "marker": request.headers.get(MARKER),
        }
    if request.path.startswith("/r/"):
        agent = request.headers.get("User-Agent", "")
        return {
            "route": "follow",
            "payload": {"path": request.raw_path, "agent": agent},
            "expects": "recorded",
        }
    payload = json.loads(body)
    if request.path == "/v1/conversions":
        return {"route": "convert", "payload": payload, "expects": "recorded"}
    route = route_of(payload)
    return {
        "route": route,
        "payload": payload,
        "expects": "nothing" if route == "update" else "recorded",
    }


def route_of(update: Mapping[str, Any]) -> str:
    """Return what an update of Telegram is."""
    if "callback_query" in update:
        return "tap"
    message = update.get("message", {})
    if "successful_payment" in message:
        return "pay"
    return "start" if message.get("text", "").startswith("/start ") else "update"
