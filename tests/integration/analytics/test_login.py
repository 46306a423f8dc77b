"""Who may read, as a process: what the policy decides holds for every address but health."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import httpx
import pytest

from analytics.domain.passwords import Password
from harness.waiting import until
from harness.warm import Warm
from stack.ports import free_port
from stack.process import Process

BEHIND = (
    "/",
    "/deliveries",
    "/people/1",
    "/export/clicks.csv",
    "/events/stream",
    "/v1/promo_conversion",
    "/nope",
)
ALL = "0.0.0.0"  # noqa: S104  the very thing that is refused
OPEN = ("/healthz", "/readyz", "/metrics")
Serve = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture
def processes() -> list[Process]:
    return []


@pytest.fixture
def serve(nats_url: str, postgres_dsn: str, tmp_path: Path, processes: list[Process]) -> Serve:
    @asynccontextmanager
    async def run(**settings: str) -> AsyncIterator[httpx.AsyncClient]:
        port = free_port()
        environment = {
            **os.environ,
            "NATS_URL": nats_url,
            "POSTGRES_DSN": postgres_dsn,
            "FINGERPOST_HTTP_PORT": str(port),
            **settings,
        }
        process = Warm("analytics", "analytics", log=tmp_path / "a.log", environment=environment)
        process.start()
        processes.append(process)
        try:
            await process.answers(f"http://127.0.0.1:{port}/readyz", 60)
            address = f"http://127.0.0.1:{port}"
            async with httpx.AsyncClient(base_url=address, timeout=20) as client:
                yield client
        finally:
            await process.stop()

    return run


async def statuses(client: httpx.AsyncClient, addresses: tuple[str, ...]) -> set[int]:
    return {(await client.get(address)).status_code for address in addresses}


async def health_is_open(client: httpx.AsyncClient) -> None:
    """Wait until it is: a service that was ready once may be slow to find itself so again."""
    await until(lambda: statuses(client, OPEN), lambda seen: seen == {200})


async def test_without_a_login_only_health_is_open_to_others(serve: Serve) -> None:
    async with serve(FINGERPOST_HTTP_HOST=ALL) as client:
        assert await statuses(client, BEHIND) == {403}
        await health_is_open(client)
        assert "FINGERPOST_LOGIN_PASSWORD" in (await client.get("/")).text


async def test_a_page_of_somebody_else_s_name_reads_nothing(serve: Serve) -> None:
    async with serve() as client:
        assert (await client.get("/")).status_code == 200
        answer = await client.get("/", headers={"Host": "evil.example"})
        assert answer.status_code == 403


async def test_a_password_opens_every_page_and_guessing_is_slow(serve: Serve) -> None:
    kept = str(Password.of("ann", "correct horse battery", bytes(16)))
    async with serve(FINGERPOST_HTTP_HOST=ALL, FINGERPOST_LOGIN_PASSWORD=kept) as client:
        assert await statuses(client, BEHIND) == {401}
        await health_is_open(client)
        assert "Basic" in (await client.get("/")).headers["WWW-Authenticate"]
        right = ("ann", "correct horse battery")
        assert (await client.get("/", auth=right)).status_code == 200

        tries = [await client.get("/", auth=("ann", f"guess {number}")) for number in range(7)]

        assert [answer.status_code for answer in tries] == [401] * 5 + [429] * 2
        assert int(tries[-1].headers["Retry-After"]) <= 60
        # Who signed in before is not locked out by somebody's guesses.
        assert (await client.get("/", auth=right)).status_code == 200
        assert (await client.get("/", headers={"Authorization": "Basic ***"})).status_code == 429


async def test_a_proxy_says_who_signed_in(serve: Serve) -> None:
    settings = {
        "FINGERPOST_HTTP_HOST": ALL,
        "FINGERPOST_LOGIN_HEADER": "X-Forwarded-User",
        "FINGERPOST_LOGIN_PROXIES": "127.0.0.0/8",
    }
    async with serve(**settings) as client:
        assert (await client.get("/")).status_code == 403
        assert (await client.get("/", headers={"X-Forwarded-User": "ann"})).status_code == 200


async def test_the_service_stops_at_once_while_somebody_watches(
    serve: Serve, processes: list[Process]
) -> None:
    async with serve() as client, client.stream("GET", "/events/stream") as stream:
        assert stream.status_code == 200
        lines = stream.aiter_lines()
        assert await anext(lines) == "retry: 1000"

        await processes[0].stop()

        # The server would wait 20 s for an answer that does not end, say so, and break it off.
        assert [line async for line in lines if line.startswith("event")] == []
        assert "graceful shutdown exceeded" not in processes[0].tail(100)
        assert processes[0].exit_status == 0
