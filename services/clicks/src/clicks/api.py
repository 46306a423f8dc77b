"""The HTTP edge of other systems: signed conversions, Stripe's events, and their description."""

import json
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from typing import NoReturn

from pydantic import BaseModel
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from chassis.log import LogUnavailableError
from chassis.logs import logger
from clicks.callers import Callers
from clicks.domain.conversions import LARGEST_BATCH, Answer
from clicks.metrics import REFUSED
from clicks.openapi import Problem, document
from clicks.signatures import Check
from clicks.stripe_webhook import UnreadableStripeEventError

CONVERSIONS_PATH = "/v1/conversions"
STRIPE_PATH = "/v1/webhooks/stripe"
OPENAPI_PATH = "/v1/openapi.json"
LARGEST_BODY = 256 * 1024
_LATER_SECONDS = 5
_NOT_SET_UP_SECONDS = 300

Record = Callable[[Sequence[object]], Awaitable[Answer]]
HandleEvent = Callable[[object], Awaitable[str]]

log = logger(__name__)


class Door:
    """Lets in what carries a valid signature; without a `check` nothing is let in."""

    def __init__(self, check: Check | None, callers: Callers, *, setting: str) -> None:
        self._check = check
        self._callers = callers
        self._setting = setting
        self._warned = False

    async def admit(self, request: Request) -> bytes | Response:
        """Return the body, or what to answer instead."""
        if self._check is None:
            return self._not_set_up(request)
        body = await _body(request)
        if body is None:
            REFUSED.labels("too_large").inc()
            return _refusal(413, "the body is too large", f"send at most {LARGEST_BODY} bytes")
        if problem := self._check(body, request.headers):
            return self._turned_away(request, problem)
        # A right signature is let in however often others of the address, which may be a proxy's,
        # were wrong.
        return body

    def _turned_away(self, request: Request, problem: str) -> Response:
        who = self._callers.who(request.scope)
        if wait := self._callers.wait(who):
            REFUSED.labels("too_many").inc()
            return _refusal(429, "too many wrong signatures", "wait, and check the secret", wait)
        self._callers.spend(who)
        REFUSED.labels("wrong_signature").inc()
        return _refusal(401, problem, f"sign with a secret of {self._setting}, and say when")

    def _not_set_up(self, request: Request) -> Response:
        if not self._warned:
            self._warned = True
            path, remedy = request.url.path, f"set {self._setting}"
            log.warning("asked for what is not set up", path=path, remedy=remedy)
        return _refusal(
            503, "this is not set up", "ask the operator to set it up", _NOT_SET_UP_SECONDS
        )


def conversions(record: Record, door: Door) -> Route:
    """Make the route on which other systems say what people did."""

    async def endpoint(request: Request) -> Response:
        body = await door.admit(request)
        if isinstance(body, Response):
            return body
        try:
            said = _parsed(body)
            items = _items(said)
            answer = await record(items)
        except ValueError as error:
            REFUSED.labels("malformed").inc()
            return _refusal(422, str(error), f"see {OPENAPI_PATH}")
        except LogUnavailableError:
            return _later()
        alone = items[0] is said
        return _said(answer, 422 if alone and answer.results[0].status == "refused" else 200)

    return Route(CONVERSIONS_PATH, endpoint, methods=["POST"])


def stripe(handle: HandleEvent, door: Door) -> Route:
    """Make the route that Stripe posts its events to."""

    async def endpoint(request: Request) -> Response:
        body = await door.admit(request)
        if isinstance(body, Response):
            return body
        try:
            await handle(_parsed(body))
        except UnreadableStripeEventError as error:
            return _refusal(422, str(error), "update Fingerpost, and have it sent again")
        except ValueError as error:
            REFUSED.labels("malformed").inc()
            return _refusal(422, str(error), "send an event as Stripe does")
        except LogUnavailableError:
            return _later()
        return Response()

    return Route(STRIPE_PATH, endpoint, methods=["POST"])


def openapi() -> Route:
    """Make the route of the API's description."""

    async def endpoint(_: Request) -> Response:
        return Response(document(), media_type="application/json")

    return Route(OPENAPI_PATH, endpoint, methods=["GET"])


async def _body(request: Request) -> bytes | None:
    """Return the body, None where it is too large; no more than the limit is ever held."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > LARGEST_BODY:
                return None
    except ClientDisconnect:
        return b""
    return bytes(body)


def _parsed(body: bytes) -> object:
    """Return the parsed JSON; numbers stay exactly what was written. Raises ValueError."""
    try:
        return json.loads(body, parse_float=Decimal, parse_constant=_no_number)
    except (ValueError, ArithmeticError, RecursionError):
        raise ValueError("the body is no JSON") from None


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _items(said: object) -> list[object]:
    """Return the conversions of a batch, or the one that was sent by itself."""
    if not isinstance(said, dict) or "conversions" not in said:
        return [said]
    items = said["conversions"]
    if not isinstance(items, list) or not 1 <= len(items) <= LARGEST_BATCH or len(said) > 1:
        raise ValueError(f"conversions must be a list of 1 to {LARGEST_BATCH}, and stand alone")
    return items


def _said(answer: BaseModel, status: int, headers: dict[str, str] | None = None) -> Response:
    body = answer.model_dump_json(exclude_defaults=True)
    return Response(body, status, headers, media_type="application/json")


def _refusal(status: int, error: str, remedy: str, wait: int = 0) -> Response:
    headers = {"Retry-After": str(wait)} if wait else None
    return _said(Problem(error=error, remedy=remedy), status, headers)


def _later() -> Response:
    return _refusal(503, "the log did not acknowledge", "say all of it again", _LATER_SECONDS)
