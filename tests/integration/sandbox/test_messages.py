"""Sending, editing, forwarding and deleting, over the wire."""

import asyncio
from typing import Any

import httpx
import pytest

from .conftest import Stage, callback, serving

LINK = {"text": "Site", "url": "https://example.com/x"}
CALL = {"text": "Go", "callback_data": "go"}


async def test_ids_count_for_each_chat(stage: Stage) -> None:
    assert [await stage.post(), await stage.post()] == [1, 2]
    group = await stage.call("sendMessage", chat_id=stage.group, text="x")
    assert group["message_id"] == 1
    assert group["from"]["id"] == stage.bot_id


async def test_a_chat_is_found_by_its_username(stage: Stage) -> None:
    message = await stage.call("sendMessage", chat_id=f"@NEWS{stage.bot_id}", text="x")
    assert message["chat"]["id"] == stage.channel


async def test_get_and_urlencoded_calls(stage: Stage) -> None:
    async with httpx.AsyncClient(base_url=f"{stage.url}/bot{stage.token}") as client:
        got = await client.get("/SENDMESSAGE", params={"chat_id": stage.channel, "text": "a"})
        markup = '{"inline_keyboard":[[{"text":"b","callback_data":"c"}]]}'
        form = {"chat_id": str(stage.channel), "text": "b", "reply_markup": markup}
        posted = await client.post("/sendmessage", data=form)

    assert got.json()["result"]["text"] == "a"
    assert posted.json()["result"]["reply_markup"]["inline_keyboard"][0][0]["text"] == "b"


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"text": ""}, "message text is empty"),
        ({"text": " \n "}, "message text is empty"),
        ({"text": "x" * 4097}, "message is too long"),
        ({"text": "x", "chat_id": ""}, "chat_id is empty"),
        ({"text": "x", "chat_id": 99}, "chat not found"),
        ({"text": "x", "chat_id": "@nobody_here"}, "chat not found"),
        ({"text": "x", "parse_mode": "BBCode"}, "unsupported parse_mode"),
        ({"text": "a.", "parse_mode": "MarkdownV2"},
         ("can't parse entities: Character '.' is reserved and must be escaped"
          " with the preceding '\\'")),
        ({"text": "x", "reply_markup": callback("é" * 33)}, "BUTTON_DATA_INVALID"),
        ({"text": "x", "reply_parameters": {"message_id": 77}}, "message to be replied not found"),
    ],
)  # fmt: skip
async def test_what_cannot_be_sent(stage: Stage, parameters: dict[str, Any], reason: str) -> None:
    parameters = {"chat_id": stage.channel, **parameters}

    assert await stage.refusal("sendMessage", **parameters) == f"Bad Request: {reason}"
    assert await stage.sandbox.messages(stage.channel) == []


@pytest.mark.parametrize(
    ("standing", "code", "description"),
    [
        ({"status": "left"}, 403, "Forbidden: bot is not a member of the channel chat"),
        ({"status": "kicked"}, 403, "Forbidden: bot was kicked from the channel chat"),
        ({"status": "member"}, 400, "Bad Request: need administrator rights in the channel chat"),
        ({"can_post_messages": False}, 400,
         "Bad Request: need administrator rights in the channel chat"),
    ],
)  # fmt: skip
async def test_rights(stage: Stage, standing: dict[str, Any], code: int, description: str) -> None:
    await stage.sandbox.put_chat(stage.channel, "News", bots={str(stage.bot_id): standing})

    status, body = await stage.answer("sendMessage", chat_id=stage.channel, text="x")

    assert (status, body["error_code"], body["description"]) == (code, code, description)


async def test_a_private_chat_needs_a_start_and_no_block(stage: Stage) -> None:
    async def refused() -> str:
        return await stage.refusal("sendMessage", chat_id=stage.person, text="x")

    assert await refused() == "Forbidden: bot can't initiate conversation with a user"
    await stage.sandbox.start(stage.person, stage.bot_name)
    sent = await stage.call("sendMessage", chat_id=stage.person, text="x")
    await stage.sandbox.block(stage.person, stage.bot_name)

    assert sent["message_id"] == 2
    assert await refused() == "Forbidden: bot was blocked by the user"


