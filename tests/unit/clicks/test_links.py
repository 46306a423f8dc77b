"""Followed links: where they lead, who follows them, and what is recorded of it."""

import re
from secrets import token_urlsafe
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clicks.domain.links import RULE_VERSION, Visit, destination, judge, visit
from clicks.domain.stripe_events import Sale, Trace, read
from clicks.metrics import REFUSED
from contracts.campaign import LinkCta
from contracts.events import CtaClicked, PromoDue
from contracts.examples import GUIDE_DELIVERY, PROMO_DELIVERY, example
from contracts.token import CtaRef, TokenSigner

IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15"
    " (KHTML, like Gecko) Version/17.0 Mobile/15E148 Safari/604.1"
)
PHONE = Visit(IPHONE)
PLAN = example(PromoDue)
UTM = "utm_source=telegram&utm_medium=channel&utm_campaign=promos&utm_content=premium"
UTM_LEFT = "utm_medium=channel&utm_campaign=promos"
SIGNER = TokenSigner({"k1": b"a secret of the tests"})
TOKEN = SIGNER.sign(CtaRef(PROMO_DELIVERY, 0))
STRANGER = TokenSigner({"k1": b"somebody else's secret"}).sign(CtaRef(PROMO_DELIVERY, 0))


def link(target, **fields):
    return LinkCta(kind="link", label="Read", target=target, **fields)


def led(target, **fields):
    return destination(link(target, **fields), PLAN, fp_click="c1")


def trace_of(reference) -> Trace:
    """Return what is read of a checkout that Stripe says was begun with `reference`."""
    session = {"id": "cs_1", "mode": "payment", "payment_status": "paid", "amount_total": 990}
    session |= {"currency": "eur", "client_reference_id": reference}
    event = {"object": "event", "type": "checkout.session.completed", "created": 1_772_366_400}
    sale = read({**event, "livemode": True, "data": {"object": session}}, test_events=False)
    assert isinstance(sale, Sale)
    return sale.trace


@pytest.mark.parametrize(
    ("target", "address"),
    [
        ("https://example.org", f"https://example.org/?{UTM}&fp_click=c1"),
        ("https://example.org/a", f"https://example.org/a?{UTM}&fp_click=c1"),
        ("https://example.org/a?", f"https://example.org/a?{UTM}&fp_click=c1"),
        ("https://example.org/a#b", f"https://example.org/a?{UTM}&fp_click=c1#b"),
        ("https://example.org:8443/", f"https://example.org:8443/?{UTM}&fp_click=c1"),
        ("http://[2001:db8::1]:80/x", f"http://[2001:db8::1]:80/x?{UTM}&fp_click=c1"),
        ("https://x.org/?a=b&c=%20+d&e", f"https://x.org/?a=b&c=%20+d&e&{UTM}&fp_click=c1"),
        (
            "https://x.org/?utm_source=a&utm_content=",
            f"https://x.org/?utm_source=a&utm_content=&{UTM_LEFT}&fp_click=c1",
        ),
        ("https://x.org/ü?q=я#ß", f"https://x.org/%C3%BC?q=%D1%8F&{UTM}&fp_click=c1#%C3%9F"),
        ("https://bücher.example:81/a", f"https://xn--bcher-kva.example:81/a?{UTM}&fp_click=c1"),
        ("https://x.org/100%/a", f"https://x.org/100%/a?{UTM}&fp_click=c1"),
    ],
)
def test_the_page_learns_where_the_person_came_from(target, address):
    assert led(target) == address


@pytest.mark.parametrize(
    "target",
    ["https://x.org", "https://x.org/a?b#c", "https://x.org/?", "https://x.org/?a&&b=%41#"],
)
def test_an_address_that_wants_no_utm_is_left_as_it_is(target):
    assert led(target, utm=False) == target


