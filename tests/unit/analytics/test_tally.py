"""What people did, counted from packed acts: the same as sets of people say."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from struct import pack
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
from analytics.domain.tally import Acts, Packed, Posts, Revenue, Tally

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


def tally(done: Iterable[Done], *, cells: int = len(CELLS)) -> Tally:
    posts = [Posts(*cell, key_of(str(place))) for place, cell in enumerate(CELLS[:cells])]
    return Tally(posts, read(done), chosen=cells < len(CELLS))


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


@given(HISTORIES)
@settings(deadline=None)
def test_people_are_counted_as_sets_of_them_are(done: list[Done]) -> None:
    groups, total = tally(done).figures(BY_VARIANT)

    assert {(one.campaign, one.variant): counts(one) for one in groups} == by_sets(
        done, lambda place: CELLS[place][:2]
    )
    assert counts(total) == by_sets(done, lambda _: "all").get("all", (0,) * 8)


@given(HISTORIES)
@settings(deadline=None)
def test_who_acts_under_two_variants_is_one_person_of_the_campaign(done: list[Done]) -> None:
    groups, _ = tally(done).figures(("campaign",))

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

    counted = Tally(posts, read([]), chosen=False)
    counted.credit(read([]), earned)
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

    assert Tally(posts, done, chosen=True).first == late
    assert Tally(posts, read([]), chosen=True).first == NOON
    assert Tally([], read([]), chosen=False).first is None


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


def test_what_was_traced_counts_beside_what_has_its_delivery() -> None:
    taps, turned = (
        [Done(0, 1, TAP), Done(0, 2, TAP), Done(0, 1, CONVERSION)],
        Done(0, 2, CONVERSION),
    )

    counted = tally(taps, cells=1)
    counted.credit(read([turned, Done(5, 1, CONVERSION)]), [])

    assert counts(counted.figures(BY_VARIANT)[1]) == (2, 0, 2, 0, 0, 0, 2, 2)
