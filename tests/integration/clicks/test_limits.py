"""Who is sent away for asking too often, over a real port: it is not up to what they say."""

import httpx
import pytest

from contracts.events import CtaClicked
from stack.ports import free_port

PHONE = "Mozilla/5.0 (iPhone)"


@pytest.fixture
async def follow(stage, dues, nats_url, process):
    """Return a function that starts clicks so, and returns one that follows a link of it."""
    started = []

    async def start(**variables):
        port = free_port()
        environment = stage.environment(nats_url, FINGERPOST_LINKS_PER_MINUTE="1", **variables)
        clicks = process(environment, port)
        clicks.start()
        started.append(clicks)
        await clicks.answers(f"http://127.0.0.1:{port}/readyz", 60)

        async def follow(forwarded: str) -> int:
            headers = {"User-Agent": PHONE, "X-Forwarded-For": forwarded}
            async with httpx.AsyncClient(timeout=30) as http:
                url = f"http://127.0.0.1:{port}/r/{stage.guide_token()}"
                return (await http.get(url, headers=headers)).status_code

        return follow

    yield start
    for clicks in started:
        await clicks.stop()


async def test_behind_a_proxy_that_is_told_of_each_caller_has_a_limit(follow, dues):
    ask = await follow(FINGERPOST_TRUSTED_PROXIES="1")

    statuses = [await ask(said) for said in ("8.8.8.8", "8.8.8.8", "1.1.1.1, 8.8.8.8", "9.9.9.9")]

    assert statuses == [302, 429, 429, 302]
    assert len(await dues.events(CtaClicked)) == 2


async def test_behind_a_proxy_that_nobody_told_of_nobody_is_sent_away(follow, dues):
    ask = await follow()

    assert [await ask("8.8.8.8") for _ in range(5)] == [302] * 5
    assert len(await dues.events(CtaClicked)) == 5
