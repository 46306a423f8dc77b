"""What simulated people did, counted outside of Fingerpost, to compare with its tables."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

Key = tuple[str, str, str, str]
"""Campaign, variant, channel, and the day (UTC) on which it was posted."""


@dataclass
class Deeds:
    """What people did with one variant in one channel. A link is followed by nobody known."""

    clicks: int = 0
    doubtful: int = 0
    """Requests of links that got no answer: each may have been counted, or not."""
    clickers: set[int] = field(default_factory=set)
    starts: int = 0
    conversions: int = 0
    converters: set[int] = field(default_factory=set)
    revenue: Decimal = Decimal(0)

    def row(self) -> dict[str, object]:
        """Return the columns that a table must show for it."""
        return {
            "clicks": self.clicks,
            "unique_clickers": len(self.clickers),
            "starts": self.starts,
            "conversions": self.conversions,
            "converters": len(self.converters),
            "revenue": self.revenue,
        }


@dataclass
class Tally:
    """All deeds, by what they were done with."""

    deeds: dict[Key, Deeds] = field(default_factory=dict)

    def of(self, key: Key) -> Deeds:
        """Return the deeds with `key`, to add to."""
        return self.deeds.setdefault(key, Deeds())

    def differences(
        self, table: Mapping[Key, Mapping[str, object]], posted: Counter[Key]
    ) -> list[str]:
        """Return a line for each number of `table` that is not what happened."""
        return [
            f"{' / '.join(key)}: {column} is {shown}, but {happened} happened"
            for key in sorted({*table, *self.deeds, *posted})
            for column, happened in self._expected(key, posted).items()
            if not self._fits(key, column, happened, shown := table.get(key, {}).get(column, 0))
        ]

    def _fits(self, key: Key, column: str, happened: object, shown: object) -> bool:
        doubtful = self.deeds[key].doubtful if key in self.deeds else 0
        if column == "clicks" and doubtful:
            return 0 <= int(str(shown)) - int(str(happened)) <= doubtful
        return shown == happened

    def _expected(self, key: Key, posted: Counter[Key]) -> dict[str, object]:
        return {"sent": posted[key], **self.deeds.get(key, Deeds()).row()}

    def summary(self) -> str:
        """Return the totals in words."""
        return (
            f"{self._sum('clicks')} taps, {self._sum('starts')} starts,"
            f" {self._sum('conversions')} payments"
        )

    def _sum(self, column: str) -> int:
        rows: Iterable[dict[str, object]] = (deeds.row() for deeds in self.deeds.values())
        return sum(int(str(row[column])) for row in rows)
