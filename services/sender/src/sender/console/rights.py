"""What Telegram says that a bot may do in a chat, in plain words. Nothing of it is tried here.

Sources: Bot API docs, ChatMember, pinChatMessage, deleteMessage and Update.
"""

from aiogram.types import ChatFullInfo, ResultChatMemberUnion


def rights(chat: ChatFullInfo, bot: ResultChatMemberUnion) -> dict[str, bool]:
    """Return each right that matters, by what it is for, and whether the bot has it."""
    administers = bot.status in {"administrator", "creator"}
    if chat.type == "channel":
        posts, pins = _has(bot, "can_post_messages"), _has(bot, "can_edit_messages")
    else:
        posts = administers or bot.status == "member" or _has(bot, "can_send_messages")
        pins = _has(bot, "can_pin_messages")
    return {
        "post": posts,
        "edit and delete what it posted": posts,
        "delete what others posted": _has(bot, "can_delete_messages"),
        "pin": pins,
        "see who joins and leaves": administers,
    }


def told(found: dict[str, bool]) -> str:
    """Return `found` as a sentence."""
    may = ", ".join(right for right, has in found.items() if has) or "nothing"
    lacks = ", ".join(right for right, has in found.items() if not has)
    return f"it may: {may}" + (f"; it may not: {lacks}" if lacks else "")


def _has(bot: ResultChatMemberUnion, right: str) -> bool:
    return bot.status == "creator" or bool(getattr(bot, right, False))
