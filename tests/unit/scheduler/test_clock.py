"""Whether the clock can be believed; times are seconds of the monotonic clock."""

from datetime import UTC, datetime, timedelta

import pytest

from scheduler.domain.clock import HOLD, STEADY_SECONDS, Course, Jump, follow, hindrance

HOUR = timedelta(hours=1)
NONE = timedelta(0)
BEGIN = datetime(2026, 3, 1, 4, tzinfo=UTC)


def course(*times: tuple[float, float], skew: timedelta = NONE) -> Course:
    """Follow the log's time, which is ahead of the first look's by so much: (when, how much)."""
    state = None
    for now, moved in times:
        state = follow(state, BEGIN + timedelta(seconds=now + moved), skew, now)
    assert state
    return state


STEADY = course((0, 0))


def held(*times: tuple[float, float], skew: timedelta = NONE) -> str | None:
    return hindrance(None, times[-1][0], skew, course(*times, skew=skew))


def test_the_bounds_are_those_of_the_promise() -> None:
    assert timedelta(seconds=60) == HOLD
    assert STEADY_SECONDS == 60


def test_a_clock_that_did_not_jump_and_agrees_with_the_log_is_believed() -> None:
    assert hindrance(None, 100, NONE, STEADY) is None


@pytest.mark.parametrize("by", [61.0, 3600.0, -61.0, -3600.0])
@pytest.mark.parametrize("asked_at", [None, 100, 101])
def test_after_a_jump_a_log_that_was_not_asked_since_is_waited_for(
    by: float, asked_at: float | None
) -> None:
    jump = Jump(timedelta(seconds=by), 101)

    assert f"the clock jumped by {by:+.1f} s" in (hindrance(jump, asked_at, NONE, STEADY) or "")


def test_a_clock_that_is_set_right_is_believed_as_soon_as_the_log_agrees() -> None:
    """The log's time ran on meanwhile: it is no reason to wait that this clock did not."""
    jump = Jump(-HOUR, 101)

    assert hindrance(jump, 101.01, NONE, STEADY) is None


@pytest.mark.parametrize("by", [59.0, -59.0, 1.5])
def test_a_smaller_difference_holds_nothing_back(by: float) -> None:
    assert hindrance(None, 100, timedelta(seconds=by), STEADY) is None
    assert held((0, 0), (1, by)) is None


@pytest.mark.parametrize("apart", [61.0, -61.0, 86_400.0])
def test_a_clock_that_differs_from_the_logs_by_more_than_a_minute_holds_back(
    apart: float,
) -> None:
    skew = timedelta(seconds=apart)

    assert "set the time" in (hindrance(None, 100, skew, STEADY) or "")
    assert "set the time" in (hindrance(Jump(HOUR, 101), 102, skew, STEADY) or "")


@pytest.mark.parametrize("by", [61.0, 7200.0, -7200.0])
def test_a_log_s_time_that_jumped_is_believed_after_a_minute_and_says_when(by: float) -> None:
    said = held((0, 0), (10, by), (11, by))

    steady = BEGIN + timedelta(seconds=70 + by)
    assert f"jumped by {by:+.1f} s" in (said or "")
    assert f"at {steady:%H:%M:%S} UTC" in (said or "")
    assert held((0, 0), (10, by), (69.9, by)) == said
    assert held((0, 0), (10, by), (70, by)) is None


def test_a_log_s_time_that_is_back_is_believed_at_once() -> None:
    assert held((0, 0), (10, 7200), (11, 7200), (12, 0.5)) is None


def test_a_log_s_time_that_jumps_again_begins_its_minute_anew() -> None:
    assert held((0, 0), (10, 7200), (60, 3600), (119, 3600))
    assert held((0, 0), (10, 7200), (60, 3600), (120, 3600)) is None


def test_as_long_as_the_clocks_differ_a_log_s_time_that_jumped_is_not_believed() -> None:
    assert "set the time" in (held((0, 0), (10, 90), (500, 90), skew=timedelta(seconds=-90)) or "")
    apart = course((0, 0), (10, 90), (500, 90), skew=timedelta(seconds=-90))

    back = follow(apart, BEGIN + timedelta(seconds=501), NONE, 501)
    followed = follow(apart, BEGIN + timedelta(seconds=501 + 90), NONE, 501)

    assert hindrance(None, 501, NONE, back) is None
    assert hindrance(None, 501, NONE, followed) is None


def test_a_time_that_drifts_is_believed_however_far_it_came() -> None:
    assert held(*((n, n * 30.0) for n in range(100))) is None
