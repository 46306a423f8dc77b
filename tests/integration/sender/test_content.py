"""Every kind of content, from a due event to what stands in the channel."""

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from contracts.campaign import Variant
from contracts.events import MessageFailed, MessageSent
from harness import waiting
from harness.sandboxes import CHANNEL
from harness.sending import Sending, due_now
from sender.domain.looking import HIDDEN
from sender.handlers import deliver

GROUP = -1005550001
PHOTO = {"kind": "photo", "url": "https://example.org/a.jpg"}
TAP = {"kind": "callback", "label": "Tap", "answer": "Thanks."}


async def post(sending: Sending, number: int = 0, channel: int = CHANNEL, **fields: Any) -> None:
    variant = Variant.model_validate({"id": "v", **fields})
    await deliver(due_now(number, channel, variant=variant), sending.desk)


async def posted(sending: Sending, channel: int = CHANNEL) -> list[dict[str, Any]]:
    return [view["message"] for view in await sending.stage.people.messages(channel)]


def marks(entities: list[dict[str, Any]]) -> list[tuple[str, int, int]]:
    return [(entity["type"], entity["offset"], entity["length"]) for entity in entities]


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("html", "<b>📈 Up</b> &amp; <a href='https://example.org/'>away</a>"),
        ("markdown", "*📈 Up* & [away](https://example.org/)"),
    ],
)
async def test_a_formatted_text_keeps_its_marks(sending: Sending, form: str, text: str) -> None:
    await post(sending, text=text, format=form)

    [message] = await posted(sending)
    assert message["text"] == f"{HIDDEN}📈 Up & away"
    assert marks(message["entities"]) == [
        ("text_link", 0, 1),
        ("bold", 1, 5),
        ("text_link", 9, 4),
    ]
    assert message["link_preview_options"] == {"url": "https://example.org/"}


@pytest.mark.parametrize("kind", ["photo", "video", "animation", "document"])
async def test_a_medium_is_posted_with_caption_and_buttons(sending: Sending, kind: str) -> None:
    medium = {"kind": kind, "url": "https://example.org/a", "spoiler": kind != "document"}

    await post(sending, text="<i>See</i>", format="html", media=medium, ctas=[TAP])

    [message] = await posted(sending)
    assert kind in message
    assert message["caption"] == f"{HIDDEN}See"
    assert marks(message["caption_entities"]) == [("text_link", 0, 1), ("italic", 1, 3)]
    assert message["reply_markup"]["inline_keyboard"][0][0]["text"] == "Tap"
    assert message.get("has_media_spoiler", False) == (kind != "document")
    assert len(await sending.log.events(MessageSent)) == 1


async def test_a_medium_needs_no_text(sending: Sending) -> None:
    await post(sending, media=PHOTO)

    [message] = await posted(sending)
    assert "photo" in message


async def test_an_album_has_its_buttons_on_the_message_below(sending: Sending) -> None:
    video = {"kind": "video", "url": "https://example.org/b.mp4"}

    await post(sending, text="Two", album=[PHOTO, video], album_text="Which?", ctas=[TAP])

    first, second, below = await posted(sending)
    assert first["media_group_id"] == second["media_group_id"]
    assert (first["caption"], "caption" in second) == (f"{HIDDEN}Two", False)
    assert (below["text"], len(below["reply_markup"]["inline_keyboard"])) == (f"{HIDDEN}Which?", 1)
    [sent] = await sending.log.events(MessageSent)
    assert (sent.message_id, sent.follow_up_id) == (first["message_id"], below["message_id"])


async def test_an_album_of_documents_without_buttons_is_posted(sending: Sending) -> None:
    paper = {"kind": "document", "url": "https://example.org/a.pdf"}

    await post(sending, album=[paper] * 10)

    assert len([m for m in await posted(sending) if "document" in m]) == 10


@pytest.mark.parametrize("kind", ["no_rights", "drop_before"])
async def test_an_album_counts_as_sent_where_the_message_below_it_fails(
    sending: Sending, kind: str
) -> None:
    await sending.stage.people.plan_fault(kind, "sendMessage")

    with capture_logs() as logs:
        await post(sending, album=[PHOTO, PHOTO], album_text="Which?", ctas=[TAP])

    assert len(await posted(sending)) == 2
    assert len(await sending.log.events(MessageSent)) == 1
    assert "the buttons below an album are missing" in [entry["event"] for entry in logs]
    [sent] = [entry for entry in logs if entry["event"] == "sent"]
    assert sent["follow_up_id"] is None


async def test_the_message_below_an_album_waits_out_a_short_flood(sending: Sending) -> None:
    await sending.stage.people.plan_fault("too_many", "sendMessage", retry_after=1)

    await post(sending, album=[PHOTO, PHOTO], album_text="Which?", ctas=[TAP])

    assert len(await posted(sending)) == 3


async def test_eight_buttons_stand_in_a_row(sending: Sending) -> None:
    beside = {**TAP, "beside": True}
    copy = {"kind": "copy", "label": "Copy", "copied": "CODE"}

    await post(sending, text="x", ctas=[TAP, *[beside] * 7, copy])

    [view] = await sending.stage.people.messages(CHANNEL)
    assert [len(row) for row in view["buttons"]] == [8, 1]
    assert view["buttons"][1][0]["copy_text"] == {"text": "CODE"}


