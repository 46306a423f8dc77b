"""The log's time by this machine's clock. Times are seconds after a moment."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import cast

import nats.errors
import pytest

from chassis.clock import since_boot
from chassis.log import Reader
from chassis.log_clock import LogClock, Reckoning, compare, look

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


class Machine:
    """A wall clock that is off by `ahead`, a monotonic one, and a log that is asked or away."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.ahead = 0.0
        self.round_trip = 0.002
        self.away = False
        self.clock = LogClock(lambda: at(self.passed + self.ahead), lambda: self.passed)

    async def time(self) -> datetime:
        if self.away:
            raise nats.errors.TimeoutError
        self.passed += self.round_trip / 2
        said = at(self.passed)
        self.passed += self.round_trip / 2
        return said

    async def ask(self) -> None:
        await self.clock.compare(cast("Reader", self))

    @property
    def wrong(self) -> float:
        return (self.clock() - at(self.passed)).total_seconds()


@pytest.mark.parametrize("ahead", [0.0, 0.5, -0.9])
async def test_a_clock_that_agrees_counts_as_it_is(ahead: float) -> None:
    machine = Machine()
    machine.ahead = ahead

    await machine.ask()

    assert machine.wrong == ahead


@pytest.mark.parametrize("ahead", [1.5, 9.5, -9.5, 404.0, -86_400.0])
async def test_what_the_clock_is_off_by_is_taken_off(ahead: float) -> None:
    machine = Machine()
    machine.ahead = ahead

    await machine.ask()

    assert abs(machine.wrong) < 0.01


@pytest.mark.parametrize("ahead", [9.5, -9.5, 404.0])
async def test_a_jump_is_taken_off_before_the_log_is_asked_and_while_it_is_away(
    ahead: float,
) -> None:
    machine = Machine()
    await machine.ask()
    told: list[float] = []
    machine.clock.tell(lambda by, _: told.append(by.total_seconds()))

    machine.ahead, machine.away = ahead, True
    machine.passed += 30
    assert abs(machine.wrong) < 0.01
    await machine.ask()
    machine.passed += 3600

    assert abs(machine.wrong) < 0.01
    assert told == [pytest.approx(ahead)]


async def test_a_clock_that_is_set_right_counts_again_as_it_is() -> None:
    machine = Machine()
    machine.ahead = 404
    await machine.ask()

    machine.ahead = 0
    machine.passed += 5

    assert abs(machine.wrong) < 1e-6


async def test_a_machine_that_was_asleep_is_put_right_by_the_log() -> None:
    """Its monotonic clock stood still: what looks like a jump is none."""
    machine = Machine()
    await machine.ask()
    slept = Machine()
    slept.clock = LogClock(lambda: at(slept.passed), lambda: slept.passed - asleep)
    asleep = 0.0
    await slept.ask()
    asleep = 300.0
    slept.passed += 300

    assert slept.wrong == pytest.approx(-300, abs=0.01)
    await slept.ask()

    assert abs(slept.wrong) < 0.01


async def test_a_slow_answer_changes_nothing_that_a_quick_one_told() -> None:
    machine = Machine()
    machine.ahead = 9.5
    await machine.ask()

    machine.round_trip = 1.6
    await machine.ask()

    assert abs(machine.wrong) < 0.01


def test_an_answer_that_was_too_long_on_its_way_is_none() -> None:
    state, _ = look(Reckoning(), at(70), 70)

    assert compare(state, at(0), timedelta(seconds=70)) == state


async def test_it_waits_for_a_log_that_does_not_say_its_time_yet() -> None:
    machine = Machine()
    machine.away, machine.ahead = True, 404
    begun = asyncio.create_task(machine.clock.begin(cast("Reader", machine)))

    await asyncio.sleep(0)
    assert not begun.done()
    machine.away = False
    await asyncio.wait_for(begun, 60)

    assert abs(machine.wrong) < 0.01


def test_the_clock_goes_on_while_the_machine_sleeps() -> None:
    assert LogClock()._monotonic is since_boot
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    assert before <= since_boot() <= time.clock_gettime(time.CLOCK_BOOTTIME)
