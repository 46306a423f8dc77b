"""The numbers that compare two variants, against published values and a simulation."""

import random

import pytest

from analytics.domain import statistics
from analytics.domain.statistics import Sample, chance_better, compare, sample_needed


def simulated(a: Sample, b: Sample, draws: int = 40_000) -> float:
    """Draw both rates many times from what is known of them, and count."""
    chance = random.Random(20260301)

    def rate(sample: Sample) -> float:
        return chance.betavariate(sample.part + 1, sample.whole - sample.part + 1)

    return sum(rate(a) > rate(b) for _ in range(draws)) / draws


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (Sample(3, 50), Sample(7, 60)),  # each of the four counts is the smallest once
        (Sample(7, 60), Sample(3, 50)),
        (Sample(50, 52), Sample(58, 61)),
        (Sample(58, 61), Sample(50, 52)),
        (Sample(0, 0), Sample(2, 5)),
        (Sample(120, 1_000), Sample(100, 1_000)),
        (Sample(10, 1_000_000), Sample(4, 900_000)),
        (Sample(20_000, 50_000), Sample(19_900, 50_100)),
    ],
)
def test_the_chance_to_be_better_is_what_a_simulation_finds(a: Sample, b: Sample) -> None:
    assert chance_better(a, b) == pytest.approx(simulated(a, b), abs=0.01)


def test_the_chance_has_values_known_by_hand() -> None:
    # Of seven uniform draws, all of the upper four lie above all of the lower four of eight:
    # Beta(4, 1) above Beta(1, 4) fails in 1 of C(8, 4) orders.
    assert chance_better(Sample(3, 3), Sample(0, 3)) == pytest.approx(1 - 1 / 70)
    # One draw of (0, 1) squared above one of (0, 1): Beta(2, 1) above Beta(1, 1).
    assert chance_better(Sample(1, 1), Sample(0, 0)) == pytest.approx(2 / 3)
    assert chance_better(Sample(5, 90), Sample(5, 90)) == pytest.approx(0.5)


@pytest.mark.parametrize("parts", [(1_005, 1_050), (1_200, 1_100), (99_000, 98_900)])
def test_beyond_the_exact_sum_the_normal_distribution_says_the_same(
    parts: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = (Sample(part, 100_100) for part in parts)
    by_normal = chance_better(a, b)

    monkeypatch.setattr(statistics, "_EXACT", 10**6)

    assert by_normal == pytest.approx(chance_better(a, b), abs=0.0005)
    assert by_normal != chance_better(a, b)


def test_one_is_better_or_the_other_is() -> None:
    a, b = Sample(31, 400), Sample(12, 300)

    assert chance_better(a, b) + chance_better(b, a) == pytest.approx(1)


@pytest.mark.parametrize(
    ("a", "b", "needed"),
    [
        # R: power.prop.test(p1 = .50, p2 = .75, power = .80) and (p1 = .10, p2 = .12, ...)
        (Sample(50, 100), Sample(75, 100), 58),
        (Sample(10, 100), Sample(12, 100), 3_841),
        (Sample(12, 100), Sample(10, 100), 3_841),
        (Sample(0, 10), Sample(10, 10), 2),
        (Sample(5, 50), Sample(10, 100), None),
        (Sample(0, 10), Sample(0, 20), None),
        (Sample(0, 0), Sample(3, 20), None),
        (Sample(1_000, 30_607), Sample(1_000, 30_638), None),
    ],
)
def test_the_sample_needed_is_that_of_the_test_of_two_proportions(
    a: Sample, b: Sample, needed: int | None
) -> None:
    assert sample_needed(a, b) == needed


def test_every_two_variants_are_compared_and_lack_what_the_smaller_one_lacks() -> None:
    samples = {"a": Sample(10, 100), "b": Sample(60, 500), "c": Sample(0, 0)}

    found = compare(samples)

    assert [(c.one, c.other) for c in found] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert (found[0].needed, found[0].lacking) == (3_841, 3_741)
    assert (found[1].needed, found[1].lacking) == (None, None)
    assert compare({"a": Sample(0, 1_000), "b": Sample(900, 1_000)})[0].lacking == 0


@pytest.mark.parametrize(("part", "whole"), [(3, 2), (-1, 2)])
def test_a_part_is_no_more_than_the_whole(part: int, whole: int) -> None:
    with pytest.raises(ValueError, match="is not possible"):
        Sample(part, whole)
