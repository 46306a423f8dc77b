"""A text as people write it, in plain words, HTML or MarkdownV2, becomes a text and its entities.

Telegram is given the entities and never a parse mode: what was read here cannot fail there.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from contracts.html_markup import parse_html
from contracts.markdown_markup import RESERVED, parse_markdown
from contracts.marks import Entity, MarkupError, Output, utf16_length

Format = Literal["plain", "html", "markdown"]
FORMATS: tuple[Format, ...] = ("plain", "html", "markdown")

_PARSERS = {"html": parse_html, "markdown": parse_markdown}
_IN_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"}
_IN_MARKDOWN = {sign: f"\\{sign}" for sign in (*sorted(RESERVED), "\\")}
_ESCAPES = {"html": str.maketrans(_IN_HTML), "markdown": str.maketrans(_IN_MARKDOWN)}
_OFFSET = re.compile(r" at byte offset \d+")


@dataclass(frozen=True)
class Formatted:
    """A text without its markup, and where the entities lie in it."""

    text: str
    entities: tuple[Entity, ...] = ()

    @property
    def length(self) -> int:
        """The length as Telegram counts it."""
        return utf16_length(self.text)


def parse(text: str, form: str) -> Formatted:
    """Read a text written in `form`; raises ValueError with the position and the remedy."""
    if form == "plain":
        return Formatted(text)
    if form not in _PARSERS:
        raise ValueError(f"unknown format {form!r}; write {', '.join(FORMATS[:-1])} or markdown")
    try:
        output = _PARSERS[form](text)
    except MarkupError as error:
        raise ValueError(_explained(error, text)) from error
    return Formatted(*trimmed(output.text, finished(output)))


def escaped(text: str, form: str) -> str:
    """Write `text` so that a text written in `form` shows just that."""
    return text.translate(_ESCAPES[form]) if form in _ESCAPES else text


def finished(output: Output) -> list[Entity]:
    """Return the entities of `output` as the Bot API takes them: a code has no language."""
    return [
        {name: value for name, value in entity.items() if name != "language"}
        if entity["type"] == "code"
        else entity
        for entity in output.entities
    ]


def trimmed(text: str, entities: Iterable[Entity]) -> tuple[str, tuple[Entity, ...]]:
    """Leave out the white space around `text`, as Telegram does, and cut entities to the rest."""
    lead = utf16_length(text) - utf16_length(text.lstrip())
    stripped = text.strip()
    end = utf16_length(stripped)
    kept = []
    for entity in entities:
        begin = max(0, entity["offset"] - lead)
        stop = min(end, entity["offset"] - lead + entity["length"])
        if stop > begin:
            kept.append({**entity, "offset": begin, "length": stop - begin})
    return stripped, tuple(kept)


def _explained(error: MarkupError, text: str) -> str:
    before = text[: error.at]
    line = before.count("\n") + 1
    column = error.at - (before.rfind("\n") + 1) + 1
    return f"line {line}, column {column}: {_OFFSET.sub('', str(error))}; {error.remedy}"
