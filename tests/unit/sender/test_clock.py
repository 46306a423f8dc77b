"""Whether the sender believes the time that it would judge by."""

from datetime import timedelta

import pytest

from chassis.log_clock import LogClock, compare, look
from contracts.examples import SLOT
from sender.clock_watch import ClockWatch
from sender.domain.clock import HOLD, hindrance

HOURS = timedelta(hours=3)


@pytest.mark.parametrize("skew", [timedelta(0), HOLD, -HOLD, timedelta(seconds=45)])
def test_clocks_that_are_set_now_and_then_are_believed(skew: timedelta) -> None:
    assert hindrance(skew) is None


@pytest.mark.parametrize("skew", [HOLD + timedelta(seconds=1), HOURS, -HOURS])
def test_clocks_far_apart_hold_everything_back_whichever_is_wrong(skew: timedelta) -> None:
    told = hindrance(skew)

    assert told
    assert f"{skew.total_seconds():+.1f} s" in told
    assert "NTP" in told


def test_a_log_that_leaps_ahead_is_not_believed_until_it_is_back() -> None:
    clock = LogClock(lambda: SLOT, lambda: 0.0)
    watch = ClockWatch(clock)
    state, _ = look(clock._state, SLOT, 0.0)

    clock._state = compare(state, SLOT + HOURS, timedelta(0))
    leapt = watch.hindrance()
    clock._state = compare(state, SLOT, timedelta(0))
    back = watch.hindrance()

    assert leapt
    assert "-10800.0 s" in leapt
    assert back is None


def test_a_jump_of_this_clock_holds_back_before_the_log_is_asked() -> None:
    now = [SLOT]
    watch = ClockWatch(LogClock(lambda: now[0], lambda: 0.0))
    before = watch.hindrance()

    now[0] += HOURS

    assert before is None
    assert watch.hindrance()
