"""parse_mode HTML, with the error texts of tdlib's parser (td/telegram/MessageEntity.cpp)."""

import re
from dataclasses import dataclass

from contracts.marks import Entity, MarkupError, Output, byte_offset

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
_KNOWN_TAGS = (
    "use b, i, u, s, tg-spoiler, a, code, pre, blockquote or tg-emoji, or write &lt; for the sign <"
)
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
    source_at: int


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
            last = self.stack[-1]
            raise MarkupError(
                f'Can\'t find end tag corresponding to start tag "{last.tag}"',
                last.source_at,
                f"close it by </{last.tag}>",
            )
        if any(ord(c) in _SURROGATES for c in self.out.text):
            raise MarkupError(
                "Text contains invalid Unicode characters after decoding HTML entities,"
                " check for unmatched surrogate code units",
                remedy="remove it",
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
            raise self._unclosed(begin)
        if tag not in _TAGS:
            words = f'Unsupported start tag "{tag}" at byte offset {where}'
            raise MarkupError(words, begin, _KNOWN_TAGS)
        argument = self._attributes(tag, begin)
        if tag == "span" and argument != "tg-spoiler":
            words = f'Tag "span" must have class "tg-spoiler" at byte offset {where}'
            raise MarkupError(words, begin, 'write <span class="tg-spoiler">, or <tg-spoiler>')
        self.at += 1
        self.stack.append(_Open(tag, argument, self.out.length, len(self.out.parts), begin))

    def _unclosed(self, begin: int, tag: str = "") -> MarkupError:
        named = f' "{tag}"' if tag else ""
        words = f"Unclosed start tag{named} at byte offset {byte_offset(self.source, begin)}"
        return MarkupError(words, begin, "end it with >, or write &lt; for the sign <")

    def _attributes(self, tag: str, begin: int) -> str:
        argument = ""
        while True:
            self._skip_space()
            if self._peek() == ">":
                return argument
            name = self._until(_SPACE + "=>")
            if not name:
                # The tag ran into the end of the text, or "=" had nothing before it.
                if not self._peek():
                    raise self._unclosed(begin)
                where = byte_offset(self.source, begin)
                words = f'Empty attribute name in the tag "{tag}" at byte offset {where}'
                raise MarkupError(words, begin, 'write name="value"')
            self._skip_space()
            value = self._attribute_value(tag, begin)
            argument = _argument(tag, name.lower(), value) or argument

    def _attribute_value(self, tag: str, begin: int) -> str | None:
        if self._peek() != "=":
            if not self._peek():
                raise self._unclosed(begin, tag)
            return None
        self.at += 1
        self._skip_space()
        if not self._peek():
            raise self._unclosed(begin, tag)
        value = self._quoted() if self._peek() in "'\"" else self._token()
        if not self._peek():
            raise self._unclosed(begin)
        return value

    def _token(self) -> str:
        begin = self.at
        while self._peek().isalnum() or self._peek() in {".", "-"}:
            self.at += 1
        if self._peek() not in {*_SPACE, ">"}:
            words = f"Unexpected end of name token at byte offset {byte_offset(self.source, begin)}"
            raise MarkupError(words, begin, "put the value in quotes")
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
            words = f"Unexpected end tag at byte offset {where}"
            raise MarkupError(words, begin, "remove it, or write &lt; for the sign <")
        self.at += 1
        tag = self._until(_SPACE + ">").lower()
        self._skip_space()
        if self._peek() != ">":
            words = f"Unclosed end tag at byte offset {where}"
            raise MarkupError(words, begin, "end it with >")
        self.at += 1
        opened = self.stack.pop()
        if tag not in {"", opened.tag}:
            raise MarkupError(
                f"Unmatched end tag at byte offset {where},"
                f' expected "</{opened.tag}>", found "</{tag}>"',
                begin,
                "close first what was opened last",
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
                words = "Invalid custom emoji identifier specified"
                raise MarkupError(words, opened.source_at, 'write emoji-id="…" with its digits')
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

    Raises MarkupError. A language on a `code` tag that is not the only
    content of a `pre` is left in place.
    """
    return _Html(text).parse()
