"""One call of the Bot API for each kind of content, and the file ids that come back."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from aiogram.exceptions import TelegramBadRequest
from aiogram.methods import SendMediaGroup, SendMessage
from aiogram.types import Chat, InputMediaPhoto, Message, PhotoSize, Video

from chassis.clock import utc_now
from contracts.campaign import Medium, Preview
from sender import posting
from sender.classification import classify
from sender.domain.content import Button, Content
from sender.domain.outcomes import Refused
from sender.posting import FileIds, request

CHAT = -1001
ADDRESS = "https://example.org/a"
BOLD = {"type": "bold", "offset": 0, "length": 1}


def medium(kind: Any = "photo", **fields: Any) -> Medium:
    return Medium(kind=kind, url=fields.pop("url", ADDRESS), **fields)


def message(**fields: Any) -> Message:
    return Message(message_id=1, date=utc_now(), chat=Chat(id=CHAT, type="channel"), **fields)


def photo(file_id: str) -> Message:
    sizes = [PhotoSize(file_id=f, file_unique_id=f, width=1, height=1) for f in ("small", file_id)]
    return message(photo=sizes)


def test_a_text_is_posted_by_its_entities_and_never_by_a_parse_mode() -> None:
    content = Content("x", entities=(BOLD,), silent=True, protect=True, topic=7)

    call = request(CHAT, content, FileIds(), paid=True)

    assert isinstance(call, SendMessage)
    assert (call.text, call.parse_mode) == ("x", None)
    assert [entity.type for entity in call.entities or ()] == ["bold"]
    assert (call.disable_notification, call.protect_content) == (True, True)
    assert (call.message_thread_id, call.allow_paid_broadcast) == (7, True)


@pytest.mark.parametrize("kind", ["photo", "video", "animation", "document"])
def test_each_medium_has_its_method_with_caption_and_keyboard(kind: str) -> None:
    content = Content("x", (Button("Copy", copied="CODE"),), None, (BOLD,), (medium(kind),))

    call = request(CHAT, content, FileIds())

    assert call.__api_method__ == f"send{kind.title()}"
    fields = call.model_dump(exclude_none=True)
    assert (fields[kind], fields["caption"]) == (ADDRESS, "x")
    assert fields["caption_entities"] == [BOLD]
    assert fields["reply_markup"]["inline_keyboard"][0][0]["copy_text"] == {"text": "CODE"}


def test_an_album_has_its_caption_on_the_first_item() -> None:
    media = (medium(spoiler=True), medium("video", url=f"{ADDRESS}b"))

    call = request(CHAT, Content("x", media=media, entities=(BOLD,)), FileIds())

    assert isinstance(call, SendMediaGroup)
    first, second = call.media
    assert isinstance(first, InputMediaPhoto)
    assert (first.media, first.caption, first.has_spoiler) == (ADDRESS, "x", True)
    assert (second.media, second.caption, second.type) == (f"{ADDRESS}b", None, "video")


@pytest.mark.parametrize(
    ("preview", "options"),
    [
        (Preview(show=False), {"is_disabled": True}),
        (
            Preview(url=ADDRESS, size="large", above=True),
            {"url": ADDRESS, "prefer_large_media": True, "show_above_text": True},
        ),
        (Preview(size="small"), {"prefer_small_media": True}),
    ],
)
def test_a_preview_is_told_as_the_bot_api_has_it(preview: Preview, options: dict[str, Any]) -> None:
    call = request(CHAT, Content("x", preview=preview), FileIds())

    assert isinstance(call, SendMessage)
    assert call.link_preview_options is not None
    assert call.link_preview_options.model_dump(exclude_unset=True, exclude_none=True) == options


def test_a_file_that_was_fetched_once_is_named_by_its_id_from_then_on() -> None:
    files = FileIds()
    film = medium("video", url=f"{ADDRESS}b")
    answer = message(video=Video(file_id="film", file_unique_id="u", width=1, height=1, duration=1))

    files.learn((medium(), film), (photo("large"), answer))

    assert (files.source(medium()), files.source(film)) == ("large", "film")
    assert files.source(medium("document")) == ADDRESS
    assert files.source(Medium(kind="photo", file_id="given")) == "given"


def test_an_id_that_telegram_does_not_know_any_more_is_forgotten() -> None:
    files = FileIds()
    files.learn((medium(),), (photo("large"),))

    assert not files.forget((medium(),), "Bad Request: not enough rights")
    assert files.forget((medium(),), "Bad Request: wrong file identifier/HTTP URL specified")
    assert files.source(medium()) == ADDRESS
    assert not files.forget((medium(),), "Bad Request: wrong file identifier")


@pytest.mark.parametrize(
    "words",
    [
        "wrong file identifier/HTTP URL specified",
        "failed to get HTTP URL content",
        "wrong type of the web page content",
        'failed to send message #2 with the error message "WEBPAGE_MEDIA_EMPTY"',
        "WEBPAGE_CURL_FAILED",
        "message caption is too long",
        "PHOTO_INVALID_DIMENSIONS",
    ],
)
def test_a_medium_that_telegram_refuses_is_a_fault_of_the_content(words: str) -> None:
    call = request(CHAT, Content("x", media=(medium(),)), FileIds())
    error = TelegramBadRequest(method=call, message=f"Bad Request: {words}")

    outcome = classify(error, words, CHAT, utc_now(), timedelta(seconds=1))

    assert outcome == Refused("content", words)


def test_the_oldest_ids_go_first() -> None:
    files = FileIds()
    for number in range(1_001):
        files.learn((medium(url=f"{ADDRESS}{number}"),), (photo(f"id{number}"),))

    assert files.source(medium(url=f"{ADDRESS}0")) == f"{ADDRESS}0"
    assert files.source(medium(url=f"{ADDRESS}1")) == "id1"


async def fetch(files: FileIds, told: list[str], *, answer: Message | None = None) -> None:
    async with files.fetched_once((medium(),)):
        told.append(files.source(medium()))
        await asyncio.sleep(0.05)
        if answer:
            files.learn((medium(),), (answer,))


async def test_who_uses_the_same_new_file_waits_for_the_first_one_and_knows_its_id() -> None:
    files, told = FileIds(), list[str]()

    await asyncio.gather(*(fetch(files, told, answer=photo("large")) for _ in range(3)))

    assert told == [ADDRESS, "large", "large"]
    assert files._fetching == {}


async def test_where_the_first_one_fails_the_others_go_on() -> None:
    files, told = FileIds(), list[str]()

    async with asyncio.timeout(1):
        await asyncio.gather(*(fetch(files, told) for _ in range(3)))

    assert told == [ADDRESS] * 3
    assert files._fetching == {}


async def test_nobody_waits_long_for_a_slow_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "_PATIENCE", 0.01)
    files, told = FileIds(), list[str]()

    async with files.fetched_once((medium(),)), asyncio.timeout(1):
        await fetch(files, told)

    assert told == [ADDRESS]
