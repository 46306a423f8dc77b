"""How a value stands in a cell of a CSV file."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_HARMLESS = re.compile(r"-?[0-9]+(\.[0-9]+)?|@[A-Za-z0-9_]+")


def cell(value: object) -> str:
    """Write a value; text that a spreadsheet would take for a formula gets an apostrophe before it.

    A chat id (`-1001...`) and an @username stay as they are: they are no formulas.
    """
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case datetime():
            return value.astimezone(UTC).isoformat()
        case date():
            return value.isoformat()
        case Mapping():
            return json.dumps(value, default=str, sort_keys=True)
        case str() if value.startswith(_FORMULA) and not _HARMLESS.fullmatch(value):
            return f"'{value}"
        case _:
            return str(value)
