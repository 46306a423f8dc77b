"""When a cron expression fires: what it does where the clocks change, told zone by zone.

The tests of "every zone" run over all names of `available_timezones()` in the years 2025 to 2034.
Names that have the same offsets and changes of offset in these years count as one zone; offsets
are read week by week to find the changes, then to the minute. Of every change, all whole dates
within 60 hours are compared with a plain walk through their minutes. All other dates have one
offset from end to end; ten zones are compared on every date of the ten years.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import islice, pairwise, takewhile
from typing import NamedTuple
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.domain.cron import CronTimes

MINUTE, DAY, WEEK = timedelta(minutes=1), timedelta(days=1), timedelta(weeks=1)
DECADE = datetime(2025, 1, 1, tzinfo=UTC), datetime(2035, 1, 1, tzinfo=UTC)
DAILY = ["0 0", "30 0", "30 1", "30 2", "15 3", "30 23"]


def fired(expression: str, zone: str, first: str, days: int = 1, **options: bool) -> list[str]:
    """Return when it fires on the local dates from `first` on, as `29 03:00+0200`."""
    local, begin = ZoneInfo(zone), datetime.fromisoformat(first)
    until = begin + timedelta(days=days)
    times = CronTimes(expression, zone, **options)
    instants = times.after(begin.replace(tzinfo=UTC) - 2 * DAY)
    walls = (instant.astimezone(local) for instant in instants)
    near = takewhile(lambda wall: wall.date() <= until.date() + DAY, walls)
    return [f"{wall:%d %H:%M%z}" for wall in near if begin.date() <= wall.date() < until.date()]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        pytest.param("30 1 * * *", ["29 01:30+0100"], id="a time before the gap is untouched"),
        pytest.param("30 2 * * *", ["29 03:00+0200"], id="a time left out fires after the gap"),
        pytest.param("0 3 * * *", ["29 03:00+0200"], id="the first time after it is untouched"),
        pytest.param("*/20 2 * * *", ["29 03:00+0200"], id="several times left out fire as one"),
        pytest.param("30 2,3 * * *", ["29 03:00+0200", "29 03:30+0200"], id="each on its own"),
        pytest.param("0 1-4 * * *", ["29 01:00+0100", "29 03:00+0200", "29 04:00+0200"], id="list"),
    ],
)
def test_berlin_spring(expression: str, expected: list[str]) -> None:
    assert fired(expression, "Europe/Berlin", "2026-03-29") == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        pytest.param("30 1 * * *", ["25 01:30+0200"], id="before the repeated hour"),
        pytest.param("30 2 * * *", ["25 02:30+0200"], id="a repeated time fires in the first pass"),
        pytest.param("*/30 2 * * *", ["25 02:00+0200", "25 02:30+0200"], id="every such time"),
        pytest.param("0 3 * * *", ["25 03:00+0100"], id="after it"),
        pytest.param(
            "0 */2 * * *",
            [
                "25 00:00+0200",
                "25 02:00+0200",
                *(f"25 {hour:02}:00+0100" for hour in range(4, 24, 2)),
            ],
            id="a stepped hour fires once, too",
        ),
    ],
)
def test_berlin_autumn(expression: str, expected: list[str]) -> None:
    assert fired(expression, "Europe/Berlin", "2026-10-25") == expected


@pytest.mark.parametrize("hour", ["*", "*/1"])
def test_an_hour_field_of_any_follows_elapsed_time(hour: str) -> None:
    spring = fired(f"0 {hour} * * *", "Europe/Berlin", "2026-03-29")
    autumn = fired(f"*/30 {hour} * * *", "Europe/Berlin", "2026-10-25")

    assert spring[:3] == ["29 00:00+0100", "29 01:00+0100", "29 03:00+0200"]
    assert len(spring) == 23
    assert autumn[3:9] == [
        "25 01:30+0200",
        "25 02:00+0200",
        "25 02:30+0200",
        "25 02:00+0100",
        "25 02:30+0100",
        "25 03:00+0100",
    ]
    assert len(autumn) == 50


def test_asked_for_both_passes_fire() -> None:
    once = fired("30 2 * * *", "Europe/Berlin", "2026-10-24", 3)
    both = fired("30 2 * * *", "Europe/Berlin", "2026-10-24", 3, repeat_in_overlap=True)
    stepped = fired("0 */2 * * *", "Europe/Berlin", "2026-10-25", repeat_in_overlap=True)

    assert once == ["24 02:30+0200", "25 02:30+0200", "26 02:30+0100"]
    assert both == ["24 02:30+0200", "25 02:30+0200", "25 02:30+0100", "26 02:30+0100"]
    assert stepped[:4] == ["25 00:00+0200", "25 02:00+0200", "25 02:00+0100", "25 04:00+0100"]


@pytest.mark.parametrize(
    ("zone", "gap", "expected"),
    [
        ("Africa/Cairo", "2026-04-23", ["23 00:00+0200", "24 01:00+0300", "25 00:00+0300"]),
        ("America/Santiago", "2026-09-05", ["05 00:00-0400", "06 01:00-0300", "07 00:00-0300"]),
    ],
)
def test_a_midnight_left_out_fires_later_on_its_date(
    zone: str, gap: str, expected: list[str]
) -> None:
    assert fired("0 0 * * *", zone, gap, 3) == expected


@pytest.mark.parametrize("zone", ["America/Nuuk", "America/Godthab", "America/Scoresbysund"])
def test_a_gap_up_to_midnight_is_left_to_the_front(zone: str) -> None:
    walls = fired("30 23 * * *", zone, "2026-03-27", 3)

    assert [wall[:8] for wall in walls] == ["27 23:30", "28 22:59", "29 23:30"]


def test_half_an_hour_at_lord_howe() -> None:
    spring = fired("15 2 * * *", "Australia/Lord_Howe", "2026-10-04")
    autumn = fired("45 1 * * *", "Australia/Lord_Howe", "2026-04-05")
    hourly = fired("45 * * * *", "Australia/Lord_Howe", "2026-04-05")

    assert spring == ["04 02:30+1100"]
    assert autumn == ["05 01:45+1100"]
    assert hourly[:4] == ["05 00:45+1100", "05 01:45+1100", "05 01:45+1030", "05 02:45+1030"]


@pytest.mark.parametrize("expression", ["0 9 * * *", "0 0 * * *", "59 23 * * *"])
@pytest.mark.parametrize(
    ("zone", "eve", "dates"),
    [
        ("Pacific/Apia", "2011-12-29", ["29", "31"]),
        ("Pacific/Kwajalein", "1993-08-20", ["20", "22"]),
    ],
)
def test_a_date_that_a_zone_leaves_out_has_no_slot(
    expression: str, zone: str, eve: str, dates: list[str]
) -> None:
    assert [wall[:2] for wall in fired(expression, zone, eve, 3)] == dates


def test_a_repeated_hour_that_holds_a_midnight_stays_in_order() -> None:
    # At 00:01 of the 7th, Newfoundland went back to 23:01 of the 6th.
    times = CronTimes("*/15 * * * *", "America/St_Johns")
    before = datetime(2010, 11, 7, 2, 20, tzinfo=UTC)
    instants = list(islice(times.after(before), 7))
    walls = [instant.astimezone(ZoneInfo("America/St_Johns")) for instant in instants]

    assert [f"{wall:%d %H:%M}" for wall in walls] == [
        "07 00:00",
        "06 23:15",
        "06 23:30",
        "06 23:45",
        "07 00:00",
        "07 00:15",
        "07 00:30",
    ]
    for instant, following in pairwise(instants):
        assert next(times.after(instant)) == following
        assert times.latest(following, after=before, at_most=2) == [instant, following]
    assert times.latest(instants[-1], after=instants[0], at_most=9) == instants[1:]


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        pytest.param("13 * 5", ["03", "10", "13", "17", "24", "31"], id="both set: either"),
        pytest.param("*/2 * 1", ["13", "27"], id="one begins with a star: both"),
        pytest.param("13,14 * */2", ["14"], id="the other does: both"),
        pytest.param("L * *", ["31"], id="the last day"),
        pytest.param("* * MON#2", ["13"], id="the second Monday"),
        pytest.param("* * 5L", ["31"], id="the last Friday"),
        pytest.param("29 2 *", [], id="not this month"),
    ],
)
def test_day_fields_as_debian_reads_them(days: str, expected: list[str]) -> None:
    expected_walls = [f"{day} 09:00+0000" for day in expected]

    assert fired(f"0 9 {days}", "UTC", "2026-07-01", 31) == expected_walls


def test_later_means_later() -> None:
    times = CronTimes("0 9 * * *", "UTC")
    nine = datetime(2026, 7, 14, 9, tzinfo=UTC)
    in_tokyo = nine.astimezone(ZoneInfo("Asia/Tokyo"))

    assert next(times.after(nine - timedelta(microseconds=1))) == nine
    assert next(times.after(nine)) == nine + DAY
    assert next(times.after(in_tokyo)) == nine + DAY
    assert next(times.after(in_tokyo)).tzinfo is UTC


def test_latest_is_of_after_until() -> None:
    times = CronTimes("0 9 * * *", "UTC")
    nine = datetime(2026, 7, 14, 9, tzinfo=UTC)

    assert times.latest(nine, after=nine - 2 * DAY, at_most=9) == [nine - DAY, nine]
    assert times.latest(nine, after=nine - 9 * DAY, at_most=2) == [nine - DAY, nine]
    assert times.latest(nine, after=nine, at_most=9) == []
    assert times.latest(nine, after=nine - DAY, at_most=0) == []


def test_the_calendar_has_ends() -> None:
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    yearly = CronTimes("0 12 1 1 *", "Pacific/Auckland")
    leap_days = CronTimes("0 0 29 2 *", "America/New_York")
    never = CronTimes("0 0 */31 * MON#2", "UTC")

    assert list(yearly.after(last)) == []
    assert [at.year for at in yearly.latest(last, after=first, at_most=2)] == [9996, 9997]
    assert [at.year for at in leap_days.after(last - 4000 * DAY)] == [9992, 9996]
    assert list(never.after(DECADE[0])) == []
    assert never.latest(DECADE[1], after=DECADE[0], at_most=1) == []


# What holds for every expression, tried where the clocks change.

CHANGES = {
    "Europe/Berlin": datetime(2026, 10, 25, 1, tzinfo=UTC),
    "Europe/London": datetime(2026, 3, 29, 1, tzinfo=UTC),
    "Australia/Lord_Howe": datetime(2026, 4, 4, 15, tzinfo=UTC),
    "America/Nuuk": datetime(2026, 3, 29, 1, tzinfo=UTC),
    "America/St_Johns": datetime(2010, 11, 7, 2, 31, tzinfo=UTC),
    "Africa/Cairo": datetime(2026, 4, 23, 22, tzinfo=UTC),
    "Pacific/Apia": datetime(2011, 12, 30, 10, tzinfo=UTC),
    "Pacific/Kwajalein": datetime(1969, 9, 30, 13, tzinfo=UTC),
}
EXPRESSIONS = st.tuples(
    st.sampled_from(["0", "30", "*/7", "*", "5,45", "59"]),
    st.sampled_from(["*", "*/1", "*/2", "0", "2", "23", "0-23", "1,3,22"]),
    st.sampled_from(["*", "*", "*/2", "1,L", "25-31"]),
    st.sampled_from(["*", "*", "3-11", "*/4"]),
    st.sampled_from(["*", "*", "0", "1-5", "6#4", "0L"]),
).map(" ".join)
PLACES = st.sampled_from(sorted(CHANGES))
AWAY = st.timedeltas(-3 * DAY, 3 * DAY)


@given(EXPRESSIONS, PLACES, AWAY, st.booleans())
def test_instants_ascend_and_resume_from_each_of_them(
    expression: str, zone: str, away: timedelta, repeat: bool
) -> None:
    times = CronTimes(expression, zone, repeat_in_overlap=repeat)
    instants = list(islice(times.after(CHANGES[zone] + away), 40))

    assert all(earlier < later for earlier, later in pairwise(instants))
    for place in range(0, len(instants), 7):
        rest = instants[place + 1 :]
        assert list(islice(times.after(instants[place]), len(rest))) == rest


@given(EXPRESSIONS, PLACES, AWAY, st.timedeltas(-DAY, 6 * DAY), st.integers(0, 1500), st.booleans())
def test_latest_is_the_tail_of_after(
    expression: str, zone: str, away: timedelta, span: timedelta, at_most: int, repeat: bool
) -> None:
    times = CronTimes(expression, zone, repeat_in_overlap=repeat)
    after = CHANGES[zone] + away
    until = after + span
    all_of_them = list(takewhile(lambda instant: instant <= until, times.after(after)))

    tail = all_of_them[max(0, len(all_of_them) - at_most) :]
    assert times.latest(until, after=after, at_most=at_most) == tail


# What holds in every zone: the docstring of this file says what is enumerated.


class Shape(NamedTuple):
    """What a change does: two changes of one shape show the same on a clock, but for the date."""

    before: timedelta
    after: timedelta
    time_of_day: time


Minute = tuple[timedelta, datetime]
"""One minute: how far it is from the change, and what a clock on the wall shows."""


def offset_at(zone: ZoneInfo, at: datetime) -> timedelta:
    offset = at.astimezone(zone).utcoffset()
    assert offset is not None
    return offset


@cache
def changes(zone: str) -> dict[datetime, Shape]:
    local, found = ZoneInfo(zone), {}
    weeks = [DECADE[0] + number * WEEK for number in range((DECADE[1] - DECADE[0]) // WEEK + 1)]
    for week, next_week in pairwise(weeks):
        before, after = offset_at(local, week), offset_at(local, next_week)
        if before != after:
            minutes = range(WEEK // MINUTE)
            changed = bisect_left(
                minutes,
                x=True,
                key=lambda number: offset_at(local, week + number * MINUTE) == after,
            )
            at = week + changed * MINUTE
            found[at] = Shape(before, after, at.time())
    return found


@cache
def distinct_zones() -> list[str]:
    alike = {}
    for zone in sorted(available_timezones()):
        alike[offset_at(ZoneInfo(zone), DECADE[0]), *changes(zone).items()] = zone
    return list(alike.values())


def every_change() -> Iterator[tuple[str, datetime, Shape]]:
    for zone in distinct_zones():
        for at, shape in changes(zone).items():
            yield zone, at, shape


@cache
def dates_around(shape: Shape) -> list[list[Minute]]:
    dates: dict[date, list[Minute]] = defaultdict(list)
    change = datetime.combine(DECADE[0], shape.time_of_day)
    for number in range(-60 * 60, 60 * 60):
        distance = number * MINUTE
        wall = change + distance + (shape.before if number < 0 else shape.after)
        dates[wall.date()].append((distance, wall))
    return [dates[day] for day in sorted(dates)[1:-1]]


@cache
def once_a_date(shape: Shape, daily: str) -> list[timedelta]:
    """Return each date's first minute that shows this time or a later one, else its last."""
    wanted = datetime.strptime(daily, "%M %H").time()  # noqa: DTZ007
    found = []
    for minutes in dates_around(shape):
        reached = (distance for distance, wall in minutes if wall.time() >= wanted)
        found.append(next(reached, minutes[-1][0]))
    return found


