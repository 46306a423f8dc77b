"""Clicks over a real log, and over a real Bot API: the sandbox, one process for all tests."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from chassis.service import Service
from clicks.app import build
from clicks.settings import Settings
from contracts.events import GuideDue, PromoDue
from contracts.examples import GUIDE_DELIVERY, PROMO_DELIVERY, example
from contracts.ids import DeliveryId
from contracts.token import CtaRef, TokenSigner
from harness.logs import Log
from harness.waiting import until
from harness.warm import Warm
from sandbox.client import Sandbox
from stack.ports import free_port
from stack.process import Process

SECRET = "hook-secret"
KEY = "a secret of the tests"
SIGNER = TokenSigner({"k1": KEY.encode()})
PERSON = 9_000_001
_numbers = count(1)


@dataclass
class Stage:
    """One bot of its own, its channel, and a person; tokens of the two canonical deliveries."""

    api: str
    sandbox: Sandbox
    bot_id: int
    username: str
    channel: int
    person: int = PERSON

    @property
    def bot_token(self) -> str:
        return f"{self.bot_id}:sandbox-token"

    def token(self, delivery: DeliveryId, cta: int = 0) -> str:
        return SIGNER.sign(CtaRef(delivery, cta))

    def promo_token(self, cta: int = 0) -> str:
        return self.token(PROMO_DELIVERY, cta)

    def guide_token(self) -> str:
        return SIGNER.sign(CtaRef(GUIDE_DELIVERY, 0))

    async def call(self, method: str, **parameters: Any) -> Any:
        """Call the Bot API as the same bot; return the whole answer."""
        async with httpx.AsyncClient(timeout=40) as client:
            url = f"{self.api}/bot{self.bot_token}/{method}"
            return (await client.post(url, json=parameters)).json()

    async def post_promo(self) -> int:
        """Post the promo as the sender would; return its message id."""
        return await self.post(
            {"text": "Upgrade", "callback_data": self.promo_token(0)},
            {"text": "Remind me", "callback_data": self.promo_token(1)},
        )

    async def post(self, *buttons: dict[str, str]) -> int:
        """Post a message with buttons below each other; return its message id."""
        sent = await self.call(
            "sendMessage",
            chat_id=self.channel,
            text="Premium signals",
            reply_markup={"inline_keyboard": [[button] for button in buttons]},
        )
        return sent["result"]["message_id"]

    async def heeded(self) -> None:
        """Wait until Telegram was told which updates this bot wants: of other joins it is silent.

        One that polls is ready before: it may yet ask for its lease.
        """
        updates = partial(self.sandbox.updates, self.bot_id)
        await until(updates, lambda seen: "allowed_updates" in seen["webhook"])

    def environment(self, nats_url: str, **variables: str) -> dict[str, str]:
        """Return what clicks is told; `variables` win."""
        return {
            "NATS_URL": nats_url,
            "TELEGRAM_BOT_TOKEN": self.bot_token,
            "FINGERPOST_CTA_KEYS": f"k1:{KEY}",
            "FINGERPOST_TELEGRAM_API": self.api,
            "FINGERPOST_LOG_LEVEL": "debug",
            **variables,
        }

    def webhook_environment(self, nats_url: str, port: int) -> dict[str, str]:
        return self.environment(
            nats_url,
            FINGERPOST_CLICKS_MODE="webhook",
            FINGERPOST_WEBHOOK_SECRET=SECRET,
            FINGERPOST_WEBHOOK_URL=f"http://127.0.0.1:{port}",
        )


@asynccontextmanager
async def serving_telegram(folder: Path) -> AsyncIterator[str]:
    """Run a sandbox of its own; yield its address."""
    port = free_port()
    arguments = ("--port", str(port), "--no-floods", "--retry-base", "0.2")
    process = Warm("sandbox", "sandbox", *arguments, log=folder / "log")
    process.start()
    url = f"http://127.0.0.1:{port}"
    try:
        await process.answers(f"{url}/control/healthz", 60)
        yield url
    finally:
        await process.kill()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def telegram_api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    async with serving_telegram(tmp_path_factory.mktemp("sandbox")) as url:
        yield url


@pytest_asyncio.fixture
async def stage(telegram_api: str) -> AsyncIterator[Stage]:
    number = next(_numbers)
    bot_id, username, channel = 5_000 + number, f"clicks{number}_bot", -1_001_000_500_000 - number
    async with Sandbox(telegram_api) as sandbox:
        stage = Stage(telegram_api, sandbox, bot_id, username, channel)
        await sandbox.put_bot(bot_id, stage.bot_token, username, "Guide")
        await sandbox.put_chat(channel, "News", members=1_200)
        await sandbox.put_person(PERSON, "Ann")
        yield stage
        # Faults are of no bot in particular: one that nobody met would meet the next test.
        await sandbox.clear_faults()


@pytest_asyncio.fixture
async def dues(log: Log) -> Log:
    """A log in which the two canonical deliveries are due."""
    await log.say(example(GuideDue), example(PromoDue))
    return log


@dataclass
class Edge:
    """A service in this process, spoken to over its ASGI application."""

    service: Service
    http: httpx.AsyncClient

    async def post(self, update: Any, secret: str = SECRET) -> httpx.Response:
        headers = {"X-Telegram-Bot-Api-Secret-Token": secret}
        return await self.http.post("/telegram/webhook", json=update, headers=headers)

    async def ready(self) -> None:
        """Wait until the service says that it is ready."""
        async with asyncio.timeout(60):
            while (await self.http.get("/readyz")).status_code != 200:
                await asyncio.sleep(0.05)

    async def problem(self, check: str) -> str:
        return (await self.http.get("/readyz")).json()["checks"][check]


@asynccontextmanager
async def running(environment: dict[str, str]) -> AsyncIterator[Edge]:
    """Run clicks in this process, as `python -m clicks` would but without a port."""
    service = build(_settings(environment))
    transport = httpx.ASGITransport(service.served)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(service.asgi.router.lifespan_context(service.asgi))
        client = httpx.AsyncClient(transport=transport, base_url="http://clicks")
        yield Edge(service, await stack.enter_async_context(client))


def _settings(environment: dict[str, str]) -> Settings:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        return Settings()


@pytest.fixture
def run_impatient(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return `running`; readiness is looked at ten times as often, to save the tests' time."""
    monkeypatch.setattr("chassis.health._PERIOD", 0.1)
    return running


@pytest.fixture
def run_here(
    run_impatient: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """Return the same, for a log that is there: it may be as slow as the machine is."""
    for who_waits in ("app", "early", "joins", "journal"):
        monkeypatch.setattr(f"clicks.{who_waits}.PATIENCE", 60.0)
    return run_impatient


@pytest_asyncio.fixture
async def process(tmp_path: Path) -> AsyncIterator[Callable[..., Process]]:
    """Yield a function that makes (and does not start) a process of clicks; none is left."""
    made = []

    def make(environment: dict[str, str], port: int) -> Process:
        everything = {**os.environ, **environment, "FINGERPOST_HTTP_PORT": str(port)}
        log = tmp_path / f"clicks-{port}.log"
        made.append(Warm("clicks", "clicks", log=log, environment=everything))
        return made[-1]

    yield make
    for clicks in made:
        await clicks.kill()
