"""Placeholders in the texts of a variant: checked when the file is read, filled when it is due."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from contracts.markup import escaped

if TYPE_CHECKING:
    from contracts.campaign import Campaign, Variant
    from contracts.ids import Channel

NAMES = ("campaign", "channel", "date", "time")
_SAMPLES = dict.fromkeys(NAMES, "x")
_PART = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


def fault(text: str) -> str | None:
    """Return what is wrong with the braces in `text`, with its remedy; None: nothing."""
    for part in _PART.finditer(text):
        if part[0] in "{}":
            line = text.count("\n", 0, part.start()) + 1
            return f"line {line}: a {part[0]} stands alone; write {part[0] * 2} for the sign"
        if part[1] is not None and part[1] not in NAMES:
            known = ", ".join(f"{{{name}}}" for name in NAMES)
            return f"unknown placeholder {part[0]}; write one of {known}, or {{{{ for the sign {{"
    return None


def sample(text: str) -> str:
    """Return `text` with the shortest values, to see whether it can be read at all."""
    return _filled(text, _SAMPLES)


def fill(variant: "Variant", plan: "Campaign", channel: "Channel", at: datetime) -> "Variant":
    """Return what `variant` says in `channel` for the slot `at`; nothing is left to fill in."""
    if not variant.placeholders:
        return variant
    here = at.astimezone(ZoneInfo(plan.zone))
    values = {
        "campaign": plan.title,
        "channel": channel,
        "date": here.date().isoformat(),
        "time": here.strftime("%H:%M"),
    }
    written = {name: escaped(value, variant.format) for name, value in values.items()}
    below = variant.album_text
    return variant.model_copy(
        update={
            "text": _filled(variant.text, written),
            "album_text": None if below is None else _filled(below, written),
            "placeholders": False,
        }
    )


def _filled(text: str, values: Mapping[str, str]) -> str:
    # What is no placeholder stays as it is: a due slot never fails on a brace.
    def value(part: re.Match[str]) -> str:
        if part[1] is None:
            return part[0][0]
        return values.get(part[1], part[0])

    return _PART.sub(value, text)