def fired_around(at: datetime, shape: Shape, expression: str, zone: str) -> list[datetime]:
    dates = dates_around(shape)
    after, until = at + dates[0][0][0] - MINUTE, at + dates[-1][-1][0]
    instants = CronTimes(expression, zone).after(after)
    return list(takewhile(lambda instant: instant <= until, instants))


@pytest.mark.parametrize("daily", DAILY)
def test_every_zone_fires_once_on_every_date_around_a_change(daily: str) -> None:
    for zone, at, shape in every_change():
        expected = [at + distance for distance in once_a_date(shape, daily)]
        assert fired_around(at, shape, f"{daily} * * *", zone) == expected, (zone, at)


def test_every_zone_fires_no_wall_time_twice_with_a_stepped_hour() -> None:
    for zone, at, shape in every_change():
        local = ZoneInfo(zone)
        instants = fired_around(at, shape, "0 */2 * * *", zone)
        walls = {f"{instant.astimezone(local):%d %H:%M}" for instant in instants}
        assert len(walls) == len(instants), (zone, at)


def test_every_zone_follows_elapsed_time_with_any_hour() -> None:
    for zone, at, shape in every_change():
        minutes = (minute for minutes in dates_around(shape) for minute in minutes)
        expected = sorted(at + distance for distance, wall in minutes if wall.minute in {0, 40})
        assert fired_around(at, shape, "0,40 * * * *", zone) == expected, (zone, at)


@pytest.mark.parametrize("daily", DAILY)
@pytest.mark.parametrize(
    "zone",
    [
        "Africa/Cairo",
        "Africa/Casablanca",
        "America/Havana",
        "America/Nuuk",
        "America/Santiago",
        "Antarctica/Troll",
        "Asia/Beirut",
        "Australia/Lord_Howe",
        "Europe/Berlin",
        "Pacific/Chatham",
    ],
)
def test_ten_years_have_one_instant_on_each_date(zone: str, daily: str) -> None:
    local = ZoneInfo(zone)
    begin, end = (edge.replace(tzinfo=local) for edge in DECADE)
    instants = CronTimes(f"{daily} * * *", zone).after(begin - MINUTE)
    dates = [at.astimezone(local).date() for at in takewhile(lambda at: at < end, instants)]

    assert dates == [DECADE[0].date() + number * DAY for number in range(len(dates))]
    assert len(dates) == (DECADE[1] - DECADE[0]).days
