"""What a view is, and the words for the columns that several of them have."""

from dataclasses import dataclass

_KEYS = {
    "campaign": "Campaign.",
    "variant": "Variant.",
    "channel": "Chat id or @username of the channel.",
    "day": "Date of the planned instant in the campaign's zone.",
}


@dataclass(frozen=True)
class View:
    """A view: its query, and the meaning of each of its columns, in their order."""

    name: str
    meaning: str
    columns: tuple[tuple[str, str], ...]
    query: str


def key(name: str) -> tuple[str, str]:
    """Return the column of what a figure is about, with its meaning."""
    return name, _KEYS[name]
