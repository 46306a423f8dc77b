"""Every rule that a campaign file must keep; what keeps them all can be posted."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import available_timezones

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


def cron(expression: Any, **fields: Any) -> dict[str, Any]:
    return campaign(schedule={"cron": expression}, **fields)


def test_the_least_campaign_gets_the_defaults() -> None:
    [plain] = read().campaigns

    assert plain.schedule.every == timedelta(hours=4)
    assert plain.schedule.phase == timedelta(0)
    assert plain.zone == "UTC"
    assert plain.catch_up.policy == "latest"
    assert plain.rotation == "round_robin"


@pytest.mark.parametrize(
    ("gap", "window"),
    [
        (timedelta(hours=1), timedelta(minutes=30)),
        (timedelta(hours=4), timedelta(hours=2)),
        (timedelta(days=1), timedelta(hours=2)),
        (timedelta(seconds=10), timedelta(seconds=5)),
    ],
)
def test_the_catch_up_window_is_half_the_gap_but_two_hours_at_most_unless_the_plan_says_so(
    gap: timedelta, window: timedelta
) -> None:
    [plain] = read().campaigns
    [said] = read(campaign(catch_up={"window": "3h"})).campaigns

    assert plain.catch_up_window(gap) == window
    assert said.catch_up_window(gap) == timedelta(hours=3)


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
        {"campaigns": [campaign(schedule={"every": "PT1.5S"})]},
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
    "interval without a unit": ({"campaigns": [campaign(schedule={"every": 4})]}, "has no unit"),
    "interval of half a second": (
        {"campaigns": [campaign(schedule={"every": "PT0.5S"})]},
        "at least 1s",
    ),
    "interval of yes": ({"campaigns": [campaign(schedule={"every": True})]}, "write a duration"),
    "phase of half seconds": (
        {"campaigns": [campaign(schedule={"phase": "PT0.5S"})]},
        "whole number of seconds; round",
    ),
    "unknown macro": ({"campaigns": [cron("@reboot")]}, "is no macro; write one of @hourly"),
    "six-field cron": ({"campaigns": [cron("0 0 9 * * *")]}, "must have five fields"),
    "cron of an hour that is none": ({"campaigns": [cron("0 24 * * *")]}, "no such hour"),
    "cron of the 30th of February": ({"campaigns": [cron("0 0 30 2 *")]}, "no such day-of-month"),
    "cron of no text": ({"campaigns": [cron(5)]}, "valid string"),
    "unknown zone of a cron": (
        {"campaigns": [campaign(schedule={"cron": "@daily", "zone": "Mars"})]},
        "not an IANA",
    ),
    "zone in other letters": ({"campaigns": [campaign(zone="europe/paris")]}, "as Europe/Paris"),
    "zone of the machine": ({"campaigns": [campaign(zone="Factory")]}, "on every machine"),
    "schedule and schedules": (
        {"campaigns": [campaign(schedule={}, schedules=[{}])]},
        "remove one of the two",
    ),
    "schedules of nothing": ({"campaigns": [campaign(schedules=[])]}, "list at least one schedule"),
    "21 schedules": ({"campaigns": [campaign(schedules=[{}] * 21)]}, "at most 20"),
    "end before start": (
        {"campaigns": [campaign(start="2026-12-02", end="2026-12-01")]},
        "end lies before start",
    ),
    "impossible date": ({"campaigns": [campaign(start="2026-02-30")]}, "out of range for month"),
    "date in words": ({"campaigns": [campaign(end="tomorrow")]}, "must be a date such as"),
    "date as a number": ({"campaigns": [campaign(end=1790000000)]}, "write a date such as"),
    "date before the calendar": (
        {"campaigns": [campaign(start="0001-01-01", zone="Asia/Tokyo")]},
        "outside the years 1 to 9999",
    ),
    "offset of two days": (
        {"campaigns": [campaign(start="2026-01-01T00:00+48:00")]},
        "must be a date such as",
    ),
    "no slots": ({"campaigns": [campaign(limit=0)]}, "greater than 0"),
    "slots in quotes": ({"campaigns": [campaign(limit="3")]}, "a whole number, without quotes"),
    "half a slot": ({"campaigns": [campaign(limit=1.0)]}, "a whole number, without quotes"),
    "yes slots": ({"campaigns": [campaign(limit=True)]}, "a whole number, without quotes"),
    "one for true": ({"campaigns": [campaign(run_now=1)]}, "must be true or false"),
    "yes in quotes": ({"campaigns": [campaign(enabled="yes")]}, "must be true or false"),
    "title of a number": ({"campaigns": [campaign(title=5)]}, "valid string"),
    "version of yes": ({"version": True, "campaigns": [campaign()]}, "whole number"),
    "quiet for no time": ({"campaigns": [campaign(quiet_hours="07:00-07:00")]}, "when it ends"),
    "quiet until 24:30": ({"campaigns": [campaign(quiet_hours="22:00-24:30")]}, "22:00-07:00"),
    "quiet all day": (
        {"campaigns": [campaign(quiet_hours=["00:00-12:00", "11:30-18:00", "18:00-24:00"])]},
        "leave no minute of the day",
    ),
    "quiet whenever cron fires": (
        {"campaigns": [campaign(schedule={"cron": "0 23,4 * * *"}, quiet_hours="22:00-07:00")]},
        "hold every slot of cron '0 23,4",
    ),
    "blackout backwards": (
        {"campaigns": [campaign(blackouts="2026-12-26..2026-12-24")]},
        "ends before it begins; exchange",
    ),
    "blackout without an end": ({"campaigns": [campaign(blackouts="2026-12-26..")]}, "be a date"),
    "negative jitter": ({"campaigns": [campaign(jitter="-PT1M")]}, "must not be negative"),
    "jitter of a day": ({"campaigns": [campaign(jitter="1d")]}, "at most 12h"),
    "jitter as long as the interval": (
        {"campaigns": [campaign(schedule={"every": "1h"}, jitter="1h")]},
        "delay the last channel by up to 1:00:00",
    ),
    "channels as long as the gap of cron": (
        {"campaigns": [cron("*/10 * * * *", channel_offset="5m", channels=[1, 2, 3])]},
        "less than the interval of 0:10:00",
    ),
    "weights without weighted": (
        {"campaigns": [campaign(variants=[variant(weight=2)])]},
        "write rotation: weighted",
    ),
    "weight of nothing": ({"campaigns": [campaign(variants=[variant(weight=0)])]}, "equal to 1"),
    "max without all": ({"campaigns": [campaign(catch_up={"max": 3})]}, "write policy: all"),
    "max over 1000": (
        {"campaigns": [campaign(catch_up={"policy": "all", "max": 1001})]},
        "less than or equal to 1000",
    ),
    "unknown policy": ({"campaigns": [campaign(catch_up={"policy": "some"})]}, "'latest'"),
}


@pytest.mark.parametrize(("document", "problem"), REFUSED.values(), ids=REFUSED)
def test_a_plan_that_breaks_a_rule_is_refused(document: Any, problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        read_plan(document)


def test_a_contradiction_is_told_at_the_field_and_with_all_others() -> None:
    bad = campaign(
        start="2026-12-02",
        end="2026-12-01",
        schedules=[],
        catch_up={"max": 3},
        channels=[-1, -1],
        variants=[variant(weight=2), variant()],
    )

    with pytest.raises(ValidationError) as caught:
        read(campaign(id="good"), bad)

    assert {error["loc"][2:] for error in caught.value.errors()} == {
        ("schedules",),
        ("end",),
        ("catch_up", "max"),
        ("channels", 1),
        ("variants", 0, "weight"),
        ("variants", 1),
    }


@pytest.mark.parametrize(
    ("start", "zone", "instant"),
    [
        ("2026-12-01", "UTC", datetime(2026, 12, 1, tzinfo=UTC)),
        ("2026-12-01", "Europe/Berlin", datetime(2026, 11, 30, 23, tzinfo=UTC)),
        ("2026-12-01T09:00", "Europe/Berlin", datetime(2026, 12, 1, 8, tzinfo=UTC)),
        ("2026-12-01 09:00:30Z", "Europe/Berlin", datetime(2026, 12, 1, 9, 0, 30, tzinfo=UTC)),
        ("2026-12-01T09:00-05:00", "Europe/Berlin", datetime(2026, 12, 1, 14, tzinfo=UTC)),
        ("2026-03-29T02:30", "Europe/Berlin", datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),
        ("2026-10-25T02:30", "Europe/Berlin", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        (None, "UTC", None),
    ],
)
def test_a_moment_is_read_in_the_zone_of_the_campaign(
    start: str | None, zone: str, instant: datetime | None
) -> None:
    assert read(campaign(start=start, zone=zone)).campaigns[0].start == instant


def test_the_last_date_is_included_as_a_whole() -> None:
    [plan] = read(campaign(end="2026-12-24", zone="Europe/Berlin")).campaigns
    [moment] = read(campaign(end="2026-12-24T00:00", zone="Europe/Berlin")).campaigns

    assert plan.end == datetime(2026, 12, 24, 22, 59, 59, tzinfo=UTC)
    assert moment.end == datetime(2026, 12, 23, 23, tzinfo=UTC)


TAKEN: dict[str, dict[str, Any]] = {
    "one moment": campaign(start="2026-12-01T09:00", end="2026-12-01T09:00"),
    "20 schedules": campaign(schedules=[{}, {"cron": "@daily"}] * 10),
    "quiet for all but a minute": campaign(quiet_hours=["00:00-23:00", "23:01-24:00"]),
    "quiet when cron fires elsewhere": campaign(
        schedule={"cron": "0 23 * * *", "zone": "Asia/Tokyo"}, quiet_hours="22:00-07:00"
    ),
    "no delay, without a unit": campaign(jitter=0, channel_offset=0, schedule={"phase": 0}),
    "jitter below the interval": campaign(schedule={"every": "1h"}, jitter="59m"),
    "an offset of one channel": campaign(channel_offset="12h", channels=-1001),
    "the 29th of February": cron("0 0 29 2 *", jitter="12h"),
    "weights that are alike": campaign(variants=[variant(weight=1)]),
    "rotation by weight": campaign(rotation="weighted", variants=[variant(weight=100)]),
    "all of them": campaign(catch_up={"policy": "all", "max": 1000, "window": "366d"}),
}


@pytest.mark.parametrize("plan", TAKEN.values(), ids=TAKEN)
def test_a_plan_at_the_limit_of_a_rule_is_taken_and_read_again_from_the_log(
    plan: dict[str, Any],
) -> None:
    [taken] = read(plan).campaigns

    assert Campaign.model_validate_json(taken.model_dump_json()) == taken


def test_what_is_one_of_a_list_may_stand_alone() -> None:
    [plan] = read(
        campaign(channels=-1001, quiet_hours="22:00-07:00", blackouts="2026-12-24")
    ).campaigns

    assert plan.channels == ("-1001",)
    assert plan.quiet_hours == ("22:00-07:00",)
    assert plan.blackouts == ("2026-12-24",)


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
    "target that names a user": (
        {**LINK, "target": "https://example.org@evil.example/"},
        "must name no user; remove what stands before the @",
    ),
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
        {**LINK, "target": "http://example.org:8080/ä?b=c@d#e"},
        {**LINK, "target": "http://127.0.0.1:8703/r"},
        {**LINK, "target": "http://[::1]:8703/r"},
        {**LINK, "label": "👨\u200d👩\u200d👧"},
        {**CALLBACK, "answer": "a" * 200},
        {**BOT, "kind": "deep_link", "offer": OFFER},
        {"kind": "copy", "label": "Copy", "copied": "a" * 256},
        {**BOT, "greeting": EMOJI * 2048, "offer": {**OFFER, "stars": 10_000}},
    ],
)
def test_a_button_at_the_limit_is_taken(cta: dict[str, Any]) -> None:
    [taken] = read(with_cta(**cta)).campaigns[0].variants[0].ctas

    assert taken.model_dump(exclude_defaults=True) == cta


def test_a_hundred_buttons_are_too_many() -> None:
    [taken] = read(campaign(variants=[variant(ctas=[LINK] * 99)])).campaigns[0].variants

    assert len(taken.ctas) == 99
    with pytest.raises(ValidationError, match="at most 99"):
        read(campaign(variants=[variant(ctas=[LINK] * 100)]))


@pytest.mark.parametrize("text", ["a" * 4096, EMOJI * 2048, "ä" * 4096, f" {'a' * 4096}\n"])
def test_a_text_of_4096_units_fits(text: str) -> None:
    assert Variant(id="a", text=text).text == text.strip()


@pytest.mark.parametrize("text", ["a" * 4097, EMOJI * 2048 + "a", "ä" * 4097])
def test_a_text_of_4097_units_does_not(text: str) -> None:
    with pytest.raises(ValidationError, match="text is 4097 characters long; Telegram takes 4096"):
        read(campaign(variants=[variant(text=text)]))


@pytest.mark.parametrize("text", ["", "  \n"])
def test_a_text_that_nobody_sees_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="is empty; write a text, or add media"):
        read(campaign(variants=[variant(text=text)]))


@pytest.mark.parametrize("text", [ZERO_WIDTH, "\u2800", "\u3000\ufffc\n\u200b", "\u0007"])
def test_a_text_of_invisible_characters_is_refused_in_a_file(text: str) -> None:
    with pytest.raises(ValidationError, match="shows nothing, and Telegram refuses it; add"):
        read(campaign(variants=[variant(text=text)]))


def test_what_the_log_holds_from_before_a_rule_of_the_file_is_still_read() -> None:
    link = {**LINK, "target": "http://localhost:99999/", "label": ZERO_WIDTH}
    old = campaign(variants=[variant(text=ZERO_WIDTH, ctas=[link])])

    assert Campaign.model_validate(old).variants[0].text == ZERO_WIDTH


def test_the_rules_of_files_are_not_those_of_the_log() -> None:
    old = campaign(
        zone="localtime" if "localtime" in available_timezones() else "Factory",
        schedule={"every": 14_400.0, "phase": 0.5},
        schedules=[],
        start="2026-12-02",
        end="2026-12-01",
        limit="3",
        catch_up={"max": 3},
        jitter="12h",
        variants=[variant(weight=2)],
    )

    assert Campaign.model_validate(old).limit == 3


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
