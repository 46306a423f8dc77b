"""What a message holds: text, caption and media from a call's parameters, within the limits.

Limits and texts from the Bot API docs; lengths count after parsing, in UTF-16 units.
"""

from typing import Any

from contracts.marks import utf16_length
from sandbox.entities import format_text
from sandbox.forms import Parameters, Upload
from sandbox.links import link_fault
from sandbox.records import Json
from sandbox.refusals import Refusal, bad_request
from sandbox.telegram import Call

_LONGEST_TEXT = 4096
_LONGEST_CAPTION = 1024
_LARGEST_PHOTO = 10 * 1024 * 1024
_LARGEST_FILE = 50 * 1024 * 1024
_SIZES = {"width": 1280, "height": 720}
_SHAPES: dict[str, Json] = {
    "video": {**_SIZES, "duration": 10},
    "animation": {**_SIZES, "duration": 3},
    "document": {},
}
_FLAGS = {
    "show_caption_above_media": "show_caption_above_media",
    "has_spoiler": "has_media_spoiler",
}
"""Parameters, and what they are called in the message."""


def text_content(parameters: Parameters) -> Json:
    """`text`, `entities` and link preview options; Refusal for no text or too much."""
    text, entities = _formatted(parameters, "text", "entities")
    if not text:
        raise bad_request("message text is empty")
    if utf16_length(text) > _LONGEST_TEXT:
        raise bad_request("message is too long")
    content: Json = {"text": text}
    if entities:
        content["entities"] = entities
    if preview := parameters.json("link_preview_options"):
        content["link_preview_options"] = preview
    return content


def caption_content(parameters: Parameters) -> Json:
    """`caption` and its entities; nothing when there is no caption."""
    text, entities = _formatted(parameters, "caption", "caption_entities")
    if utf16_length(text) > _LONGEST_CAPTION:
        raise bad_request("message caption is too long")
    content: Json = {"caption": text} if text else {}
    if text and entities:
        content["caption_entities"] = entities
    return content | {name: True for flag, name in _FLAGS.items() if parameters.boolean(flag)}


def _formatted(parameters: Parameters, text: str, entities: str) -> tuple[str, list[Json]]:
    given = parameters.json(entities)
    if given is not None and not isinstance(given, list):
        raise bad_request(f"can't parse {entities}: expected an Array of MessageEntity")
    return format_text(parameters.text(text), parameters.text("parse_mode"), given)


def media_content(call: Call, kind: str, given: Any = None) -> Json:
    """The media of a message: an upload, a known file id of this bot, or a web address."""
    upload = _upload(call.parameters, kind, given)
    reference = "" if upload else str(given or call.parameters.text(kind))
    file = _stored(call, kind, upload) if upload else _referenced(call, kind, reference)
    if kind == "photo":
        return {"photo": [{**file, **_SIZES}]}
    if kind == "document":
        file = {**file, "file_name": upload.name if upload else "file"}
    return {kind: {**file, **_SHAPES[kind]}}


def _upload(parameters: Parameters, kind: str, given: object) -> Upload | None:
    reference = str(given or parameters.text(kind))
    if reference.startswith("attach://"):
        upload = parameters.files.get(reference.removeprefix("attach://"))
        if upload is None:
            raise bad_request(f"wrong file identifier/HTTP URL specified: {reference}")
        return upload
    return None if given else parameters.files.get(kind)


def _stored(call: Call, kind: str, upload: Upload) -> Json:
    largest = _LARGEST_PHOTO if kind == "photo" else _LARGEST_FILE
    if len(upload.content) > largest:
        raise Refusal(413, "Request Entity Too Large")
    if not upload.content:
        raise bad_request("file must be non-empty")
    unique = f"AQAD{call.world.counters.next('file'):08d}"
    call.world.store.put_blob(unique, upload.content)
    return _file(call, unique, len(upload.content))


def _file(call: Call, unique: str, size: int) -> Json:
    # A file id works for one bot only, so it carries the bot's id.
    identifier = f"AgACAgQAAx{call.bot.id}-{unique}"
    return {"file_id": identifier, "file_unique_id": unique, "file_size": size}


def _referenced(call: Call, kind: str, reference: str) -> Json:
    if not reference:
        raise bad_request(f"there is no {kind} in the request")
    if reference.startswith(("http://", "https://")) and link_fault(reference) is None:
        # Nothing is fetched: the sandbox stays on this machine and shows a placeholder.
        return _file(call, f"AQAD{call.world.counters.next('file'):08d}", 0)
    prefix, _, unique = reference.partition("-")
    content = call.world.store.blob(unique)
    if prefix != f"AgACAgQAAx{call.bot.id}" or not unique.startswith("AQAD"):
        raise bad_request("wrong file identifier/HTTP URL specified")
    return _file(call, unique, len(content or b""))
