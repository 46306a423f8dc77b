"""Bot API methods that edit messages.

Rules and texts from the Bot API docs and tdlib/telegram-bot-api Client.cpp.
"""

from sandbox.content import caption_content, text_content
from sandbox.messages import markup_fields
from sandbox.records import Chat, Json, Message, Place
from sandbox.refusals import bad_request
from sandbox.telegram import Call

_NOT_MODIFIED = (
    "message is not modified: specified new message content and reply markup are exactly"
    " the same as a current content and reply markup of the message"
)


def edit_message_text(call: Call) -> Json:
    """editMessageText: the keyboard goes unless it is given again."""
    content = text_content(call.parameters)
    message, place = _editable(call)
    if "text" not in message.body:
        raise bad_request("there is no text in the message to edit")
    return _edit(call, place, message, content, {"text", "entities", "link_preview_options"})


def edit_message_caption(call: Call) -> Json:
    """EditMessageCaption."""
    content = caption_content(call.parameters)
    message, place = _editable(call)
    if "text" in message.body:
        raise bad_request("there is no caption in the message to edit")
    return _edit(call, place, message, content, {"caption", "caption_entities"})


def edit_message_reply_markup(call: Call) -> Json:
    """editMessageReplyMarkup: the keyboard alone."""
    message, place = _editable(call)
    return _edit(call, place, message, {}, set())


def _editable(call: Call) -> tuple[Message, Place]:
    place = call.place()
    call.require_inside(place)
    message = call.world.message(place.key, call.parameters.integer("message_id"))
    if message is None:
        raise bad_request("message to edit not found")
    if not _may_edit(call, place, own=message.bot_id == call.bot.id):
        raise bad_request("message can't be edited")
    return message, place


def _may_edit(call: Call, place: Place, *, own: bool) -> bool:
    """Tell whether a bot may edit: in a channel its own while it may post (tdlib can_edit_message).

    There is no age at which it may not any more.
    """
    if not isinstance(place, Chat) or not place.is_channel:
        return own
    rights = call.telegram.standing(place, call.bot)
    return bool(rights["can_edit_messages"] or (own and rights["can_post_messages"]))


def _edit(call: Call, place: Place, message: Message, content: Json, replaced: set[str]) -> Json:
    replaced = replaced | {"reply_markup"}
    new = content | markup_fields(call.parameters)
    old = {name: message.body[name] for name in replaced if name in message.body}
    if old == new:
        raise bad_request(_NOT_MODIFIED)
    call.spend(place)
    now = call.world.now()
    kept = {n: v for n, v in message.body.items() if n not in replaced}
    message.body = {**kept, **new, "edit_date": int(now)}
    message.edited_at = now
    call.world.save_message(message)
    return message.body
