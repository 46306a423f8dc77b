from xml.etree import ElementTree

import pytest

from bench import pictures
from bench.drawing import Bars, Curve, Group, bars, curves, decades, number, share
from bench.report import Part, Report
from bench.rows import row

SVG = "{http://www.w3.org/2000/svg}"


def parsed(drawn: str) -> ElementTree.Element:
    return ElementTree.fromstring(drawn)  # noqa: S314  drawn by ourselves


def test_powers_of_ten_enclose_all_values() -> None:
    assert decades([3, 250]) == (0, 3)
    assert decades([100]) == (2, 3)
    assert decades([0, 0.02]) == (-2, -1)
    assert decades([0]) == (0, 1)


def test_a_value_lies_by_its_power_and_nothing_lies_at_the_beginning() -> None:
    assert share(100, 0, 4) == 0.5
    assert share(0, 0, 4) == 0
    assert share(0.1, 0, 4) == 0


@pytest.mark.parametrize(
    ("value", "told"),
    [(0.05, "0.05"), (340.2, "340"), (1_240, "1.24k"), (2e6, "2M"), (0, "0"), (3e9, "3G")],
)
def test_a_number_is_told_shortly(value: float, told: str) -> None:
    assert number(value) == told


def test_each_value_has_a_bar_and_what_is_missing_has_none() -> None:
    drawn = bars("A title", ("ours", "peer"), [Group("ms", (Bars("p99 < 10", (10.0, None)),))])

    page = parsed(drawn)
    kinds = [box.get("class") for box in page.iter(f"{SVG}rect")]

    assert kinds == ["page", "c0", "c1", "c0"]  # the page, the key, and the one bar
    assert "p99 < 10" in [text.text for text in page.iter(f"{SVG}text")]


def test_ten_times_as_much_is_one_step_longer() -> None:
    group = Group("ms", (Bars("a", (1.0,)), Bars("b", (10.0,)), Bars("c", (100.0,))))

    page = parsed(bars("A title", ("ours",), [group]))
    widths = [float(box.get("width", 0)) for box in page.iter(f"{SVG}rect")][2:]

    assert widths == pytest.approx([1, 180, 360], abs=1)


def test_a_curve_rises_to_the_right() -> None:
    page = parsed(curves("A title", "n", "ms", [Curve("x", ((10, 1), (1000, 100)))]))
    [line] = page.iter(f"{SVG}polyline")
    (x1, y1), (x2, y2) = (map(float, at.split(",")) for at in line.get("points", "").split())

    assert x2 > x1
    assert y2 < y1  # down is more in SVG


def test_it_is_drawn_for_light_and_for_dark() -> None:
    assert "prefers-color-scheme: dark" in curves("A title", "n", "", [Curve("x", ((1, 1),))])


def test_the_picture_of_a_report_has_what_can_be_compared() -> None:
    rows = (
        row("burst", [4.0], "s", peer=[2.0]),
        row("memory", [90.0], "MB", floor=[30.0]),
        row("lost", [], "s", peer=[2.0]),
        row("cost", [9.0], "us", floor=[1.0], times_floor=2),
    )

    drawn = pictures.bench(Report("", {}, (Part("scheduler", rows),)))

    assert "burst" in drawn
    assert "cost" in drawn  # an aim that was missed is drawn like any other
    assert "memory" not in drawn
    assert "lost" not in drawn
