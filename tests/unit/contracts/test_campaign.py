"""Every rule that a campaign file must keep; what keeps them all can be posted."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from contracts.campaign import (
    Campaign,
    CampaignFile,
    PostedAddress,
    Variant,
    WebAddress,
    read_plan,
)
from contracts.examples import GUIDES

LINK = {"kind": "link", "label": "Read", "target": "https://example.org/guide"}
CALLBACK = {"kind": "callback", "label": "Remind me", "answer": "We will."}
BOT = {"kind": "bot", "label": "Upgrade", "greeting": "Welcome!"}
OFFER = {"title": "Premium", "description": "30 days", "stars": 250}
ZERO_WIDTH = "\u200b\u2060\ufeff"
EMOJI = "📈"  # two UTF-16 units, one character


def variant(**fields: Any) -> dict[str, Any]:
    return {"id": "risk", "text": "Risk comes first.", **fields}


def campaign(**fields: Any) -> dict[str, Any]:
    return {"id": "guides", "kind": "guide", "title": "G", "variants": [variant()], **fields}


def read(*campaigns: dict[str, Any], **fields: Any) -> CampaignFile:
    return read_plan({"campaigns": campaigns or [campaign()], **fields})


def with_cta(**cta: Any) -> dict[str, Any]:
    return campaign(variants=[variant(ctas=[cta])])


def test_the_least_campaign_gets_the_defaults() -> None:
    [plain] = read().campaigns

    assert plain.schedule.every == timedelta(hours=4)
    assert plain.schedule.phase == timedelta(0)
    assert plain.zone == "UTC"
    assert plain.catch_up.policy == "latest"
    assert plain.rotation == "round_robin"


@pytest.mark.parametrize(
    ("every", "window"), [("1h", "30m"), ("4h", "2h"), ("1d", "2h"), ("10s", "5s")]
)
def test_the_catch_up_window_is_half_the_interval_but_two_hours_at_most(
    every: str, window: str
) -> None:
    [plain] = read(campaign(schedule={"every": every})).campaigns
    [said] = read(campaign(catch_up={"window": window})).campaigns

    assert plain.catch_up_window == said.catch_up_window


def test_an_uncertain_guide_is_held_and_an_uncertain_promo_dropped_unless_the_plan_says_so() -> (
    None
):
    promo = campaign(kind="promo", variants=[variant(ctas=[BOT])])

    assert read().campaigns[0].uncertain_policy == "hold"
    assert read(promo).campaigns[0].uncertain_policy == "drop"
    assert read({**promo, "on_uncertain": "resend"}).campaigns[0].uncertain_policy == "resend"


REFUSED: dict[str, tuple[Any, str]] = {
    "unknown field of the file": ({"campaigns": [campaign()], "colour": 1}, "Extra inputs"),
    "unknown field of a campaign": ({"campaigns": [campaign(colour=1)]}, "Extra inputs"),
    "unknown field of a variant": (
        {"campaigns": [campaign(variants=[variant(colour=1)])]},
        "Extra inputs",
    ),
    "unknown field of a button": ({"campaigns": [with_cta(**LINK, colour=1)]}, "Extra inputs"),
    "unknown field of a schedule": (
        {"campaigns": [campaign(schedule={"evry": "4h"})]},
        "Extra inputs",
    ),
    "no campaigns": ({"campaigns": []}, "at least 1 item"),
    "another version": ({"version": 2, "campaigns": [campaign()]}, "Input should be 1"),
    "duplicate campaign id": (
        {"campaigns": [campaign(), campaign()]},
        "campaign id 'guides' stands 2 times; keep one",
    ),
    "duplicate variant id": (
        {"campaigns": [campaign(variants=[variant(), variant()])]},
        "variant id 'risk' stands 2 times",
    ),
    "duplicate channel": (
        {"campaigns": [campaign(channels=[-100, "-100"])]},
        "channel '-100' stands 2 times",
    ),
    "empty rotation": ({"campaigns": [campaign(variants=[])]}, "at least 1 item"),
    "unknown zone": ({"campaigns": [campaign(zone="Mars/Base")]}, "not an IANA time zone"),
    "bad campaign id": ({"campaigns": [campaign(id="My Guides")]}, "match pattern"),
    "campaign id with a dot": ({"campaigns": [campaign(id="a.b")]}, "match pattern"),
    "bad channel": ({"campaigns": [campaign(channels=["news"])]}, "match pattern"),
    "another kind": ({"campaigns": [campaign(kind="news")]}, "'guide' or 'promo'"),
    "promo without a button": ({"campaigns": [campaign(kind="promo")]}, "needs at least one CTA"),
    "interval of zero": ({"campaigns": [campaign(schedule={"every": "0s"})]}, "at least 1s"),
    "interval of half seconds": (
        {"campaigns": [campaign(schedule={"every": 1.5})]},
        "whole number of seconds",
    ),
    "endless interval": (
        {"campaigns": [campaign(schedule={"every": "999999d"})]},
        "at most 366d",
    ),
    "phase as long as the interval": (
        {"campaigns": [campaign(schedule={"every": "1h", "phase": "1h"})]},
        "phase must be shorter than every",
    ),
    "negative phase": (
        {"campaigns": [campaign(schedule={"every": "1h", "phase": "-PT1M"})]},
        "must not be negative",
    ),
    "negative window": (
        {"campaigns": [campaign(catch_up={"window": "-PT1M"})]},
        "must not be negative",
    ),
    "unknown policy": ({"campaigns": [campaign(catch_up={"policy": "some"})]}, "'latest'"),
}


@pytest.mark.parametrize(("document", "problem"), REFUSED.values(), ids=REFUSED)
def test_a_plan_that_breaks_a_rule_is_refused(document: Any, problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        read_plan(document)


BAD_BUTTONS: dict[str, tuple[dict[str, Any], str]] = {
    "no kind": ({"label": "Read"}, "Unable to extract tag"),
    "another kind": ({"kind": "magic", "label": "Read"}, "does not match any"),
    "link without target": ({"kind": "link", "label": "Read"}, "Field required"),
    "javascript target": ({**LINK, "target": "javascript:alert(1)"}, r"http\(s\) address"),
    "target without a host": ({**LINK, "target": "https:///guide"}, r"http\(s\) address"),
    "target of a telegram link": ({**LINK, "target": "tg://resolve"}, r"http\(s\) address"),
    "relative target": ({**LINK, "target": "/guide"}, r"http\(s\) address"),
    "target with a line break": (
        {**LINK, "target": "https://example.org/\r\nSet-Cookie: a=b"},
        "without spaces",
    ),
    "target with a space": ({**LINK, "target": "https://example.org/a b"}, "without spaces"),
    "broken address": ({**LINK, "target": "https://[::1"}, "Invalid IPv6"),
    "target over 2048": ({**LINK, "target": "https://a.org/" + "a" * 2048}, "at most 2048"),
    "target without a dot": (
        {**LINK, "target": "http://localhost/x"},
        "a name with a dot or an IP",
    ),
    "target of dots": ({**LINK, "target": "http://localhost./x"}, "a name with a dot or an IP"),
    "target's port too high": (
        {**LINK, "target": "https://example.org:99999/"},
        "a number from 1 to 65535",
    ),
    "target's port no number": (
        {**LINK, "target": "https://example.org:https/"},
        "a number from 1 to 65535",
    ),
    "target's port zero": ({**LINK, "target": "https://example.org:0/"}, "a number from 1 to"),
    "bot target without a dot": ({**BOT, "target": "http://localhost/x"}, "a name with a dot"),
    "label of nothing": ({**LINK, "label": ZERO_WIDTH}, "add a character that people see"),
    "greeting of nothing": ({**BOT, "greeting": ZERO_WIDTH}, "add a character that people see"),
    "empty label": ({**LINK, "label": ""}, "at least 1 character"),
    "blank label": ({**LINK, "label": "   "}, "at least 1 character"),
    "label over 64": ({**LINK, "label": "a" * 65}, "at most 64"),
    "empty answer": ({**CALLBACK, "answer": ""}, "at least 1 character"),
    "answer over 200": ({**CALLBACK, "answer": "a" * 201}, "at most 200"),
    "greeting over 4096": ({**BOT, "greeting": "a" * 4097}, "at most 4096"),
    "greeting of 4098 units": ({**BOT, "greeting": EMOJI * 2049}, "4098 characters long"),
    "blank greeting": ({**BOT, "greeting": " "}, "at least 1 character"),
    "offer without a price": (
        {**BOT, "offer": {**OFFER, "stars": 0}},
        "greater than or equal to 1",
    ),
    "offer over 10 000": ({**BOT, "offer": {**OFFER, "stars": 10_001}}, "less than or equal"),
    "title over 32": ({**BOT, "offer": {**OFFER, "title": "a" * 33}}, "at most 32"),
}


@pytest.mark.parametrize(("cta", "problem"), BAD_BUTTONS.values(), ids=BAD_BUTTONS)
def test_a_button_that_telegram_or_a_person_could_not_use_is_refused(
    cta: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ValidationError, match=problem):
        read(with_cta(**cta))


@pytest.mark.parametrize(
    "cta",
    [
        {**LINK, "label": "a" * 64},
        {**LINK, "target": "http://user@example.org:8080/ä?b=c#d"},
        {**LINK, "target": "http://127.0.0.1:8703/r"},
        {**LINK, "target": "http://[::1]:8703/r"},
        {**LINK, "label": "👨\u200d👩\u200d👧"},
        {**CALLBACK, "answer": "a" * 200},
        {**BOT, "greeting": EMOJI * 2048, "offer": {**OFFER, "stars": 10_000}},
    ],
)
def test_a_button_at_the_limit_is_taken(cta: dict[str, Any]) -> None:
    [taken] = read(with_cta(**cta)).campaigns[0].variants[0].ctas

    assert taken.model_dump(exclude_defaults=True) == cta


def test_nine_buttons_are_too_many() -> None:
    assert (
        len(read(campaign(variants=[variant(ctas=[LINK] * 8)])).campaigns[0].variants[0].ctas) == 8
    )

    with pytest.raises(ValidationError, match="at most 8"):
        read(campaign(variants=[variant(ctas=[LINK] * 9)]))


@pytest.mark.parametrize("text", ["a" * 4096, EMOJI * 2048, "ä" * 4096, f" {'a' * 4096}\n"])
def test_a_text_of_4096_units_fits(text: str) -> None:
    assert Variant(id="a", text=text).text == text.strip()


@pytest.mark.parametrize("text", ["a" * 4097, EMOJI * 2048 + "a", "ä" * 4097])
def test_a_text_of_4097_units_does_not(text: str) -> None:
    with pytest.raises(ValidationError, match="text is 4097 characters long; Telegram takes 4096"):
        Variant(id="a", text=text)


@pytest.mark.parametrize("text", ["", "  \n"])
def test_a_text_that_nobody_sees_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="at least 1 character"):
        Variant(id="a", text=text)


@pytest.mark.parametrize("text", [ZERO_WIDTH, "\u2800", "\u3000\ufffc\n\u200b", "\u0007"])
def test_a_text_of_invisible_characters_is_refused_in_a_file(text: str) -> None:
    with pytest.raises(ValidationError, match="shows nothing, and Telegram refuses it; add"):
        read(campaign(variants=[variant(text=text)]))


def test_what_the_log_holds_from_before_a_rule_of_the_file_is_still_read() -> None:
    link = {**LINK, "target": "http://localhost:99999/", "label": ZERO_WIDTH}
    old = campaign(variants=[variant(text=ZERO_WIDTH, ctas=[link])])

    assert Campaign.model_validate(old).variants[0].text == ZERO_WIDTH


def test_a_server_of_ones_own_may_have_a_name_without_a_dot_but_no_button_leads_there() -> None:
    own = "http://telegram-bot-api:8081"

    assert TypeAdapter(WebAddress).validate_python(own) == own
    with pytest.raises(ValidationError, match="a name with a dot or an IP address"):
        TypeAdapter(PostedAddress).validate_python(own)


def test_every_error_of_a_file_is_told_at_once() -> None:
    with pytest.raises(ValidationError) as caught:
        read(campaign(zone="Mars/Base"), campaign(id="b", variants=[]), colour=1)
    places = {error["loc"] for error in caught.value.errors()}

    assert places >= {("campaigns", 0, "zone"), ("campaigns", 1, "variants"), ("colour",)}


def test_a_plan_in_the_log_may_have_fields_of_a_newer_version() -> None:
    document = {**GUIDES.model_dump(mode="json"), "from_the_future": 1}

    assert Campaign.model_validate(document) == GUIDES


@pytest.mark.parametrize("document", [None, [], "campaigns", 5])
def test_a_file_that_is_no_mapping_is_refused(document: Any) -> None:
    with pytest.raises(ValidationError):
        read_plan(document)
