"""Secrets stay where they are: not in a log, an event, a metric or a page, whatever goes wrong."""

import base64
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from urllib.parse import quote

import asyncpg
import httpx
import pytest
import pytest_asyncio

from harness import secured
from harness.commands import run_command
from harness.logs import open_log
from harness.secured_stack import ANALYTICS, PASSWORDS, SecuredNats, secured_stack
from harness.waiting import until
from sandbox.client import Sandbox
from stack.demo import CAMPAIGNS
from stack.local import SERVICES, LocalStack
from stack.people import Audience

CONVERSIONS = base64.b64encode(b"the secret of conversions, 32 b.").decode()
STRIPE = "whsec_theSecretOfStripesEndpoint"
OVERRIDES = {
    "FINGERPOST_CONVERSION_SECRETS": f"whsec_{CONVERSIONS}",
    "FINGERPOST_STRIPE_SECRETS": STRIPE,
    "FINGERPOST_LOG_LEVEL": "debug",
}
Running = tuple[LocalStack, SecuredNats]


@pytest_asyncio.fixture
async def running(tmp_path: Path, postgres_dsn: str) -> AsyncIterator[Running]:
    async with secured_stack(tmp_path, postgres_dsn, every="4s", overrides=OVERRIDES) as stack:
        yield stack


def secrets_of(stack: LocalStack) -> dict[str, str]:
    """Return every secret that the processes were told, by a name."""
    token = stack._bot_token().partition(":")[2]
    return {
        **{f"NATS password of {user}": word for user, word in secured.PASSWORDS.items()},
        "Postgres password": PASSWORDS[ANALYTICS],
        "bot token": token,
        "CTA key": stack._secrets["cta_key"],
        "webhook secret": stack._secrets["webhook_secret"],
        "conversions secret": CONVERSIONS,
        "Stripe secret": STRIPE,
    }


