"""The HTTP edge, over handlers that are played by the test."""

import asyncio
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from starlette.applications import Starlette

from chassis.log import LogUnavailableError
from clicks.callers import Callers
from clicks.domain.calls import Call
from clicks.domain.limits import Limit
from clicks.domain.links import Visit
from clicks.routes import redirect, webhook

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SECRET = "right-secret"
HEADERS = {"X-Telegram-Bot-Api-Secret-Token": SECRET}
GREETING = Call("sendMessage", {"chat_id": 1, "text": "Hi"})
ANSWER = Call("answerCallbackQuery", {"callback_query_id": "7"})
INVOICE = Call("sendInvoice", {"chat_id": 1, "title": "Premium"})


class Edge:
    """The routes, the documents that reached the handlers, and the calls made besides."""

    def __init__(self) -> None:
        self.seen: list[object] = []
        self.made: list[Call] = []
        self.calls: tuple[Call, ...] = ()
        self.target: str | None = "https://example.org/guide?a=b&c=%20"
        self.away = False
        limit = Limit(2, timedelta(minutes=1))
        callers = Callers(limit, trusted_proxies=0, clock=lambda: NOW)
        routes = [
            webhook(self._update, self._answer, secrets=[SECRET]),
            redirect(self._follow, callers),
        ]
        self.app = Starlette(routes=routes)
        transport = httpx.ASGITransport(self.app)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://clicks")

    async def post(self, content: bytes, headers=HEADERS) -> httpx.Response:
        return await self.http.post("/telegram/webhook", content=content, headers=headers)

    async def _update(self, document: object) -> tuple[Call, ...]:
        if self.away:
            raise LogUnavailableError("away")
        self.seen.append(document)
        return self.calls

    async def _answer(self, call: Call) -> None:
        self.made.append(call)

    async def _follow(self, token: str, visit: Visit) -> str | None:
        await asyncio.sleep(0)  # as the log takes its time
        if self.away:
            raise LogUnavailableError("away")
        self.seen.append((token, visit))
        return self.target


@pytest.fixture
async def edge():
    edge = Edge()
    async with edge.http:
        yield edge


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Telegram-Bot-Api-Secret-Token": "wrong"},
        {**HEADERS, next(iter(HEADERS)): ""},
        {"X-Telegram-Bot-Api-Secret-Token": "näh".encode()},
    ],
)
async def test_without_the_secret_there_is_nothing_but_401(edge, headers):
    response = await edge.post(b'{"update_id": 1}', headers)

    assert (response.status_code, response.content, edge.seen) == (401, b"", [])


async def test_the_webhook_takes_nothing_but_post(edge):
    assert (await edge.http.get("/telegram/webhook", headers=HEADERS)).status_code == 405


async def test_the_answer_to_a_query_is_the_response(edge):
    edge.calls = (ANSWER,)

    response = await edge.post(b'{"update_id": 1}')

    assert response.headers["content-type"] == "application/json"
    assert response.json() == {"method": "answerCallbackQuery", "callback_query_id": "7"}
    assert (edge.made, edge.seen) == ([], [{"update_id": 1}])


async def test_messages_are_sent_by_calls_whose_refusal_is_seen(edge):
    edge.calls = (GREETING, INVOICE)

    response = await edge.post(b'{"update_id": 1}')

    assert (response.status_code, response.content) == (200, b"")
    assert edge.made == [GREETING, INVOICE]


