"""parse_mode MarkdownV2, with the error texts of tdlib's parser (td/telegram/MessageEntity.cpp)."""

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from contracts.marks import MarkupError, Output, byte_offset

RESERVED = frozenset("_*[]()~`>#+-=|{}.!")
_LAST_ASCII = 126
_LANGUAGE = re.compile(r"([^\s`]+)\n")
# The mark that opens an entity, longest first; what it is called in JSON and in an error.
_STARTS = (
    ("```", "pre", "Pre"),
    ("||", "spoiler", "Spoiler"),
    ("__", "underline", "Underline"),
    ("![", "custom_emoji", "CustomEmoji"),
    ("`", "code", "Code"),
    ("_", "italic", "Italic"),
    ("*", "bold", "Bold"),
    ("~", "strikethrough", "Strikethrough"),
    ("[", "text_link", "TextUrl"),
)
_EMOJI = "write ![👍](tg://emoji?id=…) with its digits"
_ENDS = {"![": "]", "[": "]"}


@dataclass
class _Open:
    mark: str
    kind: str
    name: str
    begin: int
    part: int
    source_at: int
    language: str = ""

    @property
    def end(self) -> str:
        return _ENDS.get(self.mark, self.mark)


@dataclass
class _Quote:
    begin: int
    expandable: bool = False


class _Markdown:
    def __init__(self, text: str):
        self.source, self.at = text, 0
        self.out = Output()
        self.stack: list[_Open] = []
        self.quote: _Quote | None = None

    def parse(self) -> Output:
        while self.at < len(self.source):
            self._step()
        self._end_quote()
        if self.stack:
            last = self.stack[-1]
            where = byte_offset(self.source, last.source_at)
            words = f"Can't find end of {last.name} entity at byte offset {where}"
            remedy = f"close it by {last.end}, or write \\ before what opens it"
            raise MarkupError(words, last.source_at, remedy)
        return self.out

    def _step(self) -> None:
        character = self.source[self.at]
        following = self.source[self.at + 1 : self.at + 2]
        if character == "\\" and following and 0 < ord(following) <= _LAST_ASCII:
            self._copy(following, 2)
        elif self._in_code():
            self._step_in_code(character)
        elif self._at_line_start() and self._line_start(character):
            return
        elif character not in RESERVED:
            self._copy(character, 1)
        elif not (self._closes() or self._expands() or self._opens()):
            raise MarkupError(
                f"Character '{character}' is reserved and must be escaped with the preceding '\\'",
                self.at,
                f"write \\{character}",
            )

    def _copy(self, text: str, consumed: int) -> None:
        self.out.add(text)
        self.at += consumed

    def _in_code(self) -> bool:
        return bool(self.stack) and self.stack[-1].kind in {"code", "pre"}

    def _step_in_code(self, character: str) -> None:
        if character != "`" or not self._closes():
            self._copy(character, 1)

    def _at_line_start(self) -> bool:
        return self.at == 0 or self.source[self.at - 1] == "\n"

    def _line_start(self, character: str) -> bool:
        """Begin, go on with or end a block quotation; true when characters were consumed."""
        expandable = self.source.startswith("**>", self.at)
        if character == ">" or expandable:
            if expandable or self.quote is None:
                self._end_quote()
                self.quote = _Quote(self.out.length)
            self.at += 3 if expandable else 1
            return True
        self._end_quote()
        return False

    def _end_quote(self) -> None:
        if self.quote:
            kind = "expandable_blockquote" if self.quote.expandable else "blockquote"
            self.out.close(self.quote.begin, {"type": kind})
        self.quote = None

    def _expands(self) -> bool:
        """A `||` that ends the last line of a quotation makes it an expandable one."""
        ending = self.source[self.at + 2 : self.at + 3] in {"", "\n"}
        if not (self.quote and ending and self.source.startswith("||", self.at)):
            return False
        self.quote.expandable = True
        self.at += 2
        return True

    def _closes(self) -> bool:
        if not self.stack or not self.source.startswith(self.stack[-1].end, self.at):
            return False
        opened = self.stack[-1]
        if opened.kind == "italic" and self.source.startswith("__", self.at):
            return False
        self.stack.pop()
        self.at += len(opened.end)
        match opened.kind:
            case "text_link":
                self._close_link(opened)
            case "custom_emoji":
                self._close_emoji(opened)
            case "pre" if opened.language:
                self.out.close(opened.begin, {"type": "pre", "language": opened.language})
            case _:
                self.out.close(opened.begin, {"type": opened.kind})
        return True

    def _opens(self) -> bool:
        for mark, kind, name in _STARTS:
            if self.source.startswith(mark, self.at):
                opened = _Open(mark, kind, name, self.out.length, len(self.out.parts), self.at)
                self.at += len(mark)
                self.stack.append(opened)
                if kind == "pre":
                    self._open_pre(opened)
                return True
        return False

    def _open_pre(self, opened: _Open) -> None:
        language = _LANGUAGE.match(self.source, self.at)
        if language:
            opened.language = language[1]
            self.at = language.end()
        elif self.source.startswith("\n", self.at):
            self.at += 1

    def _close_link(self, opened: _Open) -> None:
        inner = self.out.text_since(opened.part)
        url = self._url() if self.source.startswith("(", self.at) else inner
        if url:
            self.out.close(opened.begin, {"type": "text_link", "url": url})

    def _close_emoji(self, opened: _Open) -> None:
        if not self.source.startswith("(", self.at):
            words = "Custom emoji entity must contain a tg://emoji URL"
            raise MarkupError(words, opened.source_at, _EMOJI)
        link = urlsplit(self._url())
        emoji = parse_qs(link.query).get("id", [""])[0]
        if (link.scheme, link.netloc) != ("tg", "emoji"):
            raise MarkupError("Custom emoji URL must have scheme tg", opened.source_at, _EMOJI)
        if not emoji.isdigit():
            words = "Invalid custom emoji identifier specified"
            raise MarkupError(words, opened.source_at, _EMOJI)
        self.out.close(opened.begin, {"type": "custom_emoji", "custom_emoji_id": emoji})

    def _url(self) -> str:
        begin, url = self.at, []
        self.at += 1
        while self.at < len(self.source) and self.source[self.at] != ")":
            following = self.source[self.at + 1 : self.at + 2]
            if self.source[self.at] == "\\" and following and ord(following) <= _LAST_ASCII:
                self.at += 1
            url.append(self.source[self.at])
            self.at += 1
        if self.at >= len(self.source):
            where = byte_offset(self.source, begin)
            words = f"Can't find end of a URL at byte offset {where}"
            raise MarkupError(words, begin, "close it by )")
        self.at += 1
        return "".join(url)


def parse_markdown(text: str) -> Output:
    """Split MarkdownV2 into text and entities; raises MarkupError."""
    return _Markdown(text).parse()