@pytest.mark.parametrize("host", ["buy.stripe.com", "BUY.stripe.com", "donate.stripe.com"])
@pytest.mark.parametrize("query", ["", "?locale=de"])
def test_stripe_is_told_by_a_payment_link_what_it_says_of_the_checkout(host, query):
    click = token_urlsafe(16)
    for trace, understood in (
        ({"fp_click": click}, Trace((f"fp_{click}",), click)),
        ({"fp_cta": TOKEN}, Trace((TOKEN,))),
    ):
        target = destination(link(f"https://{host}/5kA0{query}"), PLAN, **trace)
        [reference] = parse_qs(urlsplit(target).query)["client_reference_id"]

        assert re.fullmatch(r"[A-Za-z0-9_-]{1,200}", reference)  # else Stripe drops it silently
        assert trace_of(reference) == understood


@pytest.mark.parametrize(
    "target",
    ["https://buy.stripe.com.example.org/a", "https://stripe.com/a", "https://example.org/a"],
)
def test_no_other_page_is_told_a_reference(target):
    assert "client_reference_id" not in led(target)


def test_a_reference_of_the_campaign_s_own_stays():
    assert "client_reference_id=mine&" in led("https://buy.stripe.com/a?client_reference_id=mine")
    assert led("https://buy.stripe.com/a", utm=False) == "https://buy.stripe.com/a"


def test_even_without_utm_an_address_is_fit_for_a_header():
    assert led("https://bücher.example/ü", utm=False) == "https://xn--bcher-kva.example/%C3%BC"


@pytest.mark.parametrize("utm", [True, False])
@pytest.mark.parametrize(
    "target",
    [
        "https://user@example.org/",
        "https://user:secret@example.org/",
        "https://example.org\\@evil.example/",
        "https://@example.org/",
    ],
)
def test_a_target_that_names_a_user_leads_nowhere(target, utm):
    assert led(target, utm=utm) is None


@given(
    host=st.from_regex(r"[a-z]{1,8}(-[a-z]{1,3})?\.(org|example)", fullmatch=True),
    rest=st.text(st.characters(exclude_categories=("Z", "C")), max_size=30),
)
@settings(max_examples=300, deadline=None)
def test_whatever_the_target_says_it_leads_to_its_host_and_keeps_what_it_says(host, rest):
    target = f"https://{host}/{rest}"

    address = led(target)

    assert address.isascii()
    assert address.isprintable()
    assert " " not in address
    before, after = urlsplit(target), urlsplit(address)
    assert (after.scheme, after.hostname) == ("https", host)
    assert httpx.URL(address).host == host
    had = parse_qsl(before.query, keep_blank_values=True)
    assert parse_qsl(after.query, keep_blank_values=True)[: len(had)] == had


BROWSERS = [
    IPHONE,
    "Mozilla/5.0 (Linux; Android 10; CUBOT X30) AppleWebKit/537.36 Chrome/120.0 Mobile Safari",
    "Mozilla/5.0 (Linux; Android 13; SM-G991B; wv) Chrome/124.0 Telegram-Android/11.2 (Samsung)",
    "Mozilla/5.0 (iPhone) [FBAN/FBIOS;FBAV/400]",
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Opera/9.80 (J2ME/MIDP; Opera Mini/9.80 (S60; SymbOS)) Presto/2.5.25 Version/10.54",
]
ROBOTS = [
    "",
    "TelegramBot (like TwitterBot)",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; YandexBot/3.0)",
    "Mozilla/5.0 (compatible; NewBot/1.0; +https://example.org/bot)",
    "Mozilla/5.0 (Macintosh) AppleWebKit/537.36 HeadlessChrome/120.0 Safari/537.36",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2)",
    "Mozilla/5.0 (Windows NT 6.1) SkypeUriPreview Preview/0.5",
    "Mozilla/5.0 (compatible; Google-InspectionTool/1.0;)",
    "Mozilla/5.0 (compatible; Yahoo! Slurp)",
    "WhatsApp/2.23.20.0 A",
    "facebookexternalhit/1.1",
    "curl/8.1",
    "Wget/1.21",
    "python-requests/2.31",
    "python-httpx/0.28.1",
    "Go-http-client/2.0",
    "okhttp/4.9",
    "PostmanRuntime/7.0",
    "x",
]