async def test_editing(stage: Stage) -> None:
    number = await stage.post("one", reply_markup=callback())
    where = {"chat_id": stage.channel, "message_id": number}

    same = await stage.refusal("editMessageText", **where, text="one", reply_markup=callback())
    edited = await stage.call("editMessageText", **where, text="two")
    missing = await stage.refusal("editMessageReplyMarkup", chat_id=stage.channel, message_id=9)
    caption = await stage.refusal("editMessageCaption", **where, caption="x")

    assert same.startswith("Bad Request: message is not modified: specified new message content")
    assert (edited["text"], "reply_markup" in edited) == ("two", False)
    assert edited["edit_date"]
    assert missing == "Bad Request: message to edit not found"
    assert caption == "Bad Request: there is no caption in the message to edit"


async def test_a_forward_keeps_links_and_drops_callbacks(stage: Stage) -> None:
    keyboard = {"inline_keyboard": [[LINK, CALL], [CALL]]}
    number = await stage.post("<b>x</b>", parse_mode="HTML", reply_markup=keyboard)
    where = {"chat_id": stage.group, "from_chat_id": stage.channel}

    forward = await stage.call("forwardMessage", **where, message_id=number)
    again = await stage.call(
        "forwardMessage",
        chat_id=stage.group, from_chat_id=stage.group, message_id=forward["message_id"],
    )  # fmt: skip
    copy = await stage.call("copyMessage", **where, message_id=number)
    missing = await stage.refusal("forwardMessage", **where, message_id=50)

    origin = forward["forward_origin"]
    assert (origin["type"], origin["message_id"]) == ("channel", number)
    assert origin["chat"]["id"] == stage.channel
    assert forward["entities"] == [{"type": "bold", "offset": 0, "length": 1}]
    assert forward["reply_markup"] == {"inline_keyboard": [[LINK]]}
    assert again["forward_origin"] == origin
    assert list(copy) == ["message_id"]
    assert missing == "Bad Request: message to forward not found"


async def test_protected_content_is_copied_but_not_forwarded(stage: Stage) -> None:
    number = await stage.post(protect_content=True)
    where = {"chat_id": stage.group, "from_chat_id": stage.channel, "message_id": number}

    refusal = await stage.refusal("forwardMessage", **where)
    copy = await stage.call("copyMessage", **where)

    assert refusal == "Bad Request: the message can't be forwarded"
    assert copy == {"message_id": 1}


async def test_deleting_ends_after_48_hours_and_ids_are_not_reused(stage: Stage) -> None:
    first, second, third = [await stage.post() for _ in range(3)]
    where = {"chat_id": stage.channel}

    await stage.call("deleteMessage", **where, message_id=third)
    gone = await stage.refusal("deleteMessage", **where, message_id=third)
    await stage.call("deleteMessages", **where, message_ids=[second, 900])
    fourth = await stage.post()
    await stage.sandbox.advance_clock(48 * 3600 + 1)
    old = await stage.refusal("deleteMessage", **where, message_id=first)

    assert gone == "Bad Request: message to delete not found"
    assert fourth == 4
    assert old == "Bad Request: message can't be deleted"


async def test_an_album_takes_two_to_ten(stage: Stage) -> None:
    photo = {"type": "photo", "media": "https://example.com/a.png", "caption": "c"}
    few = await stage.refusal("sendMediaGroup", chat_id=stage.channel, media=[photo])
    album = await stage.call("sendMediaGroup", chat_id=stage.channel, media=[photo, photo])

    assert few == "Bad Request: too few messages to send as an album"
    assert album[0]["media_group_id"] == album[1]["media_group_id"]
    assert all("reply_markup" not in message for message in album)


