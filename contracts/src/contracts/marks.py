"""Lengths as Telegram counts them, and the text a markup parser builds up with its entities.

The campaign file and the sandbox of Telegram share the parsers.
"""

from dataclasses import dataclass, field
from typing import Any

Entity = dict[str, Any]
"""A MessageEntity of the Bot API: `type`, `offset` and `length` in UTF-16 units, `url` and such."""

_LAST_OF_ONE_UNIT = "\uffff"


def utf16_length(text: str) -> int:
    """Count UTF-16 code units: the unit of every offset and length in the Bot API."""
    return len(text) + sum(1 for c in text if c > _LAST_OF_ONE_UNIT)


def byte_offset(text: str, index: int) -> int:
    """Return the UTF-8 offset of a character, the unit of Telegram's parse errors."""
    return len(text[:index].encode("utf-8", "surrogatepass"))


class MarkupError(Exception):
    """Text that does not parse: Telegram's words, at which character, and what to do about it."""

    def __init__(self, words: str, at: int = 0, remedy: str = "correct it") -> None:
        super().__init__(words)
        self.at = at
        self.remedy = remedy


@dataclass
class Output:
    """Plain text without its markup, and where the entities lie in it."""

    parts: list[str] = field(default_factory=list)
    length: int = 0
    entities: list[Entity] = field(default_factory=list)

    def add(self, text: str) -> None:
        self.parts.append(text)
        self.length += utf16_length(text)

    def close(self, begin: int, entity: Entity) -> None:
        """End an entity that began at a UTF-16 offset; an empty one is dropped."""
        if self.length > begin:
            self.entities.append({**entity, "offset": begin, "length": self.length - begin})

    def text_since(self, part: int) -> str:
        return "".join(self.parts[part:])

    @property
    def text(self) -> str:
        return "".join(self.parts)
