"""What is served before the router, and what the router still says."""

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from chassis.front import Front


class Hot:
    """A plain ASGI endpoint that says how it was reached."""

    async def __call__(self, scope, receive, send):
        routed = "router" if "endpoint" in scope else "front"
        await PlainTextResponse(f"{scope['path']} by {routed}")(scope, receive, send)


def cold(_):
    return PlainTextResponse("cold")


HOT = [Route("/hook", Hot(), methods=["POST"]), Route("/r/{token}", Hot(), methods=["GET"])]


@pytest.fixture
async def http():
    router = Starlette(routes=[*HOT, Route("/cold", cold)])
    transport = httpx.ASGITransport(Front(router, HOT))
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path", "said"),
    [
        ("POST", "/hook", "/hook by front"),
        ("GET", "/r/token", "/r/token by front"),
        ("GET", "/cold", "cold"),
    ],
)
async def test_what_is_hot_does_not_pass_the_router(http, method, path, said):
    assert (await http.request(method, path)).text == said


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("HEAD", "/r/token", 200),
        ("GET", "/hook", 405),
        ("DELETE", "/r/token", 405),
        ("GET", "/r/", 404),
        ("GET", "/r/a/b", 404),
        ("GET", "/nothing", 404),
    ],
)
async def test_what_does_not_fit_is_told_by_the_router(http, method, path, status):
    assert (await http.request(method, path)).status_code == status
