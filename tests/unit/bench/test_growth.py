from dataclasses import replace
from pathlib import Path

import pytest

from bench.growth import page
from bench.growth.curves import Figure, Growth, exponent, load, save, table, words
from bench.growth.limits import Measured, first, limits

PLENTY = Measured(acknowledged=1e6, folded=1e6, emitted=1e6, subject=0.001, id=0.0001)


def growth(name: str, *figures: Figure) -> Growth:
    return Growth(name, name.title(), "size", "A note.", figures)


def test_a_power_is_told_by_the_last_step() -> None:
    assert exponent([(10, 5), (100, 7), (1_000, 70)]) == pytest.approx(1)
    assert exponent([(10, 5)]) is None
    assert exponent([(10, 0), (100, 5)]) is None


@pytest.mark.parametrize(
    ("power", "told"),
    [(0.1, "flat"), (-0.2, "flat"), (0.95, "linear"), (2.0, "size^2.0"), (0.5, "size^0.5")],
)
def test_a_power_has_words(power: float, told: str) -> None:
    assert words(power) == told


def test_a_slope_is_what_each_further_one_adds() -> None:
    assert Figure("memory", "kB", ((10, 100), (110, 125))).slope() == 0.25
    assert Figure("memory", "kB", ((10, 100),)).slope() == 0


def test_the_table_has_a_row_each_and_leaves_out_what_was_not_measured() -> None:
    rate, late = Figure("rate", "taps/s", ((1, 900), (2, 1_800))), Figure("late", "ms", ((2, 7),))

    assert table(growth("replicas", rate, late)).splitlines() == [
        "| size | 1 | 2 | grows |",
        "| --- | ---: | ---: | --- |",
        "| rate, taps/s | 900 | 1.8k | linear |",
        "| late, ms |  | 7 |  |",
    ]


def test_a_growth_is_read_as_it_was_written(tmp_path: Path) -> None:
    found = growth("taps", Figure("folded", "events/s", ((1.0, 2.0), (10.0, 3.0))))

    save(found, tmp_path / "taps.json")

    assert load(tmp_path / "taps.json") == found


def test_the_limit_with_the_least_headroom_comes_first() -> None:
    found = limits(replace(PLENTY, acknowledged=5_000))

    assert found[0].name == "acknowledged publishes of the log"
    assert found[0].headroom == pytest.approx(0.5, rel=0.01)
    assert "What breaks first: acknowledged publishes of the log, 0.5 times" in first(found)


def test_where_everything_fits_nothing_is_said_to_break() -> None:
    assert first(limits(PLENTY)).startswith("**Nothing breaks at this size")


def test_memory_is_that_of_a_months_deliveries_and_of_an_hours_ids() -> None:
    found = {one.name: one for one in limits(replace(PLENTY, subject=0.25, id=0.35))}

    subjects = found["the broker's memory by subjects"]
    assert subjects.has == pytest.approx(64 * 1024**2 / (100_000 * 6 * 3 * 0.25))
    ids = found["the broker's memory by ids, at an hour of peak"]
    assert ids.wants == pytest.approx(10_000 * 3_600 * 0.35 / 1024**2)


def test_the_page_is_written_without_limits_where_a_growth_is_missing(tmp_path: Path) -> None:
    found = [growth("taps", Figure("folded", "events/s", ((1, 2), (10, 3))))]

    page.write(
        tmp_path,
        found,
        size="small",
        machine="a machine",
        date="today",
        commit="abc",
        versions="python 3.11",
        busy="",
    )

    told = (tmp_path / "GROWTH.md").read_text()
    assert "a machine. today, commit abc.\n" in told
    assert "![Taps](growth-taps.svg)" in told
    assert "gives way first" not in told
    assert (tmp_path / "growth-taps.svg").read_text().startswith("<svg")
