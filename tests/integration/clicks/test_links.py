"""Tracked links through a real process and a real log: who followed them, and where they lead."""

from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from contracts.campaign import LinkCta
from contracts.events import CtaClicked, GuideDue
from contracts.examples import GUIDE_DELIVERY, GUIDE_VARIANT, PROMO_DELIVERY, example
from contracts.token import CtaRef, TokenSigner
from stack.ports import free_port

PHONE = {
    "User-Agent": (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15"
        " (KHTML, like Gecko) Version/17.0 Mobile/15E148 Safari/604.1"
    )
}
PREVIEW = {"User-Agent": "TelegramBot (like TwitterBot)"}
LINKS = (
    LinkCta(kind="link", label="Plain", target="https://example.org/guides/risk"),
    LinkCta(kind="link", label="Rich", target="https://bücher.example:8443/ü?a=b&utm_source=x#c"),
    LinkCta(kind="link", label="Bare", target="https://example.org/?a", utm=False),
    LinkCta(kind="link", label="User", target="https://example.org@evil.example/"),
)


@pytest.fixture
async def browser(stage, log, nats_url, process):
    """A browser that follows nothing by itself, at a process of clicks."""
    variant = GUIDE_VARIANT.model_copy(update={"ctas": LINKS})
    await log.say(example(GuideDue, variant=variant))
    port = free_port()
    clicks = process(stage.environment(nats_url), port)
    clicks.start()
    await clicks.answers(f"http://127.0.0.1:{port}/readyz", 60)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as browser:
        yield browser
    await clicks.stop()


def token(cta, delivery=GUIDE_DELIVERY):
    return TokenSigner({"k1": b"a secret of the tests"}).sign(CtaRef(delivery, cta))


async def test_a_slash_too_many_leads_nowhere_and_nowhere_of_the_asker_s_choice(browser):
    response = await browser.get(f"/r/{token(0)}/", headers={**PHONE, "Host": "evil.example"})

    assert (response.status_code, "location" in response.headers) == (404, False)


async def test_a_link_leads_to_its_target_with_where_from_and_which_click(browser, log):
    response = await browser.get(f"/r/{token(0)}", headers=PHONE)

    [clicked] = await log.events(CtaClicked)
    assert (response.status_code, response.content) == (302, b"")
    address = urlsplit(response.headers["location"])
    assert address._replace(query="").geturl() == "https://example.org/guides/risk"
    assert parse_qs(address.query) == {
        "utm_source": ["telegram"],
        "utm_medium": ["channel"],
        "utm_campaign": ["guides"],
        "utm_content": ["risk"],
        "fp_click": [clicked.source_id],
    }
    assert (clicked.verdict, clicked.via, clicked.user_id) == ("human", "link", None)
    assert clicked.agent == PHONE["User-Agent"]
    for header, value in {
        "cache-control": "no-store",
        "referrer-policy": "no-referrer",
        "x-robots-tag": "noindex, nofollow",
    }.items():
        assert response.headers[header] == value


async def test_what_the_target_says_itself_stays(browser):
    rich = (await browser.get(f"/r/{token(1)}", headers=PHONE)).headers["location"]
    bare = (await browser.get(f"/r/{token(2)}", headers=PHONE)).headers["location"]

    assert rich.startswith("https://xn--bcher-kva.example:8443/%C3%BC?a=b&utm_source=x&utm_medium=")
    assert rich.endswith("#c")
    assert bare == "https://example.org/?a"


async def test_robots_are_led_on_and_never_counted_as_people(browser, log):
    ahead = [{"Sec-Purpose": "prefetch;prerender"}, {"X-Moz": "prefetch"}, {"Purpose": "preview"}]
    link = f"/r/{token(0)}"
    answers = [
        await browser.head(link, headers=PHONE),
        await browser.get(link, headers=PREVIEW),
        await browser.get(link, headers={"User-Agent": ""}),
        *[await browser.get(link, headers={**PHONE, **header}) for header in ahead],
    ]

    assert [answer.status_code for answer in answers] == [302] * len(answers)
    clicks = await log.events(CtaClicked)
    assert [click.verdict for click in clicks] == ["robot"] * len(answers)
    assert [click.ahead for click in clicks] == [True, False, False, True, True, True]


async def test_there_is_no_way_to_another_target(browser, log):
    forged = TokenSigner({"k1": b"somebody else's secret"}).sign(CtaRef(GUIDE_DELIVERY, 0))
    paths = [
        forged,
        token(0)[:-1],
        f"{token(0)}x",
        token(len(LINKS)),
        token(0, PROMO_DELIVERY),
        "https://evil.example/",
        "%2F%2Fevil.example",
        "//evil.example",
        "%0d%0aSet-Cookie:%20a=b",
        f"{token(0)}%0d%0aLocation:%20https://evil.example/",
        f"{token(0)}/https://evil.example/",
        token(3),
    ]
    for path in paths:
        response = await browser.get(f"/r/{path}", headers=PHONE)

        assert response.status_code == 404, path
        assert "location" not in response.headers
        assert "set-cookie" not in response.headers
        assert "evil" not in response.text
    query = await browser.get(f"/r/{token(0)}?url=https://evil.example/&target=x", headers=PHONE)

    assert urlsplit(query.headers["location"]).hostname == "example.org"
    assert "evil" not in query.headers["location"]
    assert len(await log.events(CtaClicked)) == 1


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
async def test_a_link_is_followed_by_get_and_head_only(browser, log, method):
    response = await browser.request(method, f"/r/{token(0)}", headers=PHONE)

    assert response.status_code == 405
    assert await log.events(CtaClicked) == []
