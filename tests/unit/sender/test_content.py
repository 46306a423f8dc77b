"""What a delivery shows: text and marks, media, rows of buttons, and the message below an album."""

from typing import Any

import pytest

from contracts.campaign import CopyCta, DeepLinkCta, Preview, Variant
from contracts.examples import PROMO_DELIVERY
from contracts.token import CtaRef, TokenSigner
from sender.domain.content import Button, ButtonMaker, Content
from sender.domain.looking import HIDDEN, mark_of

SIGNER = TokenSigner({"k1": b"0123456789abcdef"})
MAKER = ButtonMaker(SIGNER, "example_bot", "https://clicks.example.org/")
MARK = mark_of(SIGNER, "example_bot", PROMO_DELIVERY)
PHOTO = {"kind": "photo", "url": "https://example.org/a.jpg"}
TAP = {"kind": "callback", "label": "Tap", "answer": "Thanks."}


def shown(**fields: Any) -> Content:
    variant = Variant.model_validate({"id": "v", "text": "Read", **fields})
    return MAKER.content(variant, PROMO_DELIVERY)


def kinds(content: Content) -> list[tuple[str, int, int]]:
    return [(entity["type"], entity["offset"], entity["length"]) for entity in content.entities]


@pytest.mark.parametrize(("text", "form"), [("<b>Read</b> it", "html"), ("*Read* it", "markdown")])
def test_a_formatted_text_becomes_entities_behind_the_mark(text: str, form: str) -> None:
    content = shown(text=text, format=form)

    assert content.text == f"{HIDDEN}Read it"
    assert kinds(content) == [("text_link", 0, 1), ("bold", 1, 4)]
    assert content.entities[0]["url"] == content.mark == MARK


@pytest.mark.parametrize(
    ("fields", "most"),
    [({"text": "x" * 4096}, 4096), ({"text": "x" * 1024, "media": PHOTO}, 1024)],
)
def test_a_text_without_room_for_the_mark_is_posted_without_it(
    fields: dict[str, Any], most: int
) -> None:
    full, roomy = shown(**fields), shown(**{**fields, "text": "x" * (most - 1)})

    assert (full.text, full.mark, full.entities) == ("x" * most, None, ())
    assert (len(roomy.text), roomy.mark) == (most, MARK)


def test_a_text_with_all_the_marks_that_telegram_takes_is_posted_without_ours() -> None:
    assert shown(text="<b>x</b> " * 100, format="html").mark is None
    assert shown(text="<b>x</b> " * 99, format="html").mark == MARK


@pytest.mark.parametrize(
    ("fields", "preview"),
    [
        ({"text": "Read"}, Preview(show=False)),
        ({"text": "See https://example.org/a."}, Preview(url="https://example.org/a")),
        ({"text": "See example.org/a, now"}, Preview(url="http://example.org/a")),
        ({"text": "Write to me@example.org"}, Preview(show=False)),
        (
            {
                "text": '<a href="https://example.org/b">b</a> https://example.org/a',
                "format": "html",
            },
            Preview(url="https://example.org/b"),
        ),
        (
            {"text": "https://example.org/a", "preview": {"size": "large", "above": True}},
            Preview(url="https://example.org/a", size="large", above=True),
        ),
        ({"text": "https://example.org/a", "preview": "off"}, Preview(show=False)),
        (
            {"text": "x", "preview": {"url": "https://example.org/c"}},
            Preview(url="https://example.org/c"),
        ),
        ({"text": "x" * 4096}, None),
        ({"media": PHOTO}, None),
    ],
)
def test_the_preview_is_the_one_that_the_text_had_without_the_mark(
    fields: dict[str, Any], preview: Preview | None
) -> None:
    assert shown(**fields).preview == preview


def test_every_kind_of_button_stands_in_its_row_and_keeps_its_place_in_the_token() -> None:
    content = shown(
        ctas=[
            TAP,
            {"kind": "copy", "label": "Copy", "copied": "CODE", "beside": True},
            {"kind": "deep_link", "label": "Ask", "greeting": "Hi", "beside": True},
            {"kind": "link", "label": "Go", "target": "https://example.org/"},
        ]
    )
    tap, ask, go = (SIGNER.sign(CtaRef(PROMO_DELIVERY, place)) for place in (0, 2, 3))

    assert content.rows == [
        [
            Button("Tap", callback_data=tap),
            Button("Copy", copied="CODE", beside=True),
            Button("Ask", url=f"https://t.me/example_bot?start={ask}", beside=True),
        ],
        [Button("Go", url=f"https://clicks.example.org/r/{go}")],
    ]


def test_a_deep_link_and_a_copy_have_no_callback_data() -> None:
    ask = DeepLinkCta(kind="deep_link", label="Ask", greeting="Hi")
    copy = CopyCta(kind="copy", label="Copy", copied="CODE")

    assert {b.callback_data for b in shown(ctas=[ask, copy]).buttons} == {None}


def test_the_buttons_of_an_album_stand_on_a_message_of_their_own() -> None:
    content = shown(
        text="Look",
        album=[PHOTO, PHOTO, PHOTO],
        album_text="<b>Which?</b>",
        format="html",
        protect=True,
        pin=True,
        topic=7,
        ctas=[TAP],
    )

    assert (content.text, content.mark, content.buttons) == (f"{HIDDEN}Look", MARK, ())
    assert content.messages == 4
    below = content.follow_up
    assert below is not None
    assert (below.text, len(below.buttons)) == (f"{HIDDEN}Which?", 1)
    assert kinds(below) == [("text_link", 0, 1), ("bold", 1, 6)]
    assert below.mark == mark_of(SIGNER, "example_bot", PROMO_DELIVERY, "below")
    assert below.preview == Preview(show=False)
    assert (below.protect, below.pin, below.topic, below.silent) == (True, False, 7, True)


def test_an_album_without_buttons_is_one_thing() -> None:
    assert shown(album=[PHOTO, PHOTO]).follow_up is None
    assert (shown().messages, shown(media=PHOTO).messages) == (1, 1)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"text": "<b>x", "format": "html"}, "Can't find end tag"),
        ({"text": "x", "format": "rtf"}, "unknown format 'rtf'"),
        ({"album": [PHOTO, PHOTO], "album_text": "1.5", "format": "markdown"}, "is reserved"),
    ],
)
def test_a_variant_that_cannot_be_read_is_a_fault_and_no_error(
    fields: dict[str, Any], problem: str
) -> None:
    assert problem in (shown(**fields).fault or "")
