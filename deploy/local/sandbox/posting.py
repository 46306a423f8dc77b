"""Putting messages into chats: ids, the Message object, mirrors in a linked group, updates."""

from sandbox.records import Bot, Chat, Dialogue, Json, Message, Person, Place
from sandbox.telegram import Telegram

_CONTENT = {
    "text", "entities", "caption", "caption_entities", "photo", "video", "animation", "document",
    "link_preview_options", "invoice", "show_caption_above_media", "has_media_spoiler",
}  # fmt: skip


def content_of(message: Message) -> Json:
    """The part of a message that a forward or a copy takes along."""
    return {name: value for name, value in message.body.items() if name in _CONTENT}


def post_as_bot(telegram: Telegram, bot: Bot, place: Place, content: Json) -> Message:
    """A bot's message. Its own posts never come back to it as updates, nor to other bots."""
    sender = {"sender_chat": place.brief()} if place.is_channel else {"from": bot.user()}
    message = _add(telegram, place, sender | content, bot)
    _mirror(telegram, place, message)
    return message


def post_as_person(
    telegram: Telegram, person: Person | None, place: Place, content: Json
) -> Message:
    """A human's message; in a channel an administrator's, signed by the channel."""
    sender = {"from": person.user()} if person else {"sender_chat": place.brief()}
    message = _add(telegram, place, sender | content, None)
    announce(telegram, place, message)
    _mirror(telegram, place, message)
    return message


def announce(telegram: Telegram, place: Place, message: Message) -> None:
    """Tell the bots of a chat about a message in it."""
    kind = "channel_post" if place.is_channel else "message"
    bots = [place.bot] if isinstance(place, Dialogue) else telegram.bots_in(place)
    for bot in bots:
        telegram.updates.publish(bot, kind, message.body, f"chat/{place.key}")


def origin_of(place: Place, message: Message) -> Json:
    """The forward_origin of a message: that of the first one when it is itself a forward."""
    if origin := message.body.get("forward_origin"):
        return dict(origin)
    date = int(message.posted_at)
    if isinstance(place, Chat) and "sender_chat" in message.body:
        chat, number = place.brief(), message.id
        return {"type": "channel", "chat": chat, "message_id": number, "date": date}
    return {"type": "user", "sender_user": message.body["from"], "date": date}


def _add(telegram: Telegram, place: Place, fields: Json, bot: Bot | None) -> Message:
    world, now = telegram.world, telegram.world.now()
    number = world.next_message_id(place.key)
    body = {"message_id": number, "date": int(now), "chat": place.brief(), **fields}
    protected = bool(body.get("has_protected_content"))
    author = bot.id if bot else None
    return world.add_message(Message(place.key, number, body, now, author, protected=protected))


def _mirror(telegram: Telegram, place: Place, message: Message) -> None:
    """A linked discussion group gets every channel post as an automatic forward.

    tdlib/telegram-bot-api Client.cpp: the sender is the channel, so bots see their own posts.
    """
    linked = place.linked_chat_id if isinstance(place, Chat) and place.is_channel else None
    group = telegram.world.chats.get(linked)
    if group is None or "pinned_message" in message.body:
        return
    fields = {
        "sender_chat": place.brief(),
        "is_automatic_forward": True,
        "forward_origin": origin_of(place, message),
        **content_of(message),
    }
    markup = message.body.get("reply_markup")
    announce(telegram, group, _add(telegram, group, fields | _kept(markup), None))


def _kept(markup: Json | None) -> Json:
    return {"reply_markup": markup} if markup else {}
