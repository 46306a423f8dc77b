"""What the pages say, and that many readers cost one drawing."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from analytics import words
from analytics.board import Board
from analytics.domain.chart import HEIGHT, draw, scale
from analytics.reports import Overview

NOW = datetime(2026, 3, 1, 12, 30, 20, tzinfo=UTC)
STATUS = {"version": 1, "checkpoint": 7, "updated_at": NOW, "quarantined": 0}
HEADLINE = {
    **dict.fromkeys(("sent", "clicks", "people", "starts", "conversions", "uncredited"), 0),
    "revenue": {},
}


class Reports:
    """Counts how often it is asked; away: as if Postgres were not there."""

    def __init__(self) -> None:
        self.asked = 0
        self.away = False

    async def overview(self, now: datetime) -> Overview:
        self.asked += 1
        await asyncio.sleep(0.01)
        if self.away:
            raise ConnectionRefusedError
        return Overview(HEADLINE, [], [], scale(None, now), {}, STATUS)

    async def status(self) -> dict[str, Any]:
        return STATUS


def board(reports: Reports) -> Board:
    return Board(reports, clock=lambda: NOW, last_sequence=lambda: 9)  # type: ignore[arg-type]


async def test_a_hundred_readers_cost_one_drawing() -> None:
    reports = Reports()
    shared = board(reports)

    drawings = await asyncio.gather(*(shared.drawing() for _ in range(100)))

    assert reports.asked == 1
    assert len({drawing.tag for drawing in drawings}) == 1


async def test_lag_is_what_the_log_has_and_the_tables_have_not() -> None:
    drawing = await board(Reports()).drawing()

    assert 'data-stat="lag">2<' in drawing.sections["status"]


async def test_a_page_says_that_postgres_is_away_before_anything_was_read() -> None:
    reports = Reports()
    reports.away = True

    page = await board(reports).page()

    assert "Postgres does not answer" in page


@pytest.mark.parametrize(
    ("age", "unit"), [(None, "minute"), (59, "minute"), (61, "hour"), (3_000, "day")]
)
def test_the_chart_s_steps_fit_the_time_since_the_first_tap(age: int | None, unit: str) -> None:
    first = None if age is None else NOW - timedelta(minutes=age)

    axis = scale(first, NOW)

    assert axis.unit == unit
    assert axis.moments[-1] <= NOW < axis.moments[-1] + axis.step


def test_the_chart_draws_each_tap_within_the_frame_and_says_the_sum() -> None:
    axis = scale(None, NOW)
    chart = draw(axis, {axis.moments[-1]: 1_234, axis.moments[0]: 1})

    assert chart.summary == "1,235 taps in the last 60 minutes, most of them (1,234) at 12:30 UTC."
    assert [bar.clicks for bar in chart.bars if bar.clicks] == [1, 1_234]
    assert all(0 <= bar.y <= bar.y + bar.height <= HEIGHT for bar in chart.bars)
    assert [mark.label for mark in chart.levels] == ["0", "1,000", "2,000"]


@pytest.mark.parametrize("most", [0, 1, 2, 3, 7, 9, 10, 11, 99, 100, 101, 203, 999, 5_001])
def test_the_highest_bar_fits_under_a_round_number(most: int) -> None:
    axis = scale(None, NOW)
    top = draw(axis, {axis.moments[-1]: most}).levels[-1].label

    assert most <= int(top.replace(",", "")) <= max(2, 3 * most)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (words.count(1234567), "1,234,567"),
        (words.percent(0.123), "12.3%"),
        (words.money({"XTR": 250, "USD": Decimal("1999.90")}), ["1,999.90 USD", "250 ★"]),
        (words.lateness(350), "350 ms"),
        (words.lateness(90_000), "1.5 min"),
        (words.instant(NOW), "2026-03-01 12:30:20"),
    ],
)
def test_numbers_are_written_for_people(written: object, expected: object) -> None:
    assert written == expected