async def test_a_deep_link_opens_the_bot_with_the_token_of_its_place(sending: Sending) -> None:
    people = sending.stage.people
    await people.put_person(7, "Ada")
    ask = {"kind": "deep_link", "label": "Ask", "greeting": "Hi"}
    await post(sending, text="x", ctas=[TAP, ask])
    [view] = await people.messages(CHANNEL)

    tap = await people.tap(7, CHANNEL, view["message_id"], row=1)

    assert tap.kind == "url"
    assert tap.started is not None
    ref = sending.lane.buttons.signer.verify(tap.started.payload)
    assert ref.cta == 1


async def test_ninety_nine_buttons_are_taken(sending: Sending) -> None:
    beside = [{**TAP, "beside": place % 8 != 0} for place in range(99)]

    await post(sending, text="x", ctas=beside)

    [view] = await sending.stage.people.messages(CHANNEL)
    assert sum(map(len, view["buttons"])) == 99


async def test_a_protected_message_is_pinned(sending: Sending) -> None:
    await post(sending, text="x", protect=True, pin=True, silent=True)

    async def pinned() -> list[Any]:
        return [view for view in await sending.stage.people.messages(CHANNEL) if view["pinned"]]

    [view] = await waiting.until(pinned, bool)
    assert view["message"]["has_protected_content"] is True


async def test_a_pin_that_fails_is_logged_and_the_message_is_sent(sending: Sending) -> None:
    await sending.stage.people.plan_fault("no_rights", "pinChatMessage")

    with capture_logs() as logs:
        await post(sending, text="x", pin=True)
        await waiting.until(lambda: asyncio.sleep(0, [e["event"] for e in logs]), _has_not_pinned)

    assert len(await sending.log.events(MessageSent)) == 1


def _has_not_pinned(events: list[str]) -> bool:
    return "not pinned" in events


async def test_a_message_goes_into_its_topic(sending: Sending) -> None:
    await sending.stage.people.put_chat(GROUP, "Group", type="supergroup")

    await post(sending, channel=GROUP, text="x", topic=7)
    await post(sending, 1, text="x", topic=7)

    [message] = await posted(sending, GROUP)
    assert message["message_thread_id"] == 7
    [failed] = await sending.log.events(MessageFailed)
    assert (failed.failure, "thread not found" in failed.description) == ("content", True)


async def test_a_file_is_fetched_once_and_then_named_by_its_id(sending: Sending) -> None:
    with capture_logs() as logs:
        await post(sending, 0, text="x", media=PHOTO)
        await post(sending, 1, text="x", media=PHOTO)

    first, second = await posted(sending)
    begun = [entry["files"] for entry in logs if entry["event"] == "posting media"]
    assert begun == [[PHOTO["url"]], [first["photo"][0]["file_id"]]]
    assert second["photo"][0]["file_id"] == first["photo"][0]["file_id"]
    ended = [entry for entry in logs if entry["event"] == "media handled"]
    assert [(entry["outcome"], entry["seconds"] >= 0) for entry in ended] == [("posted", True)] * 2


async def test_two_posts_at_once_have_telegram_fetch_a_file_once(
    sending: Sending, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sender.posting._PATIENCE", 30)
    await sending.stage.people.plan_fault("late", "sendPhoto", seconds=0.5)

    with capture_logs() as logs:
        await asyncio.gather(*(post(sending, number, media=PHOTO) for number in range(2)))

    first, _ = await posted(sending)
    begun = [entry["files"] for entry in logs if entry["event"] == "posting media"]
    assert begun == [[PHOTO["url"]], [first["photo"][0]["file_id"]]]


async def test_a_file_that_telegram_forgot_is_fetched_again(sending: Sending) -> None:
    await post(sending, 0, text="x", media=PHOTO)
    known = sending.telegram._files._known
    known.update(dict.fromkeys(known, "AgACAgQAAx1-AQAD99999999"))

    await post(sending, 1, text="x", media=PHOTO)

    assert len(await posted(sending)) == 2
    assert await sending.log.events(MessageFailed) == []


UNPOSTABLE: dict[str, dict[str, Any]] = {
    "unclosed tag": {"text": "<b>x", "format": "html"},
    "unknown format": {"text": "x", "format": "rtf"},
    "caption too long": {"text": "x" * 1025, "media": PHOTO},
    "album of eleven": {"album": [PHOTO] * 11},
    "file of another bot": {"media": {"kind": "photo", "file_id": "AgACAgQAAx1-AQAD00000001"}},
    "medium without a source": {"media": {"kind": "photo"}},
    "nine in a row": {"text": "x", "ctas": [TAP, *[{**TAP, "beside": True}] * 8]},
    "nothing": {"text": ""},
}


@pytest.mark.parametrize("fields", UNPOSTABLE.values(), ids=UNPOSTABLE)
async def test_what_telegram_would_refuse_fails_for_good_and_the_lane_goes_on(
    sending: Sending, fields: dict[str, Any]
) -> None:
    await post(sending, 0, **fields)
    await post(sending, 1, text="Next")

    [failed] = await sending.log.events(MessageFailed)
    assert (failed.failure, failed.retry_at) == ("content", None)
    assert failed.description
    assert [message["text"] for message in await posted(sending)] == [f"{HIDDEN}Next"]


async def test_a_picture_that_answers_404_fails_for_good_and_the_lane_goes_on(
    sending: Sending,
) -> None:
    await sending.stage.people.plan_fault("no_file", "sendPhoto")

    await post(sending, 0, media=PHOTO)
    await post(sending, 1, text="Next")

    [failed] = await sending.log.events(MessageFailed)
    assert (failed.failure, failed.retry_at) == ("content", None)
    assert "failed to get HTTP URL content" in failed.description
    assert len(await posted(sending)) == 1
