"""Bot API methods about chats and their members."""

from sandbox.members import bot_member, member_object, stand
from sandbox.records import Chat, Json, Place
from sandbox.refusals import bad_request
from sandbox.telegram import Call

_GIFTS = dict.fromkeys(
    (
        "unlimited_gifts", "limited_gifts", "unique_gifts", "premium_subscription",
        "gifts_from_channels",
    ),
    False,
)  # fmt: skip


def get_chat(call: Call) -> Json:
    """getChat: the ChatFullInfo object."""
    place = call.place()
    call.require_inside(place)
    full: Json = {
        **place.brief(),
        "accent_color_id": 0,
        "max_reaction_count": 11,
        "accepted_gift_types": _GIFTS,
    }
    if isinstance(place, Chat) and place.linked_chat_id is not None:
        full["linked_chat_id"] = place.linked_chat_id
    pinned = [m for m in call.world.messages_in(place.key) if m.pinned and not m.deleted]
    return full | ({"pinned_message": pinned[-1].body} if pinned else {})


def get_chat_member(call: Call) -> Json:
    """getChatMember: a bot's own standing or a person's."""
    chat = call.chat()
    user_id = call.parameters.integer("user_id")
    if bot := call.world.bots.get(user_id):
        return bot_member(call.telegram, chat, bot)
    person = call.world.people.get(user_id)
    if person is None:
        raise bad_request("PARTICIPANT_ID_INVALID")
    return member_object(chat, person)


def get_chat_administrators(call: Call) -> list[Json]:
    """getChatAdministrators: the calling bot; other bots are left out, as the docs say."""
    chat = call.chat()
    member = bot_member(call.telegram, chat, call.bot)
    return [member] if member["status"] == "administrator" else []


def get_chat_member_count(call: Call) -> int:
    """getChatMemberCount: a private chat has two."""
    place: Place = call.place()
    call.require_inside(place)
    return place.member_count() if isinstance(place, Chat) else 2


def leave_chat(call: Call) -> bool:
    """LeaveChat."""
    chat = call.chat()
    stand(call.telegram, chat, call.bot, {"status": "left"}, call.bot.user())
    return True


def get_file(call: Call) -> Json:
    """getFile: the path under /file/bot<token>/ is the file's unique id."""
    identifier = call.parameters.text("file_id")
    prefix, _, unique = identifier.partition("-")
    content = call.world.store.blob(unique)
    if content is None or not prefix.endswith(str(call.bot.id)):
        raise bad_request("wrong file_id or the file is temporarily unavailable")
    return {
        "file_id": identifier,
        "file_unique_id": unique,
        "file_size": len(content),
        "file_path": f"files/{unique}",
    }
