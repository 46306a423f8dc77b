"""What people did, counted from packed acts: the same as sets of people say."""

import tracemalloc
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from struct import pack
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.domain.acts import Acts, Minutes, Packed
from analytics.domain.chart import scale
from analytics.domain.figures import Figures
from analytics.domain.filters import Span
from analytics.domain.packing import (
    CONVERSION,
    NOBODY,
    ROBOT,
    START,
    TAP,
    Act,
    key_of,
    micros,
    stretches_of,
)
from analytics.domain.people import alike
from analytics.domain.tally import Keys, Posts, Revenue, Tally

NOON = datetime(2026, 3, 29, 12, tzinfo=UTC)
MONTH = Span(NOON - timedelta(days=15), NOON + timedelta(days=15))
BY_VARIANT = ("campaign", "variant")
CELLS = [("tea", "a", "@one"), ("tea", "b", "@one"), ("rum", "a", "@two"), ("rum", None, "@two")]
"""What the deliveries are of, each delivery being named by its place; others are unknown."""


class Done(NamedTuple):
    delivery: int
    user_id: int | None
    what: int
    at: datetime = NOON


def tally(
    *parts: Iterable[Done], cells: int = len(CELLS), by: Keys = BY_VARIANT, most: int = 100
) -> Tally:
    posts = [Posts(*cell, key_of(str(place))) for place, cell in enumerate(CELLS[:cells])]
    counted = Tally(posts, by=[by], chosen=cells < len(CELLS), most=most)
    return counted_all(counted, *(read(done) for done in parts))


def counted_all(counted: Tally, *parts: Acts) -> Tally:
    while not counted.whole:
        for acts in parts:
            counted.add(acts)
        counted.settle()
    return counted


def read(done: Iterable[Done]) -> Acts:
    return Acts.read(packed(done), MONTH)


def packed(done: Iterable[Done]) -> list[Packed]:
    said = list(done)
    acts = [
        Act(place, str(one.delivery), one.user_id, one.at, one.what)
        for place, one in enumerate(said)
        if one.what != CONVERSION
    ]
    turned = [one for one in said if one.what == CONVERSION]
    return [
        *(Packed(row.deliveries, row.people, row.moments, row.kinds) for row in stretches_of(acts)),
        Packed(
            b"".join(key_of(str(one.delivery)) for one in turned),
            b"".join(pack(">q", one.user_id or NOBODY) for one in turned),
            b"".join(pack(">q", micros(one.at)) for one in turned),
        ),
    ]


def by_sets(done: list[Done], keys: Callable[[int], object]) -> dict[object, tuple[int, ...]]:
    """Return clicks, robots, people, starts, starters, buyers, conversions, converted by key."""
    groups: dict[object, list[Done]] = defaultdict(list)
    for one in done:
        if one.delivery < len(CELLS) and CELLS[one.delivery][1] and _within(one):
            groups[keys(one.delivery)].append(one)
    found = {}
    for key, mine in groups.items():
        count = {what: sum(one.what == what for one in mine) for what in range(4)}
        who = {w: {o.user_id for o in mine if o.what == w} - {None} for w in range(4)}
        started, turned = who[TAP] & who[START], who[TAP] & who[CONVERSION]
        people = (len(who[TAP]), count[START], len(started), len(started & turned))
        found[key] = (count[TAP], count[ROBOT], *people, count[CONVERSION], len(turned))
    return found


def _within(one: Done) -> bool:
    return MONTH.start <= one.at < MONTH.end


def counts(figures: Figures) -> tuple[int, ...]:
    people = (figures.people, figures.starts, figures.starters, figures.buyers)
    return (figures.clicks, figures.robots, *people, figures.conversions, figures.converted)


PEOPLE = st.one_of(
    st.none(), st.integers(1, 5), st.sampled_from([-7, 2**63 - 1, -(2**63) + 1, 7_000_000_001])
)
MOMENTS = st.sampled_from([NOON, MONTH.start, MONTH.end, MONTH.end - timedelta(microseconds=1)])
HISTORIES = st.lists(st.builds(Done, st.integers(0, 5), PEOPLE, st.integers(0, 3), MOMENTS))


@given(HISTORIES, st.integers(1, 30), st.sampled_from([1, 3, 100]))
@settings(deadline=None)
def test_people_are_counted_as_sets_of_them_are(done: list[Done], size: int, most: int) -> None:
    parts = [done[start : start + size] for start in range(0, len(done), size)]

    groups, total = tally(*parts, most=most).figures(BY_VARIANT)

    assert {(one.campaign, one.variant): counts(one) for one in groups} == by_sets(
        done, lambda place: CELLS[place][:2]
    )
    assert counts(total) == by_sets(done, lambda _: "all").get("all", (0,) * 8)


@given(HISTORIES)
@settings(deadline=None)
def test_who_acts_under_two_variants_is_one_person_of_the_campaign(done: list[Done]) -> None:
    groups, _ = tally(done, by=("campaign",)).figures(("campaign",))

    assert {one.campaign: counts(one) for one in groups} == by_sets(done, lambda p: CELLS[p][0])


