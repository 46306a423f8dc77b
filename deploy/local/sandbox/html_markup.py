"""parse_mode HTML, with the error texts of tdlib's parser (td/telegram/MessageEntity.cpp)."""

import re
from dataclasses import dataclass

from sandbox.marks import Entity, MarkupError, Output, byte_offset

_SIMPLE = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "u": "underline",
    "ins": "underline",
    "span": "spoiler",
    "tg-spoiler": "spoiler",
}
_TAGS = {*_SIMPLE, "a", "pre", "code", "blockquote", "tg-emoji"}
_REFERENCE = re.compile(r"&(?:#x([0-9a-fA-F]{1,6})|#([0-9]{1,7})|(lt|gt|amp|quot)(?![a-zA-Z]));?")
_NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
_SPACE = " \t\r\n\0\v"
_SURROGATES = range(0xD800, 0xE000)
_END_OF_UNICODE = 0x10FFFF


@dataclass
class _Open:
    tag: str
    argument: str
    begin: int
    part: int


class _Html:
    def __init__(self, text: str):
        self.source, self.at = text, 0
        self.out = Output()
        self.stack: list[_Open] = []

    def parse(self) -> Output:
        while self.at < len(self.source):
            if self.source[self.at] == "<":
                self._tag()
            else:
                self.out.add(self._character())
        if self.stack:
            tag = self.stack[-1].tag
            raise MarkupError(f'Can\'t find end tag corresponding to start tag "{tag}"')
        if any(ord(c) in _SURROGATES for c in self.out.text):
            raise MarkupError(
                "Text contains invalid Unicode characters after decoding HTML entities,"
                " check for unmatched surrogate code units"
            )
        return self.out

    def _character(self) -> str:
        match = _REFERENCE.match(self.source, self.at)
        character = _decode(match) if match else ""
        if match and character:
            self.at = match.end()
            return character
        self.at += 1
        return self.source[self.at - 1]

    def _peek(self) -> str:
        return self.source[self.at] if self.at < len(self.source) else ""

    def _until(self, stop: str) -> str:
        begin = self.at
        while self._peek() and self._peek() not in stop:
            self.at += 1
        return self.source[begin : self.at]

    def _skip_space(self) -> None:
        while self._peek() and self._peek() in _SPACE:
            self.at += 1

    def _tag(self) -> None:
        begin = self.at
        self.at += 1
        if self._peek() == "/":
            self._end_tag(begin)
        else:
            self._start_tag(begin)

    def _start_tag(self, begin: int) -> None:
        where = byte_offset(self.source, begin)
        tag = self._until(_SPACE + ">").lower()
        if not self._peek():
            raise MarkupError(f"Unclosed start tag at byte offset {where}")
        if tag not in _TAGS:
            raise MarkupError(f'Unsupported start tag "{tag}" at byte offset {where}')
        argument = self._attributes(tag, where)
        if tag == "span" and argument != "tg-spoiler":
            raise MarkupError(f'Tag "span" must have class "tg-spoiler" at byte offset {where}')
        self.at += 1
        self.stack.append(_Open(tag, argument, self.out.length, len(self.out.parts)))

    def _attributes(self, tag: str, where: int) -> str:
        argument = ""
        while True:
            self._skip_space()
            if self._peek() == ">":
                return argument
            name = self._until(_SPACE + "=>")
            if not name:
                # The tag ran into the end of the text, or "=" had nothing before it.
                reason = f'Empty attribute name in the tag "{tag}" at byte offset {where}'
                raise MarkupError(reason if self._peek() else _unclosed(where))
            self._skip_space()
            value = self._attribute_value(tag, where)
            argument = _argument(tag, name.lower(), value) or argument

    def _attribute_value(self, tag: str, where: int) -> str | None:
        if self._peek() != "=":
            if not self._peek():
                raise MarkupError(f'Unclosed start tag "{tag}" at byte offset {where}')
            return None
        self.at += 1
        self._skip_space()
        if not self._peek():
            raise MarkupError(f'Unclosed start tag "{tag}" at byte offset {where}')
        value = self._quoted() if self._peek() in "'\"" else self._token()
        if not self._peek():
            raise MarkupError(_unclosed(where))
        return value

    def _token(self) -> str:
        begin = self.at
        while self._peek().isalnum() or self._peek() in {".", "-"}:
            self.at += 1
        if self._peek() not in {*_SPACE, ">"}:
            where = byte_offset(self.source, begin)
            raise MarkupError(f"Unexpected end of name token at byte offset {where}")
        return self.source[begin : self.at].lower()

    def _quoted(self) -> str:
        quote, value = self._peek(), []
        self.at += 1
        while self._peek() and self._peek() != quote:
            value.append(self._character())
        if self._peek():
            self.at += 1
        return "".join(value)

    def _end_tag(self, begin: int) -> None:
        where = byte_offset(self.source, begin)
        if not self.stack:
            raise MarkupError(f"Unexpected end tag at byte offset {where}")
        self.at += 1
        tag = self._until(_SPACE + ">").lower()
        self._skip_space()
        if self._peek() != ">":
            raise MarkupError(f"Unclosed end tag at byte offset {where}")
        self.at += 1
        opened = self.stack.pop()
        if tag not in {"", opened.tag}:
            raise MarkupError(
                f"Unmatched end tag at byte offset {where},"
                f' expected "</{opened.tag}>", found "</{tag}>"'
            )
        self._close(opened)

    def _close(self, opened: _Open) -> None:
        if opened.tag == "pre" and self._merge_code(opened):
            return
        entity = _entity(opened, self.out.text_since(opened.part))
        if entity:
            self.out.close(opened.begin, entity)

    def _merge_code(self, opened: _Open) -> bool:
        """<pre><code class="language-x"> is one pre entity with a language."""
        last = self.out.entities[-1] if self.out.entities else {}
        span = (opened.begin, self.out.length - opened.begin)
        if last.get("type") != "code" or (last["offset"], last["length"]) != span:
            return False
        last["type"] = "pre"
        return True


