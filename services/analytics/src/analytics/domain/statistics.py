"""What the figures of two variants say about each other: which is better, and with what certainty.

A variant is `part` people who converted of `whole` who tapped. Robots and repeated taps never get
here: only people, each once, are independent of each other, which every formula below needs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from math import ceil, erfc, exp, lgamma, log, sqrt
from statistics import NormalDist

_EXACT = 1_000
"""Terms up to which the chance is summed exactly; beyond, the normal distribution is as good."""

POWER, ALPHA = 0.8, 0.05
"""A sample is enough where a difference as seen is found in 80 % of trials, at the 5 % level."""

_MOST_PEOPLE = 10_000_000
"""A difference that takes more people than any channel has is none that anybody could tell."""


@dataclass(frozen=True)
class Sample:
    """`part` of `whole` people did it."""

    part: int
    whole: int

    def __post_init__(self) -> None:
        if not 0 <= self.part <= self.whole:
            raise ValueError(f"{self.part} of {self.whole} people is not possible")


@dataclass(frozen=True)
class Comparison:
    """Two variants. `chance` that `one` is truly better than `other`, between 0 and 1.

    `needed` is how many people each needs for the seen difference to be told from luck, `lacking`
    how many more the smaller of the two; None where there is no difference to tell.
    """

    one: str
    other: str
    chance: float
    needed: int | None
    lacking: int | None


def compare(samples: Mapping[str, Sample]) -> list[Comparison]:
    """Compare every two variants, in their order."""
    found = []
    for (one, a), (other, b) in combinations(samples.items(), 2):
        needed = sample_needed(a, b)
        lacking = None if needed is None else max(0, needed - min(a.whole, b.whole))
        found.append(Comparison(one, other, chance_better(a, b), needed, lacking))
    return found


def chance_better(a: Sample, b: Sample) -> float:
    """Return the chance that the true rate of `a` is above that of `b`, given what was seen.

    Bayesian, from a uniform prior: a rate that was seen as k of n is distributed as
    Beta(k + 1, n - k + 1). For P(A > B) of two such there is an exact sum (Evan Miller, "Formulas
    for Bayesian A/B Testing", 2015), which by symmetry may run over any one of the four counts:
    the smallest. With more terms than 1,000 the difference of the two is close to normal.
    """
    hits_a, misses_a = a.part + 1, a.whole - a.part + 1
    hits_b, misses_b = b.part + 1, b.whole - b.part + 1
    least = min(hits_a, misses_a, hits_b, misses_b)
    if least > _EXACT:
        return _by_normal(hits_a, misses_a, hits_b, misses_b)
    if least == hits_a:
        chance = _sum(hits_a, misses_a, hits_b, misses_b)
    elif least == misses_b:  # A > B is 1 - B > 1 - A, the rates of those who did not
        chance = _sum(misses_b, hits_b, misses_a, hits_a)
    elif least == hits_b:
        chance = 1 - _sum(hits_b, misses_b, hits_a, misses_a)
    else:
        chance = 1 - _sum(misses_a, hits_a, misses_b, hits_b)
    return min(1.0, max(0.0, chance))


def sample_needed(a: Sample, b: Sample) -> int | None:
    """Return how many people each variant needs for the seen difference; None if there is none.

    Nor where it is so small that ten million people would not do.

    The test of two proportions (Fleiss, Levin and Paik, "Statistical Methods for Rates and
    Proportions", 2003, chapter 4, without the correction for continuity; R's power.prop.test).
    """
    if not (a.whole and b.whole) or a.part * b.whole == b.part * a.whole:
        return None
    p, q = a.part / a.whole, b.part / b.whole
    mean = (p + q) / 2
    surely, likely = NormalDist().inv_cdf(1 - ALPHA / 2), NormalDist().inv_cdf(POWER)
    spread = surely * sqrt(2 * mean * (1 - mean)) + likely * sqrt(p * (1 - p) + q * (1 - q))
    needed = ceil((spread / (p - q)) ** 2)
    return needed if needed <= _MOST_PEOPLE else None


def _sum(hits: int, misses: int, other_hits: int, other_misses: int) -> float:
    """Return P(X > Y) of X ~ Beta(hits, misses) and Y ~ Beta(other_hits, other_misses)."""
    return sum(
        exp(
            _log_beta(other_hits + n, misses + other_misses)
            - log(misses + n)
            - _log_beta(1 + n, misses)
            - _log_beta(other_hits, other_misses)
        )
        for n in range(hits)
    )


def _log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)


def _by_normal(hits_a: int, misses_a: int, hits_b: int, misses_b: int) -> float:
    (mean_a, variance_a), (mean_b, variance_b) = (
        _moments(hits_a, misses_a),
        _moments(hits_b, misses_b),
    )
    distance = (mean_a - mean_b) / sqrt(variance_a + variance_b)
    return 0.5 * erfc(-distance / sqrt(2))


def _moments(hits: int, misses: int) -> tuple[float, float]:
    whole = hits + misses
    return hits / whole, hits * misses / (whole * whole * (whole + 1))
