"""A count and the bounds that it must keep."""

from dataclasses import dataclass

from bench.rows import Row


@dataclass(frozen=True)
class Count:
    """So many `unit` for each unit of work; without `least` the count is exact, `most`."""

    name: str
    value: float
    unit: str
    most: float
    least: float | None = None

    @property
    def kept(self) -> bool:
        """Whether it lies within its bounds."""
        least = self.most if self.least is None else self.least
        return least <= self.value <= self.most

    def row(self) -> Row:
        """Return it as a figure of the bench."""
        sign = "=" if self.least is None else "<="
        aim = f"{sign} {self.most:g} {self.unit}"
        return Row(self.name, self.value, self.unit, None, None, None, aim, self.kept)