def leaks(secrets: Mapping[str, str], places: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return which secret stands where, also as part of an address."""
    return [
        (name, place)
        for place, text in places.items()
        for name, secret in secrets.items()
        if secret in text or quote(secret, safe="") in text
    ]


@pytest.mark.timeout(300)
async def test_no_secret_is_told_to_anybody_whatever_goes_wrong(running: Running) -> None:
    stack, nats = running
    pages: dict[str, str] = {}
    async with Sandbox(stack.urls["sandbox"]) as sandbox:
        audience = Audience(sandbox, CAMPAIGNS, seed=3)
        await audience.read(4)
    await ask_what_nobody_should(stack, pages)
    await telegram_is_away(stack)
    await nats_is_away(stack, nats)
    await postgres_is_away(stack)
    await metrics(stack, pages, "after")

    async with open_log(stack.nats_url) as log:
        events = [envelope.document().decode() for envelope in await log.envelopes()]
    logs = {path.name: path.read_text() for path in stack.options.folder.rglob("*.log")}
    places = {**pages, **logs, "events": "\n".join(events)}

    assert len(events) > 10
    assert {"sender.log", "clicks.log", "scheduler.log", "analytics.log"} <= logs.keys()
    assert all('"level": "warning"' in logs[f"{name}.log"] for name in SERVICES)
    assert leaks(secrets_of(stack), places) == []
    assert leaks({"bot": "7000001"}, places), "what is searched must be findable"


async def ask_what_nobody_should(stack: LocalStack, pages: dict[str, str]) -> None:
    """Bad requests of every kind; what is answered goes into `pages`."""
    secret = {"X-Telegram-Bot-Api-Secret-Token": stack._secrets["webhook_secret"]}
    wrong = {"webhook-id": "x", "webhook-timestamp": "1", "webhook-signature": "v1,AAAA"}
    asked: tuple[tuple[str, str, str, dict[str, str], str], ...] = (
        ("clicks", "POST", "/telegram/webhook", {}, "{}"),
        ("clicks", "POST", "/telegram/webhook", secret, "no JSON"),
        ("clicks", "POST", "/telegram/webhook", secret, '{"update_id": "x"}'),
        ("clicks", "GET", "/r/forged", {}, ""),
        ("clicks", "POST", "/v1/conversions", wrong, "{}"),
        ("clicks", "POST", "/v1/conversions", {}, "{"),
        ("clicks", "POST", "/v1/webhooks/stripe", {"Stripe-Signature": "t=1,v1=00"}, "{}"),
        ("clicks", "GET", "/v1/openapi.json", {}, ""),
        ("clicks", "GET", "/nowhere", {}, ""),
        ("analytics", "GET", "/?since=never", {}, ""),
        ("analytics", "GET", "/v1/clicks?limit=x", {}, ""),
        ("analytics", "GET", "/projection", {}, ""),
        ("analytics", "GET", "/nowhere", {}, ""),
        ("sender", "GET", "/nowhere", {}, ""),
        ("scheduler", "DELETE", "/readyz", {}, ""),
    )
    async with httpx.AsyncClient(timeout=30) as client:
        for service, method, path, headers, body in asked:
            url = stack.urls[service] + path
            answer = await client.request(method, url, headers=headers, content=body)
            pages[f"{service} {method} {path} {body}"] = f"{answer.headers} {answer.text}"
    await metrics(stack, pages, "before")


async def metrics(stack: LocalStack, pages: dict[str, str], when: str) -> None:
    async with httpx.AsyncClient(timeout=30) as client:
        for service in SERVICES:
            for path in ("/metrics", "/readyz", "/healthz"):
                answer = await client.get(stack.urls[service] + path)
                pages[f"{service} {path} {when}"] = answer.text


async def unready(stack: LocalStack, service: str) -> None:
    """Wait until a service says that something is wrong."""

    async def ready() -> int:
        async with httpx.AsyncClient(timeout=30) as client:
            return (await client.get(f"{stack.urls[service]}/readyz")).status_code

    await until(ready, lambda status: status == 503, seconds=40)


async def telegram_is_away(stack: LocalStack) -> None:
    assert stack.sandbox
    await stack.sandbox.kill()
    sender = stack.services["sender"]

    async def said() -> str:
        return sender.tail(5)

    await until(said, lambda text: "ClientConnectorError" in text or "connect" in text, seconds=60)
    await stack.starters[stack.sandbox]()


async def nats_is_away(stack: LocalStack, nats: SecuredNats) -> None:
    await nats.server.process.kill()
    for service in SERVICES:
        await unready(stack, service)
    await nats.server.start()
    for service in SERVICES:
        await stack.ready(service)


async def postgres_is_away(stack: LocalStack) -> None:
    administrator = await asyncpg.connect(stack.postgres_dsn)
    try:
        await administrator.execute(f"ALTER ROLE {ANALYTICS} NOLOGIN")
        await administrator.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1", ANALYTICS
        )
        await unready(stack, "analytics")
    finally:
        await administrator.execute(f"ALTER ROLE {ANALYTICS} LOGIN")
        await administrator.close()
    await stack.ready("analytics")


SECRET = "theSecretThatNobodyMayRead"
BAD_SETTINGS = (
    ("sender", {"FINGERPOST_CTA_KEYS": SECRET}),
    ("sender", {"FINGERPOST_CTA_KEYS": f"k1:{SECRET},k1:{SECRET}"}),
    ("sender", {"TELEGRAM_BOT_TOKEN": SECRET}),
    ("sender", {"TELEGRAM_BOT_TOKENS": f"second={SECRET}"}),
    ("clicks", {"FINGERPOST_CONVERSION_SECRETS": f"whsec_{SECRET}!"}),
    ("clicks", {"FINGERPOST_WEBHOOK_SECRET": f"{SECRET} ü", "FINGERPOST_CLICKS_MODE": "webhook"}),
    ("analytics", {"POSTGRES_DSN": f"mysql://x:{SECRET}@localhost/x"}),
    ("analytics", {"FINGERPOST_LOGIN_PASSWORD": f"ann:{SECRET}"}),
)


@pytest.mark.parametrize(("service", "wrong"), BAD_SETTINGS)
async def test_a_wrong_setting_is_told_without_its_value(
    service: str, wrong: dict[str, str]
) -> None:
    good = {
        "TELEGRAM_BOT_TOKEN": "7000001:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "FINGERPOST_CTA_KEYS": "k1:some-key",
        "POSTGRES_DSN": "postgresql://x@localhost/x",
    }

    ended = await run_command(service, environment={**good, **wrong})

    assert ended.status == 78, ended.err
    assert next(iter(wrong)) in ended.err
    assert SECRET not in ended.out + ended.err
