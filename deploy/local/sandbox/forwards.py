"""Bot API methods that forward and copy messages.

Rules and texts from the Bot API docs and tdlib/telegram-bot-api Client.cpp.
"""

from sandbox.buttons import forwarded
from sandbox.content import caption_content
from sandbox.messages import markup_fields, option_fields
from sandbox.posting import content_of, origin_of, post_as_bot
from sandbox.records import Json, Message, Place
from sandbox.refusals import bad_request
from sandbox.telegram import Call


def forward_message(call: Call) -> Json:
    """forwardMessage: with the origin and its link buttons."""
    source, message = _source(call, "forward")
    place = call.place()
    call.require_posting(place)
    if message.protected or "pinned_message" in message.body:
        raise bad_request("the message can't be forwarded")
    call.spend(place)
    fields = content_of(message) | {"forward_origin": origin_of(source, message)}
    if markup := forwarded(message.body.get("reply_markup")):
        fields["reply_markup"] = markup
    fields |= option_fields(call.parameters)
    return post_as_bot(call.telegram, call.bot, place, fields).body


def copy_message(call: Call) -> Json:
    """copyMessage: no origin, a new keyboard; a bot may copy protected content."""
    _, message = _source(call, "copy")
    place = call.place()
    call.require_posting(place)
    if "pinned_message" in message.body:
        raise bad_request("the message can't be copied")
    fields = content_of(message) | markup_fields(call.parameters) | option_fields(call.parameters)
    if "caption" in call.parameters.values and "text" not in message.body:
        fields = {n: v for n, v in fields.items() if not n.startswith("caption")}
        fields |= caption_content(call.parameters)
    call.spend(place)
    copy = post_as_bot(call.telegram, call.bot, place, fields)
    return {"message_id": copy.id}


def _source(call: Call, verb: str) -> tuple[Place, Message]:
    source = call.place("from_chat_id")
    call.require_inside(source)
    message = call.world.message(source.key, call.parameters.integer("message_id"))
    if message is None:
        raise bad_request(f"message to {verb} not found")
    return source, message
