"""Durations as people write them: `4h`, `1h30m`, `45s`; ISO 8601 (`PT4H`) is read too."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, ValidationInfo

from contracts.reading import FILE

_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_DURATION = re.compile(r"(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?", re.ASCII)
_REMEDY = "write a duration such as 4h, 1h30m or 45s"


def _parse(value: object) -> object:
    if isinstance(value, bool):  # for Python true is 1, and would be one second
        raise ValueError(_REMEDY)  # noqa: TRY004  pydantic explains ValueErrors
    if not isinstance(value, str) or value.startswith(("P", "-P")):
        return value
    match = _DURATION.fullmatch(value.replace(" ", ""))
    if not match or not any(match.groups()):
        raise ValueError(_REMEDY)
    amounts = zip(_UNITS.values(), match.groups(), strict=True)
    try:
        return timedelta(**{unit: int(amount) for unit, amount in amounts if amount})
    except OverflowError as error:
        raise ValueError("is too long; shorten it") from error


def _has_unit(value: object, info: ValidationInfo) -> object:
    if info.context is FILE and isinstance(value, int | float) and value != 0:
        raise ValueError("has no unit; write a duration such as 4h, 1h30m or 45s")
    return value


Duration = Annotated[timedelta, BeforeValidator(_parse)]
Unit = BeforeValidator(_has_unit)
"""Keeps durations that are mere numbers out of files."""