def _unclosed(where: int) -> str:
    return f"Unclosed start tag at byte offset {where}"


def _argument(tag: str, name: str, value: str | None) -> str:
    match tag, name, value:
        case "a", "href", str(url):
            return url
        case "code", "class", str(language) if language.startswith("language-"):
            return language.removeprefix("language-")
        case "tg-emoji", "emoji-id", str(emoji):
            return emoji
        case "span", "class", str(style):
            return style
        case "blockquote", "expandable", _:
            return "expandable"
    return ""


def _entity(opened: _Open, inner: str) -> Entity | None:
    if opened.tag in _SIMPLE:
        return {"type": _SIMPLE[opened.tag]}
    match opened.tag:
        case "a":
            url = opened.argument or inner
            return {"type": "text_link", "url": url} if url else None
        case "code" if opened.argument:
            return {"type": "code", "language": opened.argument}
        case "blockquote" if opened.argument:
            return {"type": "expandable_blockquote"}
        case "tg-emoji":
            if not opened.argument.isdigit():
                raise MarkupError("Invalid custom emoji identifier specified")
            return {"type": "custom_emoji", "custom_emoji_id": opened.argument}
    return {"type": opened.tag}


def _decode(match: re.Match[str]) -> str:
    hexadecimal, decimal, named = match.groups()
    if named:
        return _NAMED[named]
    code = int(hexadecimal, 16) if hexadecimal else int(decimal)
    return chr(code) if 0 < code < _END_OF_UNICODE else ""


def parse_html(text: str) -> Output:
    """Split HTML into text and entities.

    Raises MarkupError with Telegram's words. A language on a `code` tag that is not the only
    content of a `pre` is left for `entities.py` to drop.
    """
    return _Html(text).parse()
