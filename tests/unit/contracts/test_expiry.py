"""What a campaign file may plan for messages after they were posted."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from contracts.campaign import Campaign, Expire, read_plan

TAP = {"kind": "callback", "label": "Tap", "answer": "Thanks."}
PHOTO = {"kind": "photo", "url": "https://example.org/a.jpg"}
OFFER = {"id": "offer", "text": "Half price, today only.", "ctas": [TAP]}
EMOJI = "📈"  # two UTF-16 units, one character


def plan(*variants: dict[str, Any], **fields: Any) -> Campaign:
    document = {"id": "sale", "kind": "guide", "title": "Sale", **fields}
    return read_plan({"campaigns": [{**document, "variants": variants or [OFFER]}]}).campaigns[0]


def expire(after: Any = "24h", action: Any = "edit", **fields: Any) -> dict[str, Any]:
    return {"after": after, "action": action, **fields}


def test_a_message_stays_as_it_is_unless_the_plan_says_so() -> None:
    plain = plan()

    assert plain.expire is None
    assert not plain.delete_previous
    assert plain.bot == "main"


def test_a_plan_for_the_time_after_is_read() -> None:
    told = plan(expire=expire("1d12h", text="<b>Over.</b>", format="html"), delete_previous=True)

    assert told.expire == Expire(
        after=timedelta(hours=36), action="edit", text="<b>Over.</b>", format="html"
    )
    assert told.delete_previous


PINNED = {**OFFER, "pin": True}
SILENT = {"id": "news", "text": "News."}

TAKEN: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "the shortest life": (OFFER, {"expire": expire("1m")}),
    "the longest life": (OFFER, {"expire": expire("30d")}),
    "buttons alone": (OFFER, {"expire": expire()}),
    "a text where there is no button": (SILENT, {"expire": expire(text="Old news.")}),
    "the longest text": (OFFER, {"expire": expire(text=EMOJI * 2048)}),
    "the longest text as it is read": (
        OFFER,
        {"expire": expire(text=f"<b>{'x' * 4096}</b>", format="html")},
    ),
    "the longest caption": ({**OFFER, "media": PHOTO}, {"expire": expire(text="x" * 1024)}),
    "deleted at the last moment": (OFFER, {"expire": expire("47h", "delete")}),
    "unpinned": (PINNED, {"expire": expire(action="unpin")}),
    "replaced, by another bot": (OFFER, {"delete_previous": True, "bot": "second"}),
}


@pytest.mark.parametrize(("variant", "fields"), TAKEN.values(), ids=TAKEN)
def test_what_can_be_done_is_taken_and_read_again_from_the_log(
    variant: dict[str, Any], fields: dict[str, Any]
) -> None:
    taken = plan(variant, **fields)

    assert Campaign.model_validate_json(taken.model_dump_json()) == taken


def test_one_variant_of_several_is_enough_for_a_plan_to_have_a_sense() -> None:
    assert plan(SILENT, PINNED, expire=expire(action="unpin")).expire
    assert plan(SILENT, OFFER, expire=expire()).expire


REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], tuple[str, ...], str]] = {
    "too short a life": (OFFER, expire("59s"), ("after",), "whole seconds from 1m to 30d"),
    "too long a life": (OFFER, expire("30d1s"), ("after",), "whole seconds from 1m to 30d"),
    "half a second": (OFFER, expire("PT90.5S"), ("after",), "whole seconds"),
    "a mere number": (OFFER, expire(24), ("after",), "has no unit; write a duration"),
    "no time": (OFFER, {"action": "edit"}, ("after",), "Field required"),
    "no action": (OFFER, {"after": "1h"}, ("action",), "Field required"),
    "another action": (OFFER, expire(action="burn"), ("action",), "'edit', 'delete' or 'unpin'"),
    "unknown field": (OFFER, expire(colour=1), ("colour",), "Extra inputs"),
    "deleted too late": (
        OFFER,
        expire("47h1m", "delete"),
        ("after",),
        "Telegram lets bots delete for 48h: at most 47h; or write action: edit",
    ),
    "a text to be deleted": (
        OFFER,
        expire("1h", "delete", text="x"),
        ("text",),
        "counts for action: edit only; remove it",
    ),
    "a text to be unpinned": (
        PINNED,
        expire(action="unpin", text="x"),
        ("text",),
        "counts for action: edit only; remove it",
    ),
    "a text that nobody sees": (OFFER, expire(text=" \u200b "), ("text",), "shows nothing"),
    "an empty text": (OFFER, expire(text=""), ("text",), "shows nothing"),
    "a text too long": (
        OFFER,
        expire(text="x" * 4097),
        ("text",),
        "4097 characters long; Telegram takes 4096",
    ),
    "a text that cannot be read": (
        OFFER,
        expire(text="<b>x", format="html"),
        ("text",),
        "line 1, column 1: Can't find end tag",
    ),
    "an unknown format": (OFFER, expire(text="x", format="bbcode"), ("format",), "unknown format"),
    "a caption too long": (
        {**OFFER, "media": PHOTO},
        expire(text="x" * 1025),
        ("text",),
        "1025 characters long; Telegram takes 1024 below media",
    ),
    "nothing to unpin": (
        OFFER,
        expire(action="unpin"),
        ("action",),
        "no variant is pinned; write pin: true in one, or edit",
    ),
    "nothing to take away": (
        SILENT,
        expire(),
        ("text",),
        "no variant has buttons to take away; write what it then says",
    ),
}


@pytest.mark.parametrize(("variant", "planned", "field", "problem"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_done_is_told_at_its_field(
    variant: dict[str, Any], planned: dict[str, Any], field: tuple[str, ...], problem: str
) -> None:
    with pytest.raises(ValidationError, match=problem) as caught:
        plan(variant, expire=planned)

    assert caught.value.errors()[0]["loc"] == ("campaigns", 0, "expire", *field)


@pytest.mark.parametrize("bot", ["", "Second", "a b", "_x", "x" * 33])
def test_a_bot_has_a_name_of_the_settings(bot: str) -> None:
    with pytest.raises(ValidationError) as caught:
        plan(bot=bot)

    assert caught.value.errors()[0]["loc"] == ("campaigns", 0, "bot")


def test_whether_the_one_before_is_deleted_is_true_or_false() -> None:
    with pytest.raises(ValidationError, match="must be true or false, without quotes"):
        plan(delete_previous="yes")


@pytest.mark.parametrize("name", ["deleted too late", "a caption too long", "nothing to unpin"])
def test_what_only_files_must_keep_does_not_make_a_log_unreadable(name: str) -> None:
    variant, planned, _, _ = REFUSED[name]
    document = {"id": "sale", "kind": "guide", "title": "Sale", "variants": [variant]}
    held = Campaign.model_validate({**document, "expire": planned})

    assert Campaign.model_validate_json(held.model_dump_json()) == held
