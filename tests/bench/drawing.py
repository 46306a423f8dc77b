"""Bars and curves as SVG, on a log scale, to be read on light and on dark pages alike."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

_STYLE = """<style>
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.page { fill: #ffffff } .grid { stroke: #d1d9e0 } .head { font-weight: 600; font-size: 14px }
.faint { fill: #59636e } .end { text-anchor: end } .middle { text-anchor: middle }
.c0 { fill: #1f6feb } .c1 { fill: #bc4c00 } .c2 { fill: #8c959f } .c3 { fill: #1a7f37 }
.c4 { fill: #8250df } .l4 { stroke: #8250df }
.l0 { stroke: #1f6feb } .l1 { stroke: #bc4c00 } .l2 { stroke: #8c959f } .l3 { stroke: #1a7f37 }
.line { fill: none; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc } .page { fill: #0d1117 } .grid { stroke: #3d444d } .faint { fill: #9198a1 }
  .c0 { fill: #4493f8 } .c1 { fill: #f0883e } .c3 { fill: #3fb950 }
  .l0 { stroke: #4493f8 } .l1 { stroke: #f0883e } .l3 { stroke: #3fb950 }
  .c4 { fill: #ab7df8 } .l4 { stroke: #ab7df8 }
}
</style>"""
_COLOURS = 5
_MARGIN = 16

_NAMES_WIDTH, _BARS_WIDTH, _VALUES_WIDTH = 400, 360, 110
_BAR, _GAP, _HEAD, _LINE = 9, 9, 34, 18

_PLOT_WIDTH, _PLOT_HEIGHT, _LEFT, _LETTER = 480, 240, 64, 7


@dataclass(frozen=True)
class Bars:
    """One figure: a bar for each of its values, None where there is none."""

    name: str
    values: tuple[float | None, ...]


@dataclass(frozen=True)
class Group:
    """Figures of one unit, which share a scale."""

    title: str
    figures: tuple[Bars, ...]


@dataclass(frozen=True)
class Curve:
    """Points (x, y), each greater than 0."""

    name: str
    points: tuple[tuple[float, float], ...]


def number(value: float) -> str:
    """Return a value as short as it can be told: 1.2k, 340, 0.05."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def decades(values: Iterable[float]) -> tuple[int, int]:
    """Return the powers of ten between which all values above 0 lie; at least one apart."""
    above = [value for value in values if value > 0] or [1.0]
    low = math.floor(math.log10(min(above)))
    return low, max(low + 1, math.ceil(math.log10(max(above))))


def share(value: float, low: int, high: int) -> float:
    """Return where a value lies between 10^low and 10^high, from 0 to 1; 0 lies at 0."""
    return max(0.0, (math.log10(value) - low) / (high - low)) if value > 0 else 0.0


def bars(title: str, words: Sequence[str], groups: Sequence[Group]) -> str:
    """Draw each figure as horizontal bars, one for each of `words`."""
    parts = [_text(_MARGIN, 24, title, "head"), *_key(words, _MARGIN, 44)]
    top = 58
    for group in groups:
        drawn, top = _group(group, top)
        parts += drawn
    width = 2 * _MARGIN + _NAMES_WIDTH + _BARS_WIDTH + _VALUES_WIDTH
    return _page(width, top + _MARGIN, title, parts)


def _group(group: Group, top: int) -> tuple[list[str], int]:
    low, high = decades(v for figure in group.figures for v in figure.values if v is not None)
    left = _MARGIN + _NAMES_WIDTH
    parts = [_text(_MARGIN, top + 22, group.title, "head")]
    first, top = top + _HEAD, top + _HEAD
    for figure in group.figures:
        given = [(place, value) for place, value in enumerate(figure.values) if value is not None]
        height = len(given) * (_BAR + 2)
        parts.append(_text(left - 8, top + height / 2 + 4, figure.name, "end"))
        for row, (place, value) in enumerate(given):
            y, length = top + row * (_BAR + 2), _BARS_WIDTH * share(value, low, high)
            parts.append(_box(left, y, max(length, 1), _BAR, f"c{place % _COLOURS}"))
            parts.append(_text(left + length + 5, y + _BAR, number(value), "faint"))
        top += height + _GAP
    grid = []
    for power in range(low, high + 1):
        x = left + _BARS_WIDTH * (power - low) / (high - low)
        grid.append(_line(x, first - 4, x, top - 4))
        grid.append(_text(x, top + 8, number(10.0**power), "faint middle"))
    return [*grid, *parts], top + _LINE


def curves(title: str, across: str, up: str, found: Sequence[Curve]) -> str:
    """Draw the curves over both axes in powers of ten."""
    points = [point for curve in found for point in curve.points]
    low_x, high_x = decades(x for x, _ in points)
    low_y, high_y = decades(y for _, y in points)
    top, bottom = 44, 44 + _PLOT_HEIGHT

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            _LEFT + _PLOT_WIDTH * share(x, low_x, high_x),
            bottom - _PLOT_HEIGHT * share(y, low_y, high_y),
        )

    parts = [_text(_MARGIN, 24, title, "head"), _text(_LEFT, bottom + 38, across, "faint")]
    parts.append(_text(_LEFT, top - 6, up, "faint"))
    for power in range(low_x, high_x + 1):
        x, _ = place(10.0**power, 1)
        parts.append(_line(x, top, x, bottom))
        parts.append(_text(x, bottom + 18, number(10.0**power), "faint middle"))
    for power in range(low_y, high_y + 1):
        _, y = place(1, 10.0**power)
        parts.append(_line(_LEFT, y, _LEFT + _PLOT_WIDTH, y))
        parts.append(_text(_LEFT - 6, y + 4, number(10.0**power), "faint end"))
    for colour, curve in enumerate(found):
        parts += _curve([place(x, y) for x, y in curve.points], colour % _COLOURS)
        parts += _key([curve.name], _LEFT + _PLOT_WIDTH + 16, top + 12 + 20 * colour, colour)
    legend = 47 + _LETTER * max((len(curve.name) for curve in found), default=0)
    return _page(_LEFT + _PLOT_WIDTH + legend, bottom + 38 + _MARGIN, title, parts)


def _curve(places: Sequence[tuple[float, float]], colour: int) -> list[str]:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = [f'<circle class="c{colour}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in places]
    return [f'<polyline class="line l{colour}" points="{path}"/>', *dots]


def _key(words: Sequence[str], x: float, y: float, first: int = 0) -> list[str]:
    parts = []
    for place, word in enumerate(words, first):
        parts += [_box(x, y - 9, 10, 10, f"c{place % _COLOURS}"), _text(x + 15, y, word, "")]
        x += 31 + _LETTER * len(word)
    return parts


def _page(width: float, height: float, title: str, parts: Sequence[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}"'
        f' viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(title)}">'
    )
    return "\n".join([head, _STYLE, _box(0, 0, width, height, "page"), *parts, "</svg>"]) + "\n"


def _box(x: float, y: float, width: float, height: float, kind: str) -> str:
    return (
        f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"/>'
    )


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="grid" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, words: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(words)}</text>'
