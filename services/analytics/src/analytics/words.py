"""How numbers and times are written on the pages."""

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from decimal import Decimal

from analytics.domain.figures import Rate

NOTHING = "\N{EN DASH}"
_SECOND, _MINUTE, _HOUR, _DAY = 1_000, 60_000, 3_600_000, 86_400_000
_SMALL = 0.001
_ALMOST = 0.999


def count(value: int | None) -> str:
    """Write a number with separators, a dash where there is none."""
    return NOTHING if value is None else f"{value:,}"


def percent(rate: float | None) -> str:
    """Write a share of one as a percentage, small ones with more digits."""
    if rate is None:
        return NOTHING
    return f"{rate:.2%}" if 0 < rate < _SMALL else f"{rate:.1%}"


def chance(value: float) -> str:
    """Write how likely something is, which is never quite certain."""
    return "more than 99.9%" if value > _ALMOST else percent(value)


def interval(rate: Rate | None) -> str:
    """Write the interval of a rate."""
    return NOTHING if rate is None else f"{percent(rate.low)}\N{EN DASH}{percent(rate.high)}"


def money(sums: Mapping[str, Decimal | int]) -> list[str]:
    """Write the sum of each currency; Telegram Stars have a sign of their own."""
    return [amount(value, currency) for currency, value in sorted(sums.items())] or [NOTHING]


def amount(value: Decimal | int | None, currency: str | None) -> str:
    """Write an amount of one currency."""
    if value is None:
        return NOTHING
    written = f"{value:,f}" if isinstance(value, Decimal) else f"{value:,}"
    return f"{written} ★" if currency == "XTR" else f"{written} {currency or ''}".rstrip()


def instant(moment: datetime | None, zone: tzinfo = UTC) -> str:
    """Write a moment to the second, in the zone."""
    return NOTHING if moment is None else f"{moment.astimezone(zone):%Y-%m-%d %H:%M:%S}"


def lateness(milliseconds: int | None) -> str:
    """Write how late something was, in the unit that fits."""
    if milliseconds is None:
        return NOTHING
    for unit, name in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min"), (_SECOND, "s")):
        if abs(milliseconds) >= unit:
            return f"{milliseconds / unit:.1f} {name}"
    return f"{milliseconds} ms"


def plain(text: str | None) -> str:
    """Write a name of ours, such as `catchup_window`, as words."""
    return (text or "").replace("_", " ")
