"""How numbers and times are written on the pages."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

NOTHING = "\N{EN DASH}"
_SECOND, _MINUTE, _HOUR, _DAY = 1_000, 60_000, 3_600_000, 86_400_000


def count(value: int | None) -> str:
    """Write a number with separators, a dash where there is none."""
    return NOTHING if value is None else f"{value:,}"


def percent(rate: float | None) -> str:
    """Write a share of one as a percentage."""
    return NOTHING if rate is None else f"{rate:.1%}"


def money(sums: Mapping[str, Decimal | int]) -> list[str]:
    """Write the sum of each currency; Telegram Stars have a sign of their own."""
    return [_sum(currency, amount) for currency, amount in sorted(sums.items())] or [NOTHING]


def _sum(currency: str, amount: Decimal | int) -> str:
    return f"{amount:,} ★" if currency == "XTR" else f"{amount:,} {currency}"


def instant(moment: datetime | None) -> str:
    """Write a moment to the second, in UTC."""
    return NOTHING if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}"


def lateness(milliseconds: int | None) -> str:
    """Write how late something was, in the unit that fits."""
    if milliseconds is None:
        return NOTHING
    for unit, name in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min"), (_SECOND, "s")):
        if abs(milliseconds) >= unit:
            return f"{milliseconds / unit:.1f} {name}"
    return f"{milliseconds} ms"
