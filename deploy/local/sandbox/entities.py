"""Formatted text as Telegram stores it: parsed or given entities, checked, trimmed, completed.

Facts from the Bot API docs and tdlib (td/telegram/MessageEntity.cpp, fix_formatted_text).
"""

import re
from typing import Any

from contracts.html_markup import parse_html
from contracts.markdown_markup import parse_markdown
from contracts.marks import Entity, MarkupError, Output, utf16_length
from contracts.markup import finished, trimmed
from sandbox.links import link_fault, normalized
from sandbox.refusals import bad_request

_PARSERS = {"html": parse_html, "markdownv2": parse_markdown}
_MOST_ENTITIES = 100
_FOUND_BY_SERVER = {
    "mention", "hashtag", "cashtag", "bot_command", "url", "email", "phone_number",
}  # fmt: skip
_GIVEN = {
    "bold", "italic", "underline", "strikethrough", "spoiler", "blockquote", "code", "pre",
    "expandable_blockquote", "text_link", "text_mention", "custom_emoji",
}  # fmt: skip
_AUTOMATIC = re.compile(
    r"(?P<url>https?://[^\s<>\"]*[^\s<>\".,!?;:)'\]])"
    r"|(?P<email>(?<![\w.])[\w.+-]+@[\w-]+\.[a-zA-Z]{2,})"
    r"|(?P<mention>(?<![\w@])@[A-Za-z]\w{3,31})"
    r"|(?P<bot_command>(?<![\w/])/[A-Za-z]\w{0,63}(?:@\w+)?)"
    r"|(?P<hashtag>(?<![\w#])#\w*[^\W\d]\w*)"
)


def format_text(
    text: str, parse_mode: str, entities: list[Entity] | None
) -> tuple[str, list[Entity]]:
    """The text and entities of a message; Refusal when Telegram would refuse them."""
    if parse_mode:
        output = _parse(text, parse_mode)
        found = finished(output)
        text = output.text
    else:
        found = [_checked(e, utf16_length(text)) for e in entities or []]
    found = [e for e in map(_with_link, found) if e["length"] > 0]
    text, kept = trimmed(text, found)
    found = sorted(
        [*kept, *_automatic(text, list(kept))], key=lambda e: (e["offset"], -e["length"])
    )
    return text, found[:_MOST_ENTITIES]


def _parse(text: str, parse_mode: str) -> Output:
    parser = _PARSERS.get(parse_mode.lower())
    if parser is None:
        raise bad_request("unsupported parse_mode")
    try:
        return parser(text)
    except MarkupError as error:
        raise bad_request(f"can't parse entities: {error}") from None


def _checked(entity: Any, length: int) -> Entity:
    if not isinstance(entity, dict):
        raise bad_request("can't parse MessageEntity: expected an Object")
    kind, offset, span = entity.get("type"), entity.get("offset"), entity.get("length")
    if kind not in _GIVEN | _FOUND_BY_SERVER:
        raise bad_request("can't parse MessageEntity: Unsupported type specified")
    if not isinstance(offset, int) or not isinstance(span, int):
        raise bad_request('can\'t parse MessageEntity: Field "offset" must be a valid Number')
    if offset < 0:
        raise bad_request(f"receive an entity with incorrect offset {offset}")
    if span < 0:
        raise bad_request(f"receive an entity with incorrect length {span}")
    if offset > length:
        raise bad_request(f"entity begins after the end of the text at UTF-16 offset {offset}")
    if offset + span > length:
        raise bad_request(
            f"entity beginning at UTF-16 offset {offset} ends after the end of the text"
            f" at UTF-16 offset {offset + span}"
        )
    # The server finds these itself; given ones are dropped, then found again.
    return {**entity, "length": 0 if kind in _FOUND_BY_SERVER else span}


def _with_link(entity: Entity) -> Entity:
    if entity["type"] != "text_link":
        return entity
    url = str(entity.get("url", ""))
    fault = link_fault(url)
    if fault and "offset" in entity:
        raise bad_request(f"entity URL '{url}' is invalid: {fault}")
    return {**entity, "url": normalized(url)}


def _automatic(text: str, given: list[Entity]) -> list[Entity]:
    """Links, mentions, commands and tags in plain text, outside code and given links."""
    closed = {"code", "pre", "text_link", "text_mention", "custom_emoji"}
    taken = [(e["offset"], e["offset"] + e["length"]) for e in given if e["type"] in closed]
    found = []
    for match in _AUTOMATIC.finditer(text):
        begin, length = utf16_length(text[: match.start()]), utf16_length(match[0])
        if not any(begin < stop and start < begin + length for start, stop in taken):
            found.append({"type": str(match.lastgroup), "offset": begin, "length": length})
    return found
