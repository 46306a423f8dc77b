"""The description of the API holds: a stranger's tool (schemathesis) asks as it says and otherwise.

FINGERPOST_FUZZ says how many requests of each kind, where the usual few are not enough.
"""

import os
from collections import Counter
from datetime import timedelta

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from clicks import api
from clicks.callers import Callers
from clicks.conversions import Conversions
from clicks.domain.limits import Limit
from clicks.signatures import standard_webhooks, stripe
from clicks.stripe_webhook import StripeEvents
from contracts.token import TokenSigner
from harness.signing import SECRET, STRIPE_SECRET, signed, signed_by_stripe
from harness.takers import Shelf, Taker, now

EXAMPLES = int(os.environ.get("FINGERPOST_FUZZ", "0")) // 20 or 50
HOLDS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


class SignedByHalf:
    """Signs every second request as it passes, so that both sides of the door are seen."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._count = 0
        self.answered: Counter[tuple[str, int]] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await whole(receive) if scope["type"] == "http" else b""
        self._count += 1
        if self._count % 2 and (made := signatures(body)):
            scope = {**scope, "headers": replaced(scope["headers"], made)}

        async def again():
            return {"type": "http.request", "body": body}

        async def counted(message):
            if message["type"] == "http.response.start":
                self.answered[scope["path"], message["status"]] += 1
            await send(message)

        await self._app(scope, again, counted)


async def whole(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    return body


def signatures(body: bytes) -> dict[bytes, bytes]:
    try:
        headers = {**signed(body), **signed_by_stripe(body)}
    except UnicodeDecodeError:
        return {}
    return {name.encode(): value.encode() for name, value in headers.items()}


def replaced(headers, made: dict[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    return [header for header in headers if header[0] not in made] + list(made.items())


def application() -> SignedByHalf:
    signer, taker = TokenSigner({"k1": b"a secret of the tests"}), Taker()
    callers = Callers(Limit(30, timedelta(minutes=1)), trusted_proxies=0, clock=now)
    events = StripeEvents(signer, taker, Shelf(), test_events=True)
    routes = [
        api.conversions(
            Conversions(signer, taker, now).record,
            api.Door(standard_webhooks([SECRET]), callers, setting="OURS"),
        ),
        api.stripe(events.handle, api.Door(stripe([STRIPE_SECRET]), callers, setting="STRIPES")),
        api.openapi(),
    ]
    return SignedByHalf(Starlette(routes=routes))


def asked_by(operation) -> None:
    @given(case=operation.as_strategy())
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        # Else it were up to chance whether a few requests see both sides of the door.
        derandomize="FINGERPOST_FUZZ" not in os.environ,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(case):
        case.call_and_validate(checks=HOLDS)

    ask()


@pytest.mark.timeout(3600)
def test_whatever_is_asked_the_answer_is_one_that_is_described():
    app = application()
    schema = schemathesis.openapi.from_asgi("/v1/openapi.json", app)

    for operation in schema.get_all_operations():
        asked_by(operation.ok())

    seen = app.answered
    assert {seen["/v1/conversions", status] > 0 for status in (200, 401, 422)} == {True}
    assert {seen["/v1/webhooks/stripe", status] > 0 for status in (200, 401)} == {True}
    assert seen["/v1/openapi.json", 200] > 0
