"""Which variant a slot shows. Variants are v0, v1, ...; a sequence `021` is v0, v2, v1."""

from collections import Counter
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.campaign import Campaign
from harness.plans import campaign
from scheduler.domain.rotation import choose

A, B = "-1001", "-1002"
IDS = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,10}", fullmatch=True)


def plan(variants: int = 3, *, name: str = "guides", **fields: Any) -> Campaign:
    return campaign(name, every=timedelta(hours=4), variants=variants, **fields)


def weighted(*weights: int) -> Campaign:
    variants = [{"id": f"v{n}", "text": "Text", "weight": w} for n, w in enumerate(weights)]
    unweighted = plan(rotation="weighted").model_dump()
    return Campaign.model_validate({**unweighted, "variants": variants})


def shown(plan: Campaign, slots: int, channel: str = A, first: int = 0) -> str:
    ordinals = range(first, first + slots)
    return "".join(choose(plan, ordinal, channel).id.removeprefix("v") for ordinal in ordinals)


def test_round_robin_takes_turns() -> None:
    assert shown(plan(3), 7) == "0120120"
    assert shown(plan(3), 4, first=-2) == "1201"


def test_weighted_spreads_the_shares() -> None:
    assert shown(weighted(5, 1, 1), 14) == "00102000010200"
    assert shown(weighted(1, 1, 1), 6) == "012012"
    assert shown(weighted(100, 50), 6) == "010010"


@given(st.lists(st.integers(1, 100), min_size=1, max_size=5), st.integers(-1000, 500_000))
def test_weighted_shares_are_exact_in_every_cycle(weights: list[int], first: int) -> None:
    total = sum(weights)

    counts = Counter(shown(weighted(*weights), total, first=first))

    assert counts == {str(n): weight for n, weight in enumerate(weights)}


# Written down from a run: what was planned yesterday must be what is planned tomorrow.
@pytest.mark.parametrize(
    ("fields", "of_a", "of_b"),
    [
        ({"rotation": "round_robin"}, "012301230123", "012301230123"),
        ({"rotation": "shuffled"}, "103230123102", "103230123102"),
        (
            {"rotation": "round_robin", "rotation_scope": "per_channel"},
            "123012301230",
            "012301230123",
        ),
        (
            {"rotation": "weighted", "rotation_scope": "per_channel"},
            "123012301230",
            "012301230123",
        ),
        (
            {"rotation": "shuffled", "rotation_scope": "per_channel"},
            "132020131320",
            "013202130132",
        ),
    ],
)
def test_every_process_shows_the_same(fields: dict[str, str], of_a: str, of_b: str) -> None:
    assert shown(plan(4, **fields), 12, A) == of_a
    assert shown(plan(4, **fields), 12, B) == of_b


@pytest.mark.parametrize("rotation", ["round_robin", "weighted", "shuffled"])
def test_channels_of_their_own_differ(rotation: str) -> None:
    own = plan(5, rotation=rotation, rotation_scope="per_channel")
    channels = [str(-1000 - number) for number in range(20)]

    assert len({shown(own, 10, channel) for channel in channels}) >= 4


@pytest.mark.parametrize("rotation", ["round_robin", "weighted", "shuffled"])
def test_shared_means_that_channels_agree(rotation: str) -> None:
    shared = plan(5, rotation=rotation)

    assert shown(shared, 50, A) == shown(shared, 50, B)


def test_a_shuffle_is_another_one_in_each_cycle_and_campaign() -> None:
    cycles = {shown(plan(5, rotation="shuffled"), 5, first=5 * cycle) for cycle in range(50)}
    campaigns = {shown(plan(5, name=f"c{n}", rotation="shuffled"), 5) for n in range(50)}

    assert len(cycles) > 20
    assert len(campaigns) > 20


@given(IDS, st.integers(1, 9), st.integers(-1000, 1_000_000), st.sampled_from([A, B]))
def test_a_shuffle_shows_each_once_a_cycle(name: str, n: int, cycle: int, channel: str) -> None:
    shuffled = plan(n, name=name, rotation="shuffled", rotation_scope="per_channel")

    assert len(set(shown(shuffled, n, channel, first=cycle * n))) == n


@given(IDS, st.integers(2, 9), st.integers(-1000, 1_000_000))
def test_a_shuffle_never_shows_the_same_twice_running(name: str, n: int, first: int) -> None:
    sequence = shown(plan(n, name=name, rotation="shuffled"), 10 * n, first=first)

    assert all(one != following for one, following in pairwise(sequence))


def test_two_shuffled_variants_alternate() -> None:
    orders = {shown(plan(2, name=f"c{n}", rotation="shuffled"), 6) for n in range(20)}

    assert orders == {"010101", "101010"}


@given(st.permutations(range(40)))
def test_the_order_of_calls_changes_nothing(ordinals: list[int]) -> None:
    shuffled = plan(3, name="calls", rotation="shuffled")
    expected = shown(shuffled, 40)

    found = {ordinal: choose(shuffled, ordinal, A).id[1:] for ordinal in ordinals}

    assert "".join(found[ordinal] for ordinal in range(40)) == expected


@pytest.mark.parametrize("scope", ["shared", "per_channel"])
@pytest.mark.parametrize("rotation", ["round_robin", "weighted", "shuffled"])
def test_a_single_variant_is_always_shown(rotation: str, scope: str) -> None:
    assert shown(plan(1, rotation=rotation, rotation_scope=scope), 4) == "0000"
