"""Whether the clock can be believed. Wall times are seconds after a moment, as monotonic ones."""

from datetime import UTC, datetime, timedelta

import pytest

from scheduler.domain.clock import (
    HOLD,
    STEADY_SECONDS,
    WARN,
    ClockState,
    compare,
    hindrance,
    observe,
)

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)


def wall(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def after(*looks: tuple[float, float]) -> tuple[ClockState, timedelta]:
    """Look at (wall, monotonic) one after the other; return the state and the last jump."""
    state, jump = ClockState(), timedelta(0)
    for seconds, monotonic in looks:
        state, jump = observe(state, wall(seconds), monotonic)
    return state, jump


def agreeing(state: ClockState, seconds: float, apart: float = 0.0) -> ClockState:
    return compare(state, wall(seconds), wall(seconds - apart), timedelta(milliseconds=2))


def test_the_bounds_are_those_of_the_promise() -> None:
    assert timedelta(seconds=1) == WARN
    assert timedelta(seconds=60) == HOLD


def test_a_clock_that_runs_as_the_monotonic_one_did_not_jump() -> None:
    state, jump = after((0, 100), (30, 130), (30.5, 130.5))

    assert jump == timedelta(0)
    assert hindrance(state, 130.5) is None


@pytest.mark.parametrize("by", [61.0, 3600.0, -61.0, -3600.0])
def test_a_jump_of_more_than_a_minute_holds_back_and_says_so(by: float) -> None:
    state, jump = after((0, 100), (1 + by, 101))

    assert jump == timedelta(seconds=by)
    assert f"the clock jumped by {by:+.1f} s" in (hindrance(state, 101) or "")


@pytest.mark.parametrize("by", [59.0, -59.0, 1.5])
def test_a_smaller_jump_holds_nothing_back(by: float) -> None:
    state, jump = after((0, 100), (1 + by, 101))

    assert jump == timedelta(seconds=by)
    assert hindrance(state, 101) is None


def test_after_a_jump_the_clock_is_believed_once_it_is_steady_and_the_log_agrees() -> None:
    state, _ = after((0, 100), (3601, 101))
    later = 101 + STEADY_SECONDS

    assert hindrance(agreeing(state, 3602), later - 1)
    assert hindrance(agreeing(state, 3602), later) is None


def test_after_a_jump_a_log_that_was_not_asked_yet_is_waited_for() -> None:
    state, _ = after((0, 100), (3601, 101))

    assert hindrance(state, 101 + STEADY_SECONDS)


def test_what_the_log_said_before_a_jump_counts_no_more() -> None:
    state = agreeing(after((0, 100))[0], 0)
    state, _ = observe(state, wall(3600), 101)

    assert hindrance(state, 101 + STEADY_SECONDS)


def test_a_second_jump_back_is_waited_for_as_well() -> None:
    state, _ = after((0, 100), (3601, 101), (50, 150))

    assert "-3600.0 s" in (hindrance(agreeing(state, 50), 150) or "")
    assert hindrance(agreeing(state, 110), 210) is None


@pytest.mark.parametrize("apart", [61.0, -61.0, 86_400.0])
def test_a_clock_that_differs_from_the_logs_by_more_than_a_minute_holds_back(
    apart: float,
) -> None:
    state = agreeing(after((0, 100))[0], 0, apart)

    assert "set the time" in (hindrance(state, 100) or "")
    assert hindrance(agreeing(state, 5), 105) is None


def test_the_way_to_the_log_is_no_difference() -> None:
    state = compare(after((0, 100))[0], wall(70), wall(0), timedelta(seconds=70))

    assert state.skew == timedelta(0)
    assert hindrance(state, 100) is None