async def test_where_there_is_nothing_to_answer_the_body_is_empty(edge):
    response = await edge.post(b'{"update_id": 1}')

    assert (response.status_code, response.content) == (200, b"")


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe\xfd", b"[" * 100_000, b"1" * 5_000])
async def test_what_is_no_json_is_taken_so_that_telegram_does_not_repeat_it(edge, body):
    response = await edge.post(body)

    assert (response.status_code, response.content, edge.seen) == (200, b"", [None])


async def test_a_body_over_the_limit_is_refused_however_it_is_sent(edge):
    async def chunks():
        for _ in range(300):
            yield b" " * 1024

    whole = await edge.post(b" " * (256 * 1024 + 1))
    chunked = await edge.http.post("/telegram/webhook", content=chunks(), headers=HEADERS)

    assert (whole.status_code, chunked.status_code, edge.seen) == (413, 413, [])


async def test_telegram_is_asked_to_come_back_while_the_log_is_away(edge):
    edge.away = True

    response = await edge.post(b'{"update_id": 1}')

    assert (response.status_code, response.headers["retry-after"]) == (503, "5")


async def test_a_link_redirects_to_its_target_and_is_not_stored(edge):
    response = await edge.http.get("/r/token", headers={"User-Agent": "Mozilla/5.0"})

    assert (response.status_code, response.headers["location"]) == (302, edge.target)
    assert response.headers["cache-control"] == "no-store"
    assert edge.seen == [("token", Visit("Mozilla/5.0"))]


async def test_a_link_tells_the_page_no_address_and_robots_to_keep_none(edge):
    response = await edge.http.get("/r/token")

    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["x-robots-tag"] == "noindex, nofollow"


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("HEAD", {}),
        ("GET", {"Sec-Purpose": "prefetch;prerender"}),
        ("GET", {"Purpose": "prefetch"}),
        ("GET", {"X-Purpose": "preview"}),
        ("GET", {"X-Moz": "prefetch"}),
    ],
)
async def test_programs_that_only_look_are_redirected_and_known_as_such(edge, method, headers):
    agent = {"User-Agent": "Mozilla/5.0"}
    response = await edge.http.request(method, "/r/token", headers={**agent, **headers})

    assert (response.status_code, response.content) == (302, b"")
    assert edge.seen == [("token", Visit("Mozilla/5.0", ahead=True))]


@pytest.mark.parametrize(
    "target",
    [
        "https://example.org/\r\nSet-Cookie: a=b",
        "https://example.org/\x00\x85\u2028",
        "https://example.org/ü/\U0001f600?q=я",
    ],
)
async def test_no_target_can_break_a_header(edge, target):
    edge.target = target

    response = await edge.http.get("/r/token")

    assert "set-cookie" not in response.headers
    location = response.headers["location"]
    assert location.isascii()
    assert location.isprintable()
    assert " " not in location


async def test_a_link_that_is_not_ours_is_not_found(edge):
    edge.target = None

    response = await edge.http.get("/r/token")

    assert (response.status_code, "location" in response.headers) == (404, False)
    assert "Not found" in response.text


async def test_a_person_is_asked_to_try_again_while_the_log_is_away(edge):
    edge.away = True

    response = await edge.http.get("/r/token")

    assert (response.status_code, response.headers["retry-after"]) == (503, "5")


async def test_an_address_from_which_too_many_links_are_followed_is_asked_to_wait(edge):
    def from_(address):
        transport = httpx.ASGITransport(edge.app, client=(address, 4711))
        return httpx.AsyncClient(transport=transport, base_url="http://clicks")

    async with from_("8.8.8.8") as flood, from_("1.1.1.1") as other:
        seen = [(await flood.get("/r/token")).status_code for _ in range(3)]
        refused = await flood.get("/r/token")

        assert seen == [302, 302, 429]
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "30")
        assert (await other.get("/r/token")).status_code == 302
    assert len(edge.seen) == 3


async def test_links_that_are_followed_at_once_are_limited_as_those_one_after_the_other(edge):
    transport = httpx.ASGITransport(edge.app, client=("8.8.8.8", 4711))
    async with httpx.AsyncClient(transport=transport, base_url="http://clicks") as flood:
        for recorded in (2, 0):
            seen = await asyncio.gather(*(flood.get("/r/token") for _ in range(20)))
            assert [response.status_code for response in seen].count(302) == recorded


async def test_a_link_that_was_asked_for_while_the_log_was_away_counts_against_nobody(edge):
    transport = httpx.ASGITransport(edge.app, client=("8.8.8.8", 4711))
    async with httpx.AsyncClient(transport=transport, base_url="http://clicks") as person:
        edge.away = True
        assert {(await person.get("/r/token")).status_code for _ in range(5)} == {503}
        edge.away = False
        assert (await person.get("/r/token")).status_code == 302


async def test_links_that_led_nowhere_and_people_behind_a_proxy_count_against_nobody(edge):
    edge.target = None
    transport = httpx.ASGITransport(edge.app, client=("8.8.8.8", 4711))
    async with httpx.AsyncClient(transport=transport, base_url="http://clicks") as lost:
        assert {(await lost.get("/r/token")).status_code for _ in range(5)} == {404}

    edge.target = "https://example.org/"
    forwarded = {"X-Forwarded-For": "8.8.8.8"}
    assert {(await edge.http.get("/r/t", headers=forwarded)).status_code for _ in range(5)} == {302}
