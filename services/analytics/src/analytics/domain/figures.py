"""What a group of posts came to: counts of acts and of people, and rates with their certainty."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from math import sqrt

_Z = 1.959963984540054
"""Standard deviations of a normal distribution within which 95 % of it lie."""


@dataclass(frozen=True)
class Rate:
    """A share of people, with its 95 % Wilson score interval (Wilson 1927)."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Figures:
    """One campaign, variant or channel, or all of them: what was posted and what it came to.

    People are known people, each counted once; taps of links name nobody and count in `clicks`.
    `starters` and `buyers` are steps of the funnel: each a part of the one before, and of `people`.
    """

    campaign: str | None = None
    variant: str | None = None
    channel: str | None = None
    sent: int = 0
    audience: int | None = None
    clicks: int = 0
    robots: int = 0
    people: int = 0
    starts: int = 0
    starters: int = 0
    buyers: int = 0
    conversions: int = 0
    converted: int = 0
    revenue: Mapping[str, Decimal] = field(default_factory=dict)

    @property
    def tapped(self) -> Rate | None:
        """People who tapped, of the audience."""
        return rate(self.people, self.audience or 0)

    @property
    def conversion(self) -> Rate | None:
        """People who tapped and converted, of those who tapped."""
        return rate(self.converted, self.people)


def rate(part: int, whole: int) -> Rate | None:
    """Return `part` of `whole` with its interval, None where there is no whole."""
    if whole <= 0:
        return None
    share, square = min(1.0, part / whole), _Z * _Z
    middle = share + square / (2 * whole)
    half = _Z * sqrt(share * (1 - share) / whole + square / (4 * whole * whole))
    scale = 1 + square / whole
    return Rate(share, max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale))


def reach(rates: list[Rate | None]) -> float:
    """Return a round share, at most 1, that every interval ends below: the end of a common axis."""
    most = max((found.high for found in rates if found), default=1.0)
    return next((end for end in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5) if end >= most), 1.0)
