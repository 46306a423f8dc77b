"""Bot API methods that pin messages and unpin them.

Rules and texts from the Bot API docs and tdlib/telegram-bot-api Client.cpp.
"""

from sandbox.posting import announce, post_as_bot
from sandbox.records import Message, Place
from sandbox.refusals import bad_request
from sandbox.telegram import Call


def pin_chat_message(call: Call) -> bool:
    """pinChatMessage: the one own act that comes back as an update, a service message."""
    place, message = _pinnable(call, "pin")
    if not message.pinned:
        message.pinned = True
        call.world.save_message(message)
        notice = post_as_bot(call.telegram, call.bot, place, {"pinned_message": message.body})
        announce(call.telegram, place, notice)
    return True


def unpin_chat_message(call: Call) -> bool:
    """unpinChatMessage: the given message, or the newest pinned one."""
    if not call.parameters.has("message_id"):
        place = _pin_place(call)
        pinned = [m for m in call.world.messages_in(place.key) if m.pinned and not m.deleted]
        if not pinned:
            raise bad_request("message to unpin not found")
        message = pinned[-1]
    else:
        _, message = _pinnable(call, "unpin")
    message.pinned = False
    call.world.save_message(message)
    return True


def _pin_place(call: Call) -> Place:
    place = call.place()
    lacking = bad_request("not enough rights to manage pinned messages in the chat")
    # In a channel pinning is part of editing (Bot API docs, pinChatMessage).
    right = "can_edit_messages" if place.is_channel else "can_pin_messages"
    call.require_right(place, right, lacking)
    return place


def _pinnable(call: Call, verb: str) -> tuple[Place, Message]:
    place = _pin_place(call)
    message = call.world.message(place.key, call.parameters.integer("message_id"))
    if message is None:
        raise bad_request(f"message to {verb} not found")
    return place, message
