"""What a growth found: figures over a size, and by which power of the size each of them grows."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.drawing import Curve, curves, number

_FLAT, _LINEAR = 0.25, (0.75, 1.25)


@dataclass(frozen=True)
class Figure:
    """One figure and its unit; points of (size, value)."""

    name: str
    unit: str
    points: tuple[tuple[float, float], ...]

    def last(self) -> float:
        """Return the value at the largest size."""
        return self.points[-1][1]

    def slope(self) -> float:
        """Return what each further unit of size adds, from the smallest size to the largest."""
        (low, first), (high, last) = self.points[0], self.points[-1]
        return (last - first) / (high - low) if high > low else 0.0


@dataclass(frozen=True)
class Growth:
    """Figures over one size, and what must be known to read them."""

    name: str
    title: str
    across: str
    note: str
    figures: tuple[Figure, ...]
    seconds: float = field(default=0.0, compare=False)

    def figure(self, name: str) -> Figure:
        """Return the figure of that name."""
        return next(figure for figure in self.figures if figure.name == name)


def exponent(points: Sequence[tuple[float, float]]) -> float | None:
    """Return the power of the size by which a figure grew over the last step, None for no step."""
    if len(points) < 2 or min(points[-1] + points[-2]) <= 0:
        return None
    (low, before), (high, after) = points[-2], points[-1]
    return math.log(after / before) / math.log(high / low)


def words(power: float | None) -> str:
    """Tell a power in words."""
    if power is None:
        return ""
    if abs(power) < _FLAT:
        return "flat"
    if _LINEAR[0] <= power <= _LINEAR[1]:
        return "linear"
    return f"size^{power:.1f}"


def table(growth: Growth) -> str:
    """Return the figures as a table in Markdown, a row each."""
    sizes = sorted({size for figure in growth.figures for size, _ in figure.points})
    head = [growth.across, *(f"{size:,.0f}" for size in sizes), "grows"]
    lines = [_line(head), _line(["---", *("---:" for _ in sizes), "---"])]
    for figure in growth.figures:
        found = dict(figure.points)
        cells = [number(found[size]) if size in found else "" for size in sizes]
        name = f"{figure.name}, {figure.unit}" if figure.unit else figure.name
        lines.append(_line([name, *cells, words(exponent(figure.points))]))
    return "\n".join(lines)


def picture(growth: Growth) -> str:
    """Draw the figures as curves."""
    found = [
        Curve(
            f"{figure.name}, {figure.unit}", tuple(point for point in figure.points if point[1] > 0)
        )
        for figure in growth.figures
    ]
    return curves(growth.title, growth.across, "", [curve for curve in found if curve.points])


def save(growth: Growth, file: Path) -> None:
    """Write one growth as JSON."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(asdict(growth), indent=2) + "\n")


def load(file: Path) -> Growth:
    """Read one growth."""
    said: dict[str, Any] = json.loads(file.read_text())
    figures = [
        Figure(one["name"], one["unit"], tuple((x, y) for x, y in one["points"]))
        for one in said["figures"]
    ]
    return Growth(**{**said, "figures": tuple(figures)})


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
