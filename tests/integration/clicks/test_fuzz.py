"""Whatever the network sends, the log stays as it was, nothing fails, and memory does not grow.

FINGERPOST_FUZZ says how many requests, where the usual few are not enough.
"""

import asyncio
import json
import os
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from copy import deepcopy
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import quote, unquote

import psutil
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from starlette.types import ASGIApp

from harness.signing import SECRET, STRIPE_SECRET, signed, signed_by_stripe

REQUESTS = int(os.environ.get("FINGERPOST_FUZZ", "2000"))
ECHOES = 4
AT_ONCE = 50
MEGABYTE = 2**20
TELEGRAM = {"X-Telegram-Bot-Api-Secret-Token": "hook-secret"}
ALLOWED = {200, 400, 401, 404, 405, 413, 422, 429}
"""What may be answered; of the 5xx only the 503 is documented, and the log is there."""

HEADERS = [
    *(*TELEGRAM, "webhook-id", "webhook-timestamp", "webhook-signature", "stripe-signature"),
    *("x-forwarded-for", "user-agent", "content-type"),
]
SCRAPS = [
    *("", "0", "-1", "null", "\x00", "\r\n", "../..", "%2e%2e%2f", "%00", "\u202e", "\U0001d54f"),
    *("NaN", "1e999", "9" * 400, "' or 1=1--", "<script>", "{{7*7}}", "${jndi:ldap://x}", "k1-"),
    *("conversion.recorded.>", "*", "x" * 5000),
]
JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=30)
    | st.sampled_from(SCRAPS),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=4,
)


class Ask(NamedTuple):
    """One request."""

    method: str
    path: str
    body: bytes = b""
    headers: Mapping[str, str] = MappingProxyType({})


@st.composite
def bent(draw, template):
    """`template` with up to two of its parts left out or replaced."""
    document = deepcopy(template)
    for _ in range(draw(st.integers(0, 2))):
        *way, name = draw(st.sampled_from(list(places(template))))
        parent = document
        for step in way:
            parent = parent.get(step) if isinstance(parent, dict) else None
        if isinstance(parent, dict):
            parent[name] = draw(JUNK)
            if draw(st.booleans()):
                del parent[name]
    return document


def places(template, way=()) -> Iterator[tuple[str, ...]]:
    for name, value in template.items():
        yield (*way, name)
        if isinstance(value, dict):
            yield from places(value, (*way, name))


def forged(token: str):
    """What looks like a token of ours: each differs from it in something."""
    places = st.integers(0, len(token) - 1)
    letters = st.sampled_from("abcdefgh01234-_ABC")
    flipped = st.builds(lambda n, c: token[:n] + c + token[n + 1 :], places, letters)
    return (
        flipped | st.builds(lambda n: token[:n], places) | st.just(token + "A") | st.text()
    ).filter(lambda made: made.strip() != token)


def updates(token: str):
    """Updates whose token is forged, and not even they are whole.

    Payments are not among them: once Telegram says so the money has changed hands, and that is
    recorded whatever led to it.
    """
    person = {"id": 7, "is_bot": False, "first_name": "Eve", "language_code": "de"}
    chat = {"id": 7, "type": "private"}
    tap = {"id": "1", "from": person, "message": {"message_id": 4, "chat": chat}, "data": token}
    checkout = {"id": "2", "from": person, "currency": "XTR", "total_amount": 250}
    message = {"message_id": 3, "from": person, "chat": chat, "date": 1_772_366_400}
    return st.one_of(
        bent({"update_id": 1, "callback_query": tap}),
        bent({"update_id": 2, "message": {**message, "text": f"/start {token}"}}),
        bent({"update_id": 3, "pre_checkout_query": {**checkout, "invoice_payload": token}}),
    )


def conversions(token: str):
    """Conversions that are never right: their token is forged, or their source is ours."""
    wrong = st.just({"token": token}) | st.just({"source": "stripe"})
    fields = {"kind": "payment", "amount": "9.90", "currency": "EUR", "user_id": 7}
    one = st.builds(lambda bad, rest: {**rest, **bad}, wrong, bent(fields))
    return one | st.lists(one, max_size=3).map(lambda many: {"conversions": many}) | JUNK


def stripe_events(token: str):
    session = {"id": "cs_1", "mode": "payment", "payment_status": "paid", "payment_intent": "pi_1"}
    session |= {"amount_total": 990, "currency": "eur", "client_reference_id": token}
    invoice = {"id": "in_1", "subscription": "sub_1", "billing_reason": "subscription_cycle"}
    invoice |= {"amount_paid": 990, "currency": "eur"}
    charge = {"id": "ch_1", "amount_refunded": 990, "currency": "eur", "payment_intent": "pi_1"}
    told = [
        ("checkout.session.completed", session),
        ("invoice.paid", invoice),
        ("charge.refunded", charge),
    ]
    return st.one_of(
        bent(
            {
                "object": "event",
                "type": kind,
                "livemode": True,
                "created": 1_772_366_400,
                "data": {"object": thing, "previous_attributes": {"amount_refunded": 0}},
            }
        )
        for kind, thing in told
    )