@pytest.mark.parametrize("agent", BROWSERS)
def test_browsers_are_people(agent):
    assert judge(Visit(agent)) == "human"


@pytest.mark.parametrize("agent", ROBOTS)
def test_what_calls_itself_a_robot_is_one(agent):
    assert judge(Visit(agent)) == "robot"


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("HEAD", {}),
        ("GET", {"sec-purpose": "prefetch"}),
        ("GET", {"sec-purpose": "prefetch;prerender"}),
        ("GET", {"purpose": "prefetch"}),
        ("GET", {"purpose": "Preview"}),
        ("GET", {"x-purpose": "preview"}),
        ("GET", {"x-moz": "prefetch"}),
    ],
)
def test_what_is_fetched_ahead_is_followed_by_nobody(method, headers):
    seen = visit(method, {"user-agent": IPHONE, **headers})

    assert seen == Visit(IPHONE, ahead=True)
    assert judge(seen) == "robot"


def test_of_the_agent_a_part_is_enough():
    assert (
        visit("GET", {"user-agent": f" {IPHONE}{'x' * 10_000} "}).agent
        == (IPHONE + "x" * 256)[:256]
    )
    assert visit("GET", {}) == Visit("")


@given(st.text(max_size=300))
@settings(max_examples=300, deadline=None)
def test_any_agent_is_judged(agent):
    assert judge(Visit(agent[:256])) in ("human", "robot")


async def test_a_followed_link_is_recorded_with_all_that_the_verdict_went_by(story):
    story.given_ctas(link("https://example.org/guide"))

    await story.handlers.link(story.token(), PHONE)
    await story.handlers.link(story.token(), Visit(ahead=True))

    human, robot = story.log.events
    assert human == example(
        CtaClicked,
        source_id=human.source_id,
        user_id=None,
        via="link",
        message_id=None,
        rule=RULE_VERSION,
        agent=IPHONE,
        clicked_at=human.clicked_at,
    )
    assert (robot.verdict, robot.agent, robot.ahead) == ("robot", None, True)
    for event in (human, robot):
        assert judge(Visit(event.agent or "", event.ahead)) == event.verdict


async def test_the_page_is_told_the_click_that_the_log_has(story):
    story.given_ctas(link("https://example.org/guide"))

    targets = [await story.handlers.link(story.token(), PHONE) for _ in range(2)]

    told = [dict(parse_qsl(urlsplit(target).query))["fp_click"] for target in targets]
    assert told == [event.source_id for event in story.log.events]
    assert len(set(told)) == 2


@pytest.mark.parametrize("token", ["", "nonsense", STRANGER])
async def test_a_link_that_is_not_ours_leads_nowhere(story, token):
    assert await story.handlers.link(token, PHONE) is None
    assert story.log.events == []


async def test_only_link_ctas_redirect(story):
    assert await story.handlers.link(story.token(0), PHONE) is None
    assert await story.handlers.link(story.token(2), PHONE) is None
    assert story.log.events == []


async def test_a_target_of_the_log_that_names_a_user_leads_nowhere(story):
    story.given_ctas(link("https://example.org@evil.example/"))

    assert await story.handlers.link(story.token(), PHONE) is None
    assert story.log.events == []


@pytest.mark.parametrize(
    ("delivery", "cta", "reason"),
    [
        (PROMO_DELIVERY, 0, "no_link"),
        (PROMO_DELIVERY, 2, "unknown_cta"),
        (GUIDE_DELIVERY, 0, "unknown_delivery"),
    ],
)
async def test_why_a_link_leads_nowhere_is_counted(story, delivery, cta, reason):
    counter = REFUSED.labels(reason)
    before = counter._value.get()

    await story.handlers.link(SIGNER.sign(CtaRef(delivery, cta)), PHONE)

    assert counter._value.get() == before + 1
