"""Bot API methods that delete messages.

Rules and texts from the Bot API docs and tdlib/telegram-bot-api Client.cpp.
"""

from sandbox.records import Chat, Message, Place
from sandbox.refusals import bad_request
from sandbox.telegram import Call

_MOST_DELETED = 100
_DELETABLE_SECONDS = 48 * 3600


def delete_message(call: Call) -> bool:
    """deleteMessage: younger than 48 hours, own or with the right to delete."""
    place = call.place()
    call.require_inside(place)
    message = call.world.message(place.key, call.parameters.integer("message_id"))
    if message is None:
        raise bad_request("message to delete not found")
    _delete(call, place, [message])
    return True


def delete_messages(call: Call) -> bool:
    """deleteMessages: up to 100, all or none; those that are not there are skipped."""
    place = call.place()
    call.require_inside(place)
    numbers = call.parameters.json("message_ids")
    if not isinstance(numbers, list) or not numbers:
        raise bad_request("message identifiers are not specified")
    if len(numbers) > _MOST_DELETED:
        raise bad_request("too many message identifiers specified")
    found = [call.world.message(place.key, n) for n in numbers if isinstance(n, int)]
    _delete(call, place, [message for message in found if message])
    return True


def _delete(call: Call, place: Place, messages: list[Message]) -> None:
    for message in messages:
        own = message.bot_id == call.bot.id
        old = call.world.now() - message.posted_at > _DELETABLE_SECONDS
        if old or not _may_delete(call, place, own=own):
            raise bad_request("message can't be deleted")
    for message in messages:
        message.deleted = True
        call.world.save_message(message)


def _may_delete(call: Call, place: Place, *, own: bool) -> bool:
    """Tell whether a bot may delete: in a channel its own while it may post (Bot API docs)."""
    if not isinstance(place, Chat):
        return True
    rights = call.telegram.standing(place, call.bot)
    alone = own and (rights["can_post_messages"] or not place.is_channel)
    return bool(rights["can_delete_messages"] or alone)