def test_a_variant_that_was_posted_or_earned_is_there_though_nobody_tapped() -> None:
    posts = [
        Posts("tea", "a", "@one", key_of("0"), sent=2, audience=10),
        Posts("tea", "a", "@two", key_of("1"), sent=1),
        Posts("tea", "b", "@one", key_of("2")),
        Posts("tea", "c", "@one", key_of("3")),
    ]
    earned = [
        Revenue("tea", "b", "@one", "EUR", Decimal("0.10")),
        Revenue("tea", "b", "@one", "EUR", Decimal("-0.10")),
    ]

    counted = counted_all(Tally(posts, earned, by=[BY_VARIANT], chosen=False), read([]))
    groups, total = counted.figures(BY_VARIANT)

    assert groups == [
        Figures("tea", "a", sent=3, audience=10),
        Figures("tea", "b", revenue={"EUR": Decimal("0.00")}),
    ]
    assert total == Figures(sent=3, audience=10, revenue={"EUR": Decimal("0.00")})


def test_a_trend_without_a_choice_has_the_taps_of_unknown_posts_too() -> None:
    done = [Done(0, 1, TAP), Done(3, 1, TAP), Done(5, 1, TAP), Done(0, 1, ROBOT)]
    axis = scale(NOON, MONTH, NOON + timedelta(hours=1), ZoneInfo("UTC"))

    whole, chosen = tally(done).trend(axis), tally(done, cells=1).trend(axis)

    assert [sum(n for _, n in found["Taps"]) for found in (whole, chosen)] == [3, 1]


def test_the_first_act_is_the_earliest_tap_or_post_within_the_period() -> None:
    early, late = NOON - timedelta(days=20), NOON - timedelta(days=2)
    posts = [Posts("tea", "a", "@one", key_of("0"), first=NOON)]
    done = read([Done(0, 1, TAP, early), Done(5, 1, ROBOT, late), Done(0, 1, START, MONTH.start)])

    assert counted_all(Tally(posts, by=[], chosen=True), done).first == late
    assert counted_all(Tally(posts, by=[], chosen=True), read([])).first == NOON
    assert counted_all(Tally([], by=[], chosen=False)).first is None


@pytest.mark.parametrize(
    ("zone", "hour"), [("UTC", (7, 12)), ("Asia/Kathmandu", (7, 17)), ("America/New_York", (7, 8))]
)
def test_hours_are_those_of_the_zone(zone: str, hour: tuple[int, int]) -> None:
    taps = [Done(0, 1, TAP, NOON + timedelta(minutes=14)), Done(0, 2, TAP), Done(0, 2, ROBOT)]

    assert tally(taps).hours(ZoneInfo(zone)) == [(*hour, 2)]


def test_hours_of_the_day_when_clocks_change_are_told_by_the_clock() -> None:
    before = datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC)
    taps = [Done(0, 1, TAP, before), Done(0, 1, TAP, before + timedelta(seconds=1))]

    assert tally(taps).hours(ZoneInfo("Europe/Berlin")) == [(7, 1, 1), (7, 3, 1)]


def test_who_came_in_one_part_is_known_in_the_next() -> None:
    taps = [Done(0, 1, TAP), Done(0, 2, TAP), Done(0, 1, CONVERSION)]
    traced = [Done(0, 2, CONVERSION), Done(5, 1, CONVERSION)]

    counted = tally(traced, taps, cells=1)

    assert counts(counted.figures(BY_VARIANT)[1]) == (2, 0, 2, 0, 0, 0, 2, 2)


def test_where_there_is_no_room_for_everybody_acts_are_asked_for_again() -> None:
    done = [Done(who % 4, who % 300 + 1, TAP) for who in range(1_000)]
    asked = 0
    posts = [Posts(*cell, key_of(str(place))) for place, cell in enumerate(CELLS)]
    counted = Tally(posts, by=[BY_VARIANT], chosen=False, most=300)
    while not counted.whole:
        counted.add(read(done))
        counted.settle()
        asked += 1

    groups, total = counted.figures(BY_VARIANT)

    assert 3 <= asked < 9
    assert counts(total) == by_sets(done, lambda _: "all")["all"]
    assert {(one.campaign, one.variant): counts(one) for one in groups} == by_sets(
        done, lambda place: CELLS[place][:2]
    )


@pytest.mark.parametrize("step", [1, 2**32, 3**30])
def test_the_same_place_stands_for_equal_numbers_and_for_no_others(step: int) -> None:
    numbers = np.random.default_rng(1).integers(-5_000, 5_000, 20_000) * step

    found = alike(numbers)

    assert (numbers[found] == numbers).all()
    assert len(set(found.tolist())) == len(set(numbers.tolist()))


def test_four_times_as_many_acts_take_no_more_memory() -> None:
    few, many = (_peak(parts) for parts in (5, 20))

    assert many < 1.2 * few


def _peak(parts: int) -> int:
    """Return the most bytes that were held while so many parts of 10,000 acts were counted."""
    counted = Tally([Posts(*CELLS[0], key_of("0"))], by=[BY_VARIANT], chosen=False, most=20_000)
    delivery = np.frombuffer(key_of("0"), ">i8").astype(np.int64)
    tracemalloc.start()
    try:
        while not counted.whole:
            for part in range(parts):
                people = np.arange(part * 10_000, (part + 1) * 10_000)
                moments = np.full(people.size, micros(NOON)) + people
                kinds = np.full(people.size, TAP, np.uint8)
                counted.add(Acts(delivery.repeat(people.size), people, moments, kinds))
            counted.settle()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@given(st.lists(st.lists(st.integers(-5, 5) | st.integers(-(2**40), 2**40))))
def test_minutes_are_counted_however_far_apart_they_are(parts: list[list[int]]) -> None:
    minutes = Minutes()
    for part in parts:
        minutes.add(np.array(part, np.int64) * 1_000_000)

    found = dict(zip(*(some.tolist() for some in minutes.all()), strict=True))

    assert found == Counter(second // 60 for part in parts for second in part)
