"""What a post may show: markup becomes text and entities, and what Telegram refuses is found."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts import placeholders
from contracts.campaign import Campaign, Variant, read_plan
from contracts.markup import Formatted, escaped, parse

PHOTO = {"kind": "photo", "url": "https://example.org/a.jpg"}
VIDEO = {"kind": "video", "file_id": "BAACAgQAAx0"}
ANIMATION = {"kind": "animation", "url": "https://example.org/a.gif"}
PAPER = {"kind": "document", "url": "https://example.org/a.pdf"}
TAP = {"kind": "callback", "label": "Tap", "answer": "Thanks."}
BESIDE = {**TAP, "beside": True}
COPY = {"kind": "copy", "label": "Copy", "copied": "CODE"}
EMOJI = "📈"  # two UTF-16 units, one character
SLOT = datetime(2026, 11, 30, 23, 30, tzinfo=UTC)


def plan(*variants: dict[str, Any], **fields: Any) -> Campaign:
    listed = [{"id": f"v{number}", **variant} for number, variant in enumerate(variants)]
    document = {"id": "sale", "kind": "guide", "title": "Sale", **fields, "variants": listed}
    return read_plan({"campaigns": [document]}).campaigns[0]


@pytest.mark.parametrize(
    ("form", "written", "entities"),
    [
        ("html", "<b>x</b>", [{"type": "bold", "offset": 0, "length": 1}]),
        ("html", "<i>x</i>", [{"type": "italic", "offset": 0, "length": 1}]),
        ("html", "<u>x</u>", [{"type": "underline", "offset": 0, "length": 1}]),
        ("html", "<s>x</s>", [{"type": "strikethrough", "offset": 0, "length": 1}]),
        ("html", "<tg-spoiler>x</tg-spoiler>", [{"type": "spoiler", "offset": 0, "length": 1}]),
        ("html", "<code>x</code>", [{"type": "code", "offset": 0, "length": 1}]),
        (
            "html",
            '<pre><code class="language-python">x</code></pre>',
            [{"type": "pre", "language": "python", "offset": 0, "length": 1}],
        ),
        ("html", "<blockquote>x</blockquote>", [{"type": "blockquote", "offset": 0, "length": 1}]),
        (
            "html",
            "<blockquote expandable>x</blockquote>",
            [{"type": "expandable_blockquote", "offset": 0, "length": 1}],
        ),
        (
            "html",
            '<a href="https://example.org/?a=1&amp;b=2">x</a>',
            [
                {
                    "type": "text_link",
                    "url": "https://example.org/?a=1&b=2",
                    "offset": 0,
                    "length": 1,
                }
            ],
        ),
        (
            "html",
            '<tg-emoji emoji-id="5368324170671202286">x</tg-emoji>',
            [
                {
                    "type": "custom_emoji",
                    "custom_emoji_id": "5368324170671202286",
                    "offset": 0,
                    "length": 1,
                }
            ],
        ),
        ("markdown", "*x*", [{"type": "bold", "offset": 0, "length": 1}]),
        ("markdown", "_x_", [{"type": "italic", "offset": 0, "length": 1}]),
        ("markdown", "__x__", [{"type": "underline", "offset": 0, "length": 1}]),
        ("markdown", "~x~", [{"type": "strikethrough", "offset": 0, "length": 1}]),
        ("markdown", "||x||", [{"type": "spoiler", "offset": 0, "length": 1}]),
        ("markdown", "`x`", [{"type": "code", "offset": 0, "length": 1}]),
        (
            "markdown",
            "[x](https://example.org/)",
            [{"type": "text_link", "url": "https://example.org/", "offset": 0, "length": 1}],
        ),
        ("markdown", ">x", [{"type": "blockquote", "offset": 0, "length": 1}]),
        ("markdown", "**>x||", [{"type": "expandable_blockquote", "offset": 0, "length": 1}]),
    ],
)
def test_every_mark_becomes_an_entity(
    form: str, written: str, entities: list[dict[str, Any]]
) -> None:
    assert parse(written, form) == Formatted("x", tuple(entities))


def test_offsets_count_utf_16_units_and_the_space_around_a_text_is_left_out() -> None:
    found = parse(f"<b> {EMOJI} </b>and <i>that</i> ", "html")

    assert found.text == f"{EMOJI} and that"
    assert [(e["type"], e["offset"], e["length"]) for e in found.entities] == [
        ("bold", 0, 3),
        ("italic", 7, 4),
    ]


def test_a_plain_text_is_what_it_is() -> None:
    assert parse("<b> *x* {y}", "plain") == Formatted("<b> *x* {y}")


@given(
    st.text(st.characters(exclude_categories=["Cs", "Cc"])), st.sampled_from(["html", "markdown"])
)
def test_an_escaped_text_shows_itself(text: str, form: str) -> None:
    assert parse(escaped(text, form), form) == Formatted(text.strip())


BAD: dict[str, tuple[dict[str, Any], str, str]] = {
    "unknown format": ({"text": "x", "format": "rtf"}, "format", "write plain, html or markdown"),
    "unclosed tag": (
        {"text": "One\n two <b>three", "format": "html"},
        "text",
        'line 2, column 6: Can\'t find end tag corresponding to start tag "b"; close it by </b>',
    ),
    "unknown tag": (
        {"text": "a < b", "format": "html"},
        "text",
        "line 1, column 3: Unsupported start tag.*write &lt; for the sign <",
    ),
    "crossed tags": (
        {"text": "<b><i>x</b></i>", "format": "html"},
        "text",
        "column 8: Unmatched end tag.*close first what was opened last",
    ),
    "unescaped dot": (
        {"text": "1.5", "format": "markdown"},
        "text",
        r"line 1, column 2: Character '\.' is reserved.*write \\\.",
    ),
    "unclosed star": (
        {"text": "*x", "format": "markdown"},
        "text",
        "column 1: Can't find end of Bold entity; close it by",
    ),
    "markup that shows nothing": (
        {"text": "<b> </b>", "format": "html"},
        "text",
        "shows nothing, and Telegram refuses it",
    ),
    "link to nowhere": (
        {"text": '<a href="http://localhost/">x</a>', "format": "html"},
        "text",
        "the link 'http://localhost/' Telegram refuses the host",
    ),
    "101 marks": (
        {"text": "<b>x</b> " * 101, "format": "html"},
        "text",
        "has 101 marks; Telegram takes 100",
    ),
    "text too long once it is read": (
        {"text": f"<b>{'x' * 4097}</b>", "format": "html"},
        "text",
        "text is 4097 characters long; Telegram takes 4096",
    ),
    "caption too long": (
        {"text": "x" * 1025, "media": PHOTO},
        "text",
        "text is 1025 characters long; Telegram takes 1024 below media",
    ),
    "no text": ({}, "text", "is empty; write a text, or add media"),
    "album of one": (
        {"text": "x", "album": [PHOTO]},
        "album",
        "an album has 2 to 10 items; write a single one as media",
    ),
    "album of eleven": ({"text": "x", "album": [PHOTO] * 11}, "album", "2 to 10 items"),
    "animation in an album": (
        {"album": [PHOTO, ANIMATION]},
        "album",
        "an album takes no animation; post it as media",
    ),
    "document among photos": ({"album": [PHOTO, PAPER]}, "album", "with documents only"),
    "media and album": ({"media": PHOTO, "album": [PHOTO, PHOTO]}, "album", "beside media"),
    "album with buttons alone": (
        {"album": [PHOTO, PHOTO], "ctas": [TAP]},
        "album_text",
        "an album takes no buttons: write album_text",
    ),
    "album text without buttons": (
        {"album": [PHOTO, PHOTO], "album_text": "x"},
        "album_text",
        "counts for an album with ctas only",
    ),
    "two sources": ({"media": {**PHOTO, "file_id": "AB"}}, "media", "url, or file_id"),
    "no source": ({"media": {"kind": "photo"}}, "media", "url, or file_id"),
    "local path": ({"media": {"kind": "photo", "url": "a.jpg"}}, "media", r"an http\(s\) address"),
    "covered document": ({"media": {**PAPER, "spoiler": True}}, "media", "what is shown only"),
    "unknown medium": ({"media": {**PHOTO, "kind": "audio"}}, "media", "'animation'"),
    "preview of a photo": (
        {"media": PHOTO, "preview": "off"},
        "preview",
        "counts for a post without media only",
    ),
    "preview of a size": ({"text": "x", "preview": {"size": "huge"}}, "preview", "'small'"),
    "first button beside": ({"text": "x", "ctas": [BESIDE]}, "ctas", "none beside it"),
    "nine in a row": ({"text": "x", "ctas": [TAP, *[BESIDE] * 8]}, "ctas", "begin another one"),
    "copied too much": (
        {"text": "x", "ctas": [{**COPY, "copied": "x" * 257}]},
        "ctas",
        "at most 256",
    ),
    "unknown placeholder": (
        {"text": "{name}", "placeholders": True},
        "text",
        r"unknown placeholder {name}; write one of {campaign}, {channel}, {date}, {time}",
    ),
    "lone brace": (
        {"text": "x\n}", "placeholders": True},
        "text",
        "line 2: a } stands alone; write }} for the sign",
    ),
    "topic of zero": ({"text": "x", "topic": 0}, "topic", "greater than or equal to 1"),
    "yes in quotes": ({"text": "x", "pin": "yes"}, "pin", "must be true or false"),
}


@pytest.mark.parametrize(("fields", "field", "problem"), BAD.values(), ids=BAD)
def test_what_telegram_would_refuse_is_told_at_its_field(
    fields: dict[str, Any], field: str, problem: str
) -> None:
    with pytest.raises(ValidationError, match=problem) as caught:
        plan(fields)

    assert ("campaigns", 0, "variants", 0, field) in [e["loc"][:5] for e in caught.value.errors()]


@pytest.mark.parametrize(
    "name",
    ["unknown format", "unclosed tag", "caption too long", "album of one", "unknown placeholder"],
)
def test_what_only_files_must_keep_does_not_make_a_log_unreadable(name: str) -> None:
    fields, _, _ = BAD[name]
    held = Variant.model_validate({"id": "v", **fields})

    assert Variant.model_validate_json(held.model_dump_json()) == held


@pytest.mark.parametrize(
    "fields",
    [
        {"media": PHOTO},
        {"media": {**VIDEO, "spoiler": True}, "text": "x" * 1024},
        {"media": ANIMATION},
        {"media": PAPER, "ctas": [TAP]},
        {"album": [PHOTO] * 10},
        {"album": [PHOTO, VIDEO], "album_text": "x", "ctas": [TAP]},
        {"album": [PAPER, PAPER]},
        {"text": f"<b>{EMOJI * 2048}</b>", "format": "html"},
        {"text": '<a href="tg://user?id=7">x</a>', "format": "html"},
        {"text": "x", "preview": "off"},
        {"text": "x", "preview": {"url": "https://example.org/", "size": "large", "above": True}},
        {"text": "x", "ctas": [TAP, *[BESIDE] * 7, TAP, COPY]},
        {"text": "{not one} }{"},
        {"text": "{{x}} {date}", "placeholders": True},
        {"text": "x", "silent": True, "protect": True, "pin": True, "topic": 7},
    ],
)
def test_what_telegram_takes_is_taken_and_read_again_from_the_log(fields: dict[str, Any]) -> None:
    taken = plan(fields)

    assert Campaign.model_validate_json(taken.model_dump_json()) == taken


def test_a_promo_needs_a_button_that_is_counted() -> None:
    with pytest.raises(ValidationError, match="needs at least one CTA"):
        plan({"text": "x", "ctas": [COPY]}, kind="promo")


def test_placeholders_are_filled_in_the_zone_and_cannot_break_the_markup() -> None:
    text = "<b>{campaign}</b> {date} {time} {channel} {{x}}"
    sale = plan(
        {"text": text, "format": "html", "placeholders": True},
        title="Up <5 & more",
        zone="Europe/Berlin",
        channels=["@news"],
    )

    filled = placeholders.fill(sale.variants[0], sale, "@news", SLOT)

    assert parse(filled.text, "html") == Formatted(
        "Up <5 & more 2026-12-01 00:30 @news {x}", ({"type": "bold", "offset": 0, "length": 12},)
    )
    assert placeholders.fill(filled, sale, "@news", SLOT) == filled


def test_placeholders_of_markdown_and_of_the_message_below_an_album_are_filled() -> None:
    sale = plan(
        {
            "text": "*{date}*",
            "album": [PHOTO, PHOTO],
            "album_text": "{campaign}\\!",
            "ctas": [TAP],
            "format": "markdown",
            "placeholders": True,
        },
        title="Half_price.",
    )

    filled = placeholders.fill(sale.variants[0], sale, "-1001", SLOT)

    assert parse(filled.text, "markdown").text == "2026-11-30"
    assert parse(filled.album_text or "", "markdown") == Formatted("Half_price.!")


def test_a_text_that_its_placeholders_make_too_long_is_told() -> None:
    with pytest.raises(ValidationError, match="text is 4099 characters long") as caught:
        plan({"text": "x" * 4093 + "{channel}", "placeholders": True}, channels=["-1", "@names"])

    assert caught.value.errors()[0]["loc"][2:] == ("variants", 0, "text")


def test_without_placeholders_braces_are_braces() -> None:
    sale = plan({"text": "{campaign} {"})

    assert placeholders.fill(sale.variants[0], sale, "-1", SLOT).text == "{campaign} {"


def test_filling_never_fails_whatever_the_log_holds() -> None:
    odd = Variant(id="v", text="{name} { {date", placeholders=True)

    assert placeholders.fill(odd, plan({"text": "x"}), "-1", SLOT).text == "{name} { {date"
