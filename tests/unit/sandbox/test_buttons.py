"""Keyboards the server accepts, and what a forward keeps of them."""

from typing import Any

import pytest

from sandbox.buttons import button_at, forwarded, inline_keyboard
from sandbox.links import link_fault, start_link
from sandbox.refusals import Refusal

CALL = {"text": "Go", "callback_data": "go"}
LINK = {"text": "Site", "url": "https://example.com/a"}


def keyboard(*rows: Any) -> dict[str, Any]:
    return {"inline_keyboard": list(rows)}


def button(**fields: Any) -> dict[str, Any]:
    return keyboard([{"text": "b", **fields}])


@pytest.mark.parametrize(
    "markup",
    [
        button(callback_data="x" * 64),
        button(callback_data="é" * 32),
        button(url="tg://resolve?domain=x"),
        button(copy_text={"text": "x" * 256}),
        button(pay=True),
        keyboard([LINK] * 8),
        keyboard(*[[CALL] * 5] * 20),
    ],
)
def test_good_keyboards_stay_as_they_are(markup: dict[str, Any]) -> None:
    assert inline_keyboard(markup) == markup


@pytest.mark.parametrize("markup", [None, {}, {"force_reply": True}, keyboard(), keyboard([])])
def test_no_keyboard(markup: Any) -> None:
    assert inline_keyboard(markup) is None


@pytest.mark.parametrize(
    ("markup", "reason"),
    [
        (button(callback_data="x" * 65), "BUTTON_DATA_INVALID"),
        (button(callback_data="é" * 33), "BUTTON_DATA_INVALID"),
        (button(callback_data=""),
         ("can't parse inline keyboard button:"
          " Text buttons are unallowed in the inline keyboard")),
        (button(url="https://e.com", callback_data="x"),
         "can't parse inline keyboard button: exactly one action must be specified"),
        (button(url="not-a-url"),
         "inline keyboard button URL 'not-a-url' is invalid: Wrong HTTP URL"),
        (button(url="ftp://example.com"),
         "inline keyboard button URL 'ftp://example.com' is invalid: Unsupported URL protocol"),
        (button(url="http://localhost:8081/r"),
         "inline keyboard button URL 'http://localhost:8081/r' is invalid: Wrong HTTP URL"),
        (button(copy_text={"text": "x" * 257}), "BUTTON_COPY_TEXT_INVALID"),
        (keyboard([CALL] * 9), "reply markup is too long"),
        (keyboard(*[[CALL]] * 101), "reply markup is too long"),
        ("text", "object expected as reply markup"),
    ],
)  # fmt: skip
def test_bad_keyboards(markup: Any, reason: str) -> None:
    with pytest.raises(Refusal) as caught:
        inline_keyboard(markup)

    assert caught.value.description == f"Bad Request: {reason}"


def test_a_bare_host_gets_a_scheme_and_a_path() -> None:
    markup = inline_keyboard(button(url="example.com"))

    assert markup == button(url="http://example.com/")


def test_a_forward_keeps_links_alone() -> None:
    assert forwarded(keyboard([LINK, CALL], [CALL])) == keyboard([LINK])
    assert forwarded(keyboard([CALL])) is None
    assert forwarded(None) is None


def test_a_button_is_found_by_its_place() -> None:
    assert button_at(keyboard([CALL], [LINK]), 1, 0) == LINK
    assert button_at(keyboard([CALL]), 0, 1) is None
    assert button_at(None, 0, 0) is None


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("http://127.0.0.1:8090/r/token", None),
        ("https://exämple.com/x", None),
        ("https://e.com:99999999/", "Wrong HTTP URL"),
        ("https://e.com/with space", "Wrong HTTP URL"),
        ("", "URL host is empty"),
    ],
)
def test_links(url: str, fault: str | None) -> None:
    assert link_fault(url) == fault


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://t.me/guide_bot?start=a-b_9", ("guide_bot", "a-b_9")),
        ("tg://resolve?domain=guide_bot&start=x", ("guide_bot", "x")),
        ("https://t.me/guide_bot", None),
        ("https://t.me/guide_bot?start=" + "x" * 65, None),
        ("https://t.me/guide_bot?start=a.b", None),
        ("https://example.com/guide_bot?start=x", None),
    ],
)
def test_start_links(url: str, target: tuple[str, str] | None) -> None:
    assert start_link(url) == target