def dumped(document) -> bytes:
    return json.dumps(document).encode()


def asks(token: str):
    """Requests of every kind, with tokens that differ from `token`."""
    fake = forged(token)
    raw = st.binary(max_size=200) | st.sampled_from([b"[" * 5000, b"\xff\xfe", b"1" * 5000])
    odd = st.dictionaries(
        st.sampled_from(HEADERS),
        st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=40)
        | st.sampled_from(["v1,", "v1,A v1", "t=1,v1=0", "t=,v1", "nan", "application/json"]),
        max_size=4,
    )
    posts = ["/telegram/webhook", "/v1/conversions", "/v1/webhooks/stripe"]
    hook, said, sold = posts
    methods = st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "X"])
    return st.one_of(
        st.builds(Ask, st.just("POST"), st.just(hook), raw, st.just(TELEGRAM)),
        fake.flatmap(updates).map(lambda u: Ask("POST", hook, dumped(u), TELEGRAM)),
        fake.map(lambda made: Ask("GET", f"/r/{made}", headers={"user-agent": "Mozilla/5.0"})),
        st.builds(Ask, methods, st.builds("/r/{}".format, fake), raw, odd),
        st.builds(Ask, methods, st.builds("/{}".format, st.text(max_size=40)), raw, odd),
        st.builds(Ask, methods, st.sampled_from(posts), raw, odd),
        st.builds(
            Ask, st.just("POST"), st.sampled_from(posts), fake.flatmap(updates).map(dumped), odd
        ),
        fake.flatmap(conversions).map(dumped).map(lambda b: Ask("POST", said, b, signed(b))),
        fake.flatmap(stripe_events)
        .map(dumped)
        .map(lambda b: Ask("POST", sold, b, signed_by_stripe(b))),
    )


def hostile(token: str, many: int) -> list[Ask]:
    """Return `many` requests as hypothesis makes them up."""
    made: list[Ask] = []

    @settings(
        max_examples=many,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(asks(token))
    def make_up(ask):
        made.append(ask)

    make_up()
    return made


def echoes(ask: Ask, token: str, chance: random.Random) -> Iterator[Ask]:
    """Yield `ask`, and copies in which one byte of the body or one letter of the path differs."""
    yield ask
    for _ in range(ECHOES):
        body, path = bytearray(ask.body), ask.path
        if body and chance.random() < 0.5:
            body[chance.randrange(len(body))] = chance.randrange(256)
        else:
            place = chance.randrange(1, len(path) + 1)
            path = path[:place] + chr(chance.randrange(1, 0x250)) + path[place + 1 :]
        if token not in path and token.encode() not in body:
            yield ask._replace(body=bytes(body), path=path)


async def send(app: ASGIApp, ask: Ask) -> int:
    """Ask as a server does, without the client that would refuse to send half of it."""
    path, _, query = unquote(quote(ask.path, safe="/%?", errors="surrogatepass")).partition("?")
    headers = [
        (name.lower().encode(), value.encode("latin-1")) for name, value in ask.headers.items()
    ]
    status = 0

    async def receive():
        return {"type": "http.request", "body": ask.body}

    async def reply(message):
        nonlocal status
        status = message.get("status", status)

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": ask.method,
        "scheme": "http",
        "path": path,
        "raw_path": quote(path).encode(),
        "query_string": quote(query).encode(),
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 4711),
        "server": ("clicks", 80),
    }
    await app(scope, receive, reply)
    return status


@pytest.mark.timeout(7200)
async def test_hostile_requests_change_nothing_fail_nothing_and_cost_no_memory(
    stage, dues, nats_url, run_here
):
    environment = stage.webhook_environment(nats_url, 1)
    environment |= {"FINGERPOST_CONVERSION_SECRETS": SECRET}
    environment |= {"FINGERPOST_STRIPE_SECRETS": STRIPE_SECRET}
    answered: Counter[int] = Counter()
    async with run_here(environment) as edge:
        await edge.ready()
        before = await dues.envelopes()
        batch, memory, chance = min(REQUESTS, 5_000), [], random.Random(REQUESTS)
        token = stage.promo_token()
        while answered.total() < REQUESTS:
            made = [
                echo
                for ask in hostile(token, batch // ECHOES)
                for echo in echoes(ask, token, chance)
            ]
            for place in range(0, len(made), AT_ONCE):
                some = made[place : place + AT_ONCE]
                answered.update(
                    await asyncio.gather(*(send(edge.service.served, ask) for ask in some))
                )
            memory.append(psutil.Process().memory_info().rss // MEGABYTE)

        assert await dues.envelopes() == before
        honest = await edge.http.get(f"/r/{stage.guide_token()}", headers={"user-agent": "Mozilla"})

    print(f"{answered.total()} requests: {dict(answered)}; MB {memory}")  # noqa: T201
    assert set(answered) <= ALLOWED
    assert honest.status_code == 302
    assert memory[-1] - memory[len(memory) // 3] < 20
