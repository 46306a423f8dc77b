"""What the pages say, and that many readers cost one drawing."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from analytics import words
from analytics.dashboard.drawings import Content, Drawings
from analytics.domain.cells import cell
from analytics.domain.chart import HEIGHT, draw, scale, week
from analytics.domain.figures import Rate, rate, reach
from analytics.domain.filters import Span
from analytics.reports import BusyError
from harness.waiting import until

NOW = datetime(2026, 3, 1, 12, 30, 20, tzinfo=UTC)
ALL = Span(datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC))
BERLIN = ZoneInfo("Europe/Berlin")
ZERO = ZoneInfo("UTC")


class Tables:
    """Counts how often a page is made; away: as if Postgres were not there."""

    def __init__(self) -> None:
        self.made = 0
        self.state_is = 1
        self.away = False
        self.busy = False

    async def state(self) -> object:
        if self.away:
            raise ConnectionRefusedError
        return self.state_is

    async def make(self) -> Content:
        if self.busy:
            raise BusyError("too many wait already")
        self.made += 1
        number = self.made
        await asyncio.sleep(0.01)
        return Content("page", {"number": number})

    def drawings(self) -> Drawings:
        return Drawings(render=_render, state=self.state)


def _render(content: Content, notice: bool) -> str:
    return f"{content.values['number']}{' old' if notice else ''}"


@pytest.fixture
def never_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    """No page is drawn anew for its age alone, and none rests for long, however slow this is."""
    monkeypatch.setattr("analytics.dashboard.drawings._STALE_SECONDS", 3600.0)
    monkeypatch.setattr("analytics.dashboard.drawings._REST_PER_DRAWING", 0)


async def test_a_hundred_readers_cost_one_drawing() -> None:
    tables = Tables()
    shared = tables.drawings()

    drawings = await asyncio.gather(*(shared.get("/", tables.make) for _ in range(100)))

    assert tables.made == 1
    assert len({drawing.tag for drawing in drawings}) == 1


@pytest.mark.usefixtures("never_too_old")
async def test_a_page_is_drawn_anew_when_the_tables_changed_and_not_before() -> None:
    tables = Tables()
    shared = tables.drawings()

    async def text() -> str:
        return (await shared.get("/", tables.make)).html

    assert await text() == "1"
    await asyncio.sleep(0.5)
    assert await text() == "1"
    tables.state_is = 2
    assert await until(text, lambda seen: seen != "1") == "2"


async def test_pages_are_told_apart() -> None:
    tables = Tables()
    shared = tables.drawings()

    one, other = await shared.get("/?a", tables.make), await shared.get("/?b", tables.make)

    assert (one.html, other.html) == ("1", "2")


async def test_the_last_page_stays_with_a_notice_while_postgres_is_away() -> None:
    tables = Tables()
    shared = tables.drawings()

    async def text() -> str:
        return (await shared.get("/", tables.make)).html

    await text()
    tables.away = True
    tables.state_is = 2
    assert await until(text, lambda seen: "old" in seen) == "1 old"
    tables.away = False
    assert await until(text, lambda seen: "old" not in seen) == "2"


@pytest.mark.usefixtures("never_too_old")
async def test_a_page_stays_as_it_was_while_too_many_are_drawn() -> None:
    tables = Tables()
    shared = tables.drawings()

    async def text() -> str:
        return (await shared.get("/", tables.make)).html

    await text()
    tables.busy, tables.state_is = True, 2
    with pytest.raises(BusyError):
        await shared.get("/other", tables.make)
    await asyncio.sleep(0.5)
    assert {await text(), await text()} == {"1"}
    tables.busy = False
    assert await until(text, lambda seen: seen != "1") == "2"


async def test_a_page_that_was_never_drawn_says_that_postgres_is_away() -> None:
    tables = Tables()
    tables.away = True

    with pytest.raises(ConnectionRefusedError):
        await tables.drawings().get("/", tables.make)


@pytest.mark.parametrize(
    ("hours", "unit"),
    [
        (None, "minute"),
        (1, "minute"),
        (3, "hour"),
        (95, "hour"),
        (97, "day"),
        (139 * 24, "day"),
        (400 * 24, "week"),
        (2000 * 24, "month"),
    ],
)
def test_the_chart_s_steps_fit_the_time_since_the_first_act(hours: int | None, unit: str) -> None:
    first = None if hours is None else NOW - timedelta(hours=hours)

    axis = scale(first, ALL, NOW, ZERO)

    assert axis.unit == unit
    assert axis.moments[-1] <= NOW
    assert axis.moments[0] <= (first or NOW - timedelta(hours=1))
    assert list(axis.moments) == sorted(set(axis.moments))


def test_days_are_those_of_the_zone_also_when_clocks_change() -> None:
    now = datetime(2026, 4, 2, 12, tzinfo=UTC)

    axis = scale(now - timedelta(days=7), ALL, now, BERLIN)

    assert {moment.hour for moment in axis.moments} == {0}
    # Summer time began on 29 March: that day had 23 hours.
    lengths = {
        (after.astimezone(UTC) - before.astimezone(UTC))
        for before, after in zip(axis.moments, axis.moments[1:], strict=False)
    }
    assert lengths == {timedelta(hours=23), timedelta(hours=24)}


def test_the_chart_draws_each_act_within_the_frame_and_says_the_sums() -> None:
    axis = scale(None, ALL, NOW, ZERO)
    taps = [(axis.moments[-1], 1_234), (axis.moments[0], 1)]
    chart = draw(axis, {"Taps": taps, "Posts": [(axis.moments[3], 2)]})

    assert chart.summary == (
        "1,235 taps, 2 posts in the last 61 minutes; most taps at 12:30 (1,234)."
    )
    bars, posts = (panel.bars for panel in chart.panels)
    assert [bar.count for bar in bars if bar.count] == [1, 1_234]
    assert [bar.count for bar in posts if bar.count] == [2]
    assert all(0 <= bar.y <= bar.y + bar.height <= HEIGHT + 0.01 for bar in bars)
    assert chart.rows[0] == ("12:30", [1_234, 0])
    assert len(chart.rows) == 3


def test_a_chart_of_nothing_says_so() -> None:
    assert draw(scale(None, ALL, NOW, ZERO), {"Taps": []}).summary.startswith("No taps in the last")


@pytest.mark.parametrize("most", [0, 1, 2, 3, 7, 9, 10, 11, 99, 100, 101, 203, 999, 5_001])
def test_the_highest_bar_fits_under_a_round_number(most: int) -> None:
    axis = scale(None, ALL, NOW, ZERO)
    top = draw(axis, {"Taps": [(axis.moments[-1], most)]}).panels[0].top

    assert most <= top <= max(2, 3 * most)


def test_the_hours_of_a_week_are_darker_where_more_happened() -> None:
    shown = week([(1, 9, 80), (7, 23, 1)], "taps")

    assert shown.summary == "Most taps on Monday, 09:00 to 10:00."
    assert [len(hours) for _, hours in shown.days] == [24] * 7
    assert (shown.days[0][1][9].shade, shown.days[6][1][23].shade) == (8, 1)
    assert shown.days[3][1][3].shade == 0
    assert week([], "taps").summary == "No taps yet."


@pytest.mark.parametrize(
    ("part", "whole", "expected"),
    [
        # Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I.
        (81, 263, (0.3080, 0.2553, 0.3662)),
        (15, 148, (0.1014, 0.0624, 0.1605)),
        (0, 20, (0.0, 0.0, 0.1611)),
        (1, 29, (0.0345, 0.0061, 0.1718)),
    ],
)
def test_a_rate_has_its_wilson_interval(
    part: int, whole: int, expected: tuple[float, float, float]
) -> None:
    found = rate(part, whole)

    assert found
    assert (found.value, found.low, found.high) == pytest.approx(expected, abs=5e-5)


def test_no_people_have_no_rate_and_a_common_axis_is_round() -> None:
    assert rate(0, 0) is None
    assert reach([None, Rate(0.03, 0.02, 0.041)]) == 0.05
    assert reach([]) == 1.0


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (words.count(1234567), "1,234,567"),
        (words.percent(0.123), "12.3%"),
        (words.percent(0.0004), "0.04%"),
        (words.chance(0.99995), "more than 99.9%"),
        (words.chance(0.912), "91.2%"),
        (words.money({"XTR": 250, "USD": Decimal("1999.90")}), ["1,999.90 USD", "250 ★"]),
        (words.money({"XTR": Decimal("2.3E+5")}), ["230,000 ★"]),
        (words.lateness(350), "350 ms"),
        (words.lateness(90_000), "1.5 min"),
        (words.instant(NOW), "2026-03-01 12:30:20"),
        (words.instant(NOW, BERLIN), "2026-03-01 13:30:20"),
    ],
)
def test_numbers_are_written_for_people(written: object, expected: object) -> None:
    assert written == expected


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, ""),
        (True, "true"),
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("-1+2", "'-1+2"),
        ("\n=1", "'\n=1"),
        ("\uff1d1+1", "'\uff1d1+1"),
        ("-1001000000002", "-1001000000002"),
        ("@markets", "@markets"),
        (NOW.astimezone(BERLIN), "2026-03-01T12:30:20+00:00"),
        ({"XTR": Decimal(5)}, '{"XTR": "5"}'),
    ],
)
def test_a_cell_is_never_a_formula(value: object, written: str) -> None:
    assert cell(value) == written
