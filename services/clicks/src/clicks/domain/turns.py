"""Which updates of a batch must wait for each other: those of one person, and no others."""

from collections.abc import Iterable
from typing import Any


def turns(updates: Iterable[object]) -> list[list[object]]:
    """Split a batch into lines, each to be handled in its order, and all of them at once.

    What names nobody shares a line.
    """
    lines: dict[int | None, list[object]] = {}
    for update in updates:
        lines.setdefault(_person(update), []).append(update)
    return list(lines.values())


def _person(update: object) -> int | None:
    fields: dict[str, Any] = update if isinstance(update, dict) else {}
    for content in fields.values():
        match content:
            case {"from": {"id": int(person)}}:
                return person
    return None