async def test_a_linked_group_mirrors_the_channel_to_the_bot(stage: Stage) -> None:
    await stage.sandbox.put_chat(stage.channel, "News", linked_chat_id=stage.group)
    number = await stage.post("mirrored")

    (mirror,) = await stage.updates("message")

    assert (mirror["is_automatic_forward"], mirror["text"]) == (True, "mirrored")
    assert mirror["sender_chat"]["id"] == stage.channel
    assert mirror["forward_origin"]["message_id"] == number


async def test_floods_are_429_with_retry_after() -> None:
    with serving() as served:
        stage = Stage(served.url, 1)
        await stage.set_up()
        await stage.sandbox.set_limits(chat_per_second=0.01)  # so that no turn comes back meanwhile
        answers = await asyncio.gather(
            *(stage.answer("sendMessage", chat_id=stage.channel, text="x") for _ in range(6))
        )
        await stage.sandbox.set_limits(off=True)
        await stage.post()
        calls = await stage.sandbox.calls("sendMessage")
        await stage.close()

    assert sorted(status for status, _ in answers) == [200] * 4 + [429] * 2
    refused = next(body for status, body in answers if status == 429)
    seconds = refused["parameters"]["retry_after"]
    assert refused["description"] == f"Too Many Requests: retry after {seconds}"
    assert 1 <= seconds <= 100
    assert [call["status"] for call in calls].count(429) == 2


async def test_old_messages_are_edited_but_not_deleted_and_only_by_who_may(stage: Stage) -> None:
    message_id = await stage.post(reply_markup=callback())
    where = {"chat_id": stage.channel, "message_id": message_id}
    rights = {"can_post_messages": False, "can_edit_messages": False, "can_delete_messages": False}
    bots = {str(stage.bot_id): {"status": "administrator", **rights}}

    await stage.sandbox.put_chat(stage.channel, "News", bots=bots)
    edited = await stage.refusal("editMessageText", **where, text="two")
    bare = await stage.refusal("editMessageReplyMarkup", **where)
    deleted = await stage.refusal("deleteMessage", **where)
    unpinned = await stage.refusal("unpinChatMessage", **where)
    await stage.sandbox.put_chat(stage.channel, "News", bots={})

    assert edited == bare == "Bad Request: message can't be edited"
    assert deleted == "Bad Request: message can't be deleted"
    assert "not enough rights" in unpinned
    await stage.sandbox.plan_fault("cannot_delete", "deleteMessage", chat_id=stage.channel)
    assert await stage.refusal("deleteMessage", **where) == "Bad Request: message can't be deleted"
    left = await stage.call("editMessageReplyMarkup", **where)
    assert (left["text"], "reply_markup" in left) == ("hello", False)
    again = await stage.refusal("editMessageReplyMarkup", **where)
    assert again.startswith("Bad Request: message is not modified")
    assert await stage.call("deleteMessage", **where)


async def test_of_several_messages_all_are_deleted_or_none(stage: Stage) -> None:
    old = await stage.post()
    await stage.sandbox.advance_clock(49 * 3600)
    young = await stage.post()

    both = {"chat_id": stage.channel, "message_ids": [young, old]}
    assert "can't be deleted" in await stage.refusal("deleteMessages", **both)

    assert await stage.call("deleteMessage", chat_id=stage.channel, message_id=young)


async def test_the_caption_of_an_album_s_first_item_is_edited_alone(stage: Stage) -> None:
    media = [
        {"type": "photo", "media": "https://example.org/a.jpg", "caption": "one"},
        {"type": "photo", "media": "https://example.org/b.jpg"},
    ]
    first, second = await stage.call("sendMediaGroup", chat_id=stage.channel, media=media)
    where = {"chat_id": stage.channel, "message_id": first["message_id"]}

    text = await stage.refusal("editMessageText", **where, text="two")
    edited = await stage.call("editMessageCaption", **where, caption="two")

    assert text == "Bad Request: there is no text in the message to edit"
    assert (edited["caption"], edited["media_group_id"]) == ("two", first["media_group_id"])
    assert "caption" not in second
