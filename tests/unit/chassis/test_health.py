"""Readiness names what is wrong and recovers by itself; liveness only needs the event loop."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from unittest.mock import Mock, call

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from chassis import health as module
from chassis.health import Health


@pytest.fixture(autouse=True)
def said(monkeypatch: pytest.MonkeyPatch) -> Mock:
    """Make time short, and return what health logs."""
    monkeypatch.setattr(module, "_PERIOD", 0.01)
    monkeypatch.setattr(module, "_PATIENCE", 0.05)
    log = Mock()
    monkeypatch.setattr(module, "log", log)
    return log


class Switch:
    """A check that a test turns on and off."""

    def __init__(self) -> None:
        self.problem: Exception | None = None
        self.hangs = False

    async def __call__(self) -> None:
        if self.hangs:
            await asyncio.Event().wait()
        if self.problem:
            raise self.problem


@asynccontextmanager
async def watched(health: Health) -> AsyncIterator[httpx.AsyncClient]:
    app = Starlette(routes=[Route("/healthz", health.live), Route("/readyz", health.ready)])
    transport = httpx.ASGITransport(app)
    watching = asyncio.create_task(health.watch())
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client
    watching.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watching


async def becomes(client: httpx.AsyncClient, status: int) -> dict[str, str]:
    """Wait until readiness answers `status`; return the state of each check."""
    async with asyncio.timeout(20):
        while (answer := await client.get("/readyz")).status_code != status:
            await asyncio.sleep(0.005)
    checks: dict[str, str] = answer.json()["checks"]
    return checks


async def test_a_check_counts_as_failed_until_it_was_run() -> None:
    health = Health()
    health.add("log", Switch())

    answer = json.loads(bytes((await health.ready(None)).body))  # type: ignore[arg-type]

    assert answer == {"ready": False, "checks": {"log": "not checked yet"}}


async def test_readiness_follows_its_checks_and_names_the_one_that_fails() -> None:
    health, log, tables = Health(), Switch(), Switch()
    health.add("log", log)
    health.add("tables", tables)

    async with watched(health) as client:
        assert await becomes(client, 200) == {"log": "ok", "tables": "ok"}

        log.problem = RuntimeError("NATS is not connected")
        assert await becomes(client, 503) == {"log": "NATS is not connected", "tables": "ok"}

        log.problem = None
        assert await becomes(client, 200) == {"log": "ok", "tables": "ok"}


async def test_a_check_that_hangs_is_a_check_that_fails() -> None:
    health, log, tables = Health(), Switch(), Switch()
    health.add("log", log)
    health.add("tables", tables)

    async with watched(health) as client:
        await becomes(client, 200)
        log.hangs = True
        checks = await becomes(client, 503)

    assert checks == {"log": "TimeoutError", "tables": "ok"}


async def test_liveness_does_not_depend_on_the_checks() -> None:
    health, log = Health(), Switch()
    log.problem = RuntimeError("no")
    health.add("log", log)

    async with watched(health) as client:
        await becomes(client, 503)
        answer = await client.get("/healthz")

    assert (answer.status_code, answer.text) == (200, "alive\n")


async def test_each_change_is_logged_once(said: Mock) -> None:
    health, log = Health(), Switch()
    log.problem = RuntimeError("NATS is not connected")
    health.add("log", log)

    async with watched(health) as client:
        await becomes(client, 503)
        await asyncio.sleep(0.1)
        log.problem = None
        await becomes(client, 200)
        await asyncio.sleep(0.05)

    assert said.mock_calls == [
        call.warning("not ready", check="log", problem="NATS is not connected"),
        call.info("ready again", check="log"),
    ]
