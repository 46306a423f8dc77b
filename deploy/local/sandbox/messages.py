"""Bot API methods that send messages.

Rules and texts from the Bot API docs and tdlib/telegram-bot-api Client.cpp.
"""

from typing import Any

from sandbox.buttons import inline_keyboard
from sandbox.content import caption_content, media_content, text_content
from sandbox.forms import Parameters
from sandbox.posting import post_as_bot
from sandbox.records import Chat, Json, Place
from sandbox.refusals import bad_request
from sandbox.telegram import Call

_ALBUM = range(2, 11)
_ALBUM_KINDS = {"photo", "video", "document"}


def send_message(call: Call) -> Json:
    """sendMessage: a text with optional inline keyboard."""
    return _send(call, lambda: text_content(call.parameters))


def send_photo(call: Call) -> Json:
    """SendPhoto."""
    return _send_media(call, "photo")


def send_video(call: Call) -> Json:
    """SendVideo."""
    return _send_media(call, "video")


def send_animation(call: Call) -> Json:
    """SendAnimation."""
    return _send_media(call, "animation")


def send_document(call: Call) -> Json:
    """SendDocument."""
    return _send_media(call, "document")


def send_chat_action(call: Call) -> bool:
    """sendChatAction: nobody sees it here, but the chat must exist."""
    call.require_posting(call.place())
    return True


def _send_media(call: Call, kind: str) -> Json:
    def content() -> Json:
        caption = caption_content(call.parameters)
        return media_content(call, kind) | caption

    return _send(call, content)


def _send(call: Call, content: Any) -> Json:
    fields = content()
    place = call.place()
    call.require_posting(place)
    fields |= (
        markup_fields(call.parameters)
        | reply_fields(call, place)
        | option_fields(call.parameters)
        | topic_fields(call, place)
    )
    call.spend(place)
    return post_as_bot(call.telegram, call.bot, place, fields).body


def markup_fields(parameters: Parameters) -> Json:
    """The checked inline keyboard, when there is one."""
    markup = inline_keyboard(parameters.json("reply_markup"))
    return {"reply_markup": markup} if markup else {}


def option_fields(parameters: Parameters) -> Json:
    """Protection against forwarding, when asked for."""
    return {"has_protected_content": True} if parameters.boolean("protect_content") else {}


def topic_fields(call: Call, place: Place) -> Json:
    """The topic, which supergroups have; here a supergroup has every topic that is asked for."""
    if not call.parameters.has("message_thread_id"):
        return {}
    if not isinstance(place, Chat) or place.type != "supergroup":
        raise bad_request("message thread not found")
    topic = call.parameters.integer("message_thread_id")
    return {"message_thread_id": topic, "is_topic_message": True}


def reply_fields(call: Call, place: Place) -> Json:
    """The message replied to, when there is one and it still stands."""
    reply = call.parameters.json("reply_parameters")
    if not reply:
        return {}
    if not isinstance(reply, dict) or not isinstance(reply.get("message_id"), int):
        raise bad_request("can't parse reply parameters: field message_id must be a Number")
    message = call.world.message(place.key, reply["message_id"])
    if message is None and not reply.get("allow_sending_without_reply"):
        raise bad_request("message to be replied not found")
    return {"reply_to_message": message.body} if message else {}


def send_media_group(call: Call) -> list[Json]:
    """sendMediaGroup: 2-10 photos, videos or documents; an album takes no keyboard."""
    media = call.parameters.json("media")
    if not isinstance(media, list) or len(media) not in _ALBUM:
        many = isinstance(media, list) and len(media) > max(_ALBUM)
        raise bad_request(f"too {'many' if many else 'few'} messages to send as an album")
    place = call.place()
    call.require_posting(place)
    contents = [_album_item(call, item) for item in media]
    call.spend(place, len(contents))
    album = {"media_group_id": str(call.world.counters.next("album", start=13_000_000_000))}
    shared = album | option_fields(call.parameters) | topic_fields(call, place)
    return [post_as_bot(call.telegram, call.bot, place, c | shared).body for c in contents]


def _album_item(call: Call, item: Any) -> Json:
    if not isinstance(item, dict) or item.get("type") not in _ALBUM_KINDS:
        raise bad_request("can't parse InputMedia: type must be photo, video or document")
    caption = caption_content(Parameters(item))
    return media_content(call, item["type"], str(item.get("media", ""))) | caption
