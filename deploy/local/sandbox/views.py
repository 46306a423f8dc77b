"""What the control API and the page show of the world."""

from sandbox.records import Chat, Dialogue, Json, Message, Person, Query
from sandbox.telegram import Telegram
from sandbox.world import World


def message_view(message: Message) -> Json:
    """A message with its fate: the Message object under `message`."""
    return {
        "message_id": message.id,
        "bot_id": message.bot_id,
        "posted_at": message.posted_at,
        "edited_at": message.edited_at,
        "deleted": message.deleted,
        "pinned": message.pinned,
        "text": message.body.get("text") or message.body.get("caption") or "",
        "buttons": message.body.get("reply_markup", {}).get("inline_keyboard", []),
        "message": message.body,
    }


def chat_view(telegram: Telegram, chat: Chat) -> Json:
    """A chat with the standing of every bot in it."""
    bots = {str(bot.id): telegram.standing(chat, bot) for bot in telegram.world.bots}
    messages = telegram.world.messages_in(chat.key)
    return {
        "chat_id": chat.id,
        "type": chat.type,
        "title": chat.title,
        "username": chat.username,
        "members": chat.member_count(),
        "linked_chat_id": chat.linked_chat_id,
        "migrated_to": chat.migrated_to,
        "joined": chat.joined,
        "bots": bots,
        "message_count": sum(not m.deleted for m in messages),
    }


def query_view(query: Query) -> Json:
    """A callback or checkout query with the answer it got."""
    waited = None if query.answered_at is None else query.answered_at - query.created_at
    return {**vars(query), "waited_ms": None if waited is None else round(waited * 1000, 1)}


def page_chats(world: World, person: Person) -> list[Json]:
    """The chat list of a person: every channel and group, and their chats with bots."""
    chats = [_row(world, c.key, c.title, c.type, f"{c.member_count():,}") for c in world.chats]
    return chats + [_dialogue_row(world, d) for d in world.dialogues_of(person)]


def _dialogue_row(world: World, dialogue: Dialogue) -> Json:
    row = _row(world, dialogue.key, dialogue.bot.name, "private", "")
    return {**row, "bot": dialogue.bot.username}


def _summary(body: Json) -> str:
    """One line for the chat list."""
    if "pinned_message" in body:
        return "Pinned a message"
    title = body.get("invoice", {}).get("title", "")
    return str(body.get("text") or body.get("caption") or title)


def _row(world: World, key: str, title: str, kind: str, members: str) -> Json:
    live = [m for m in world.messages_in(key) if not m.deleted]
    last = live[-1] if live else None
    return {
        "key": key,
        "title": title,
        "type": kind,
        "members": members,
        "count": len(live),
        "last": _summary(last.body)[:80] if last else "",
        "last_at": last.posted_at if last else None,
    }
