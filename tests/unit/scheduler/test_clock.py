"""Whether the clock can be believed; times are seconds of the monotonic clock."""

from datetime import timedelta

import pytest

from scheduler.domain.clock import HOLD, STEADY_SECONDS, Jump, hindrance

HOUR = timedelta(hours=1)
NONE = timedelta(0)
LATER = 101 + STEADY_SECONDS


def test_the_bounds_are_those_of_the_promise() -> None:
    assert timedelta(seconds=60) == HOLD
    assert STEADY_SECONDS == 60


def test_a_clock_that_did_not_jump_and_agrees_with_the_log_is_believed() -> None:
    assert hindrance(None, NONE, 100, 101) is None


@pytest.mark.parametrize("by", [61.0, 3600.0, -61.0, -3600.0])
def test_a_jump_holds_back_and_says_so(by: float) -> None:
    jump = Jump(timedelta(seconds=by), 101)

    assert f"the clock jumped by {by:+.1f} s" in (hindrance(jump, jump.by, 100, 101) or "")


@pytest.mark.parametrize("by", [59.0, -59.0, 1.5])
def test_a_smaller_difference_holds_nothing_back(by: float) -> None:
    assert hindrance(None, timedelta(seconds=by), 100, 101) is None


def test_after_a_jump_the_clock_is_believed_once_it_is_steady_and_the_log_agrees() -> None:
    jump = Jump(HOUR, 101)

    assert hindrance(jump, NONE, 102, LATER - 1)
    assert hindrance(jump, NONE, 102, LATER) is None


@pytest.mark.parametrize("asked_at", [None, 100, 101])
def test_after_a_jump_a_log_that_was_not_asked_since_is_waited_for(asked_at: float | None) -> None:
    assert hindrance(Jump(HOUR, 101), NONE, asked_at, LATER)


@pytest.mark.parametrize("apart", [61.0, -61.0, 86_400.0])
def test_a_clock_that_differs_from_the_logs_by_more_than_a_minute_holds_back(
    apart: float,
) -> None:
    skew = timedelta(seconds=apart)

    assert "set the time" in (hindrance(None, skew, 100, 105) or "")
    assert "set the time" in (hindrance(Jump(HOUR, 101), skew, 102, LATER) or "")
