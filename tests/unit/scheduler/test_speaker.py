"""What the scheduler tells of a slot: few lines, and each delivery in one of them."""

from collections.abc import Sequence
from datetime import datetime

import pytest
from structlog.testing import capture_logs

from chassis.log import Publisher
from contracts.events import Due, Event, PromoDue, SlotMissed
from contracts.examples import SLOT, example
from contracts.ids import DeliveryId
from scheduler.speaker import Speaker


class Log(Publisher):
    """Takes everything, or refuses what `said` has."""

    def __init__(self, said: Sequence[DeliveryId] = ()) -> None:
        self._said = said

    async def publish_once(self, event: Event, **_: object) -> int:
        return 0 if getattr(event, "delivery", None) in self._said else 1


def now() -> datetime:
    """Return the moment at which all is said."""
    return SLOT


def dues(number: int) -> list[Due | SlotMissed]:
    """Return so many deliveries of one slot."""
    return [example(PromoDue, delivery=DeliveryId(f"{n:026d}")) for n in range(number)]


@pytest.mark.parametrize(("deliveries", "lines"), [(1, 1), (2, 1), (100, 1), (101, 2), (250, 3)])
async def test_every_delivery_is_named_in_few_lines(deliveries: int, lines: int) -> None:
    events = dues(deliveries)

    with capture_logs() as logged:
        await Speaker(Log(), now).say(events, late=False)

    named = [
        name for line in logged for name in line.get("correlation_ids") or [line["correlation_id"]]
    ]
    assert len(logged) == lines
    assert sorted(named) == [event.delivery for event in events]
    assert sum(line["channels"] for line in logged) == deliveries


async def test_what_another_replica_said_is_left_to_it() -> None:
    events = dues(3)

    with capture_logs() as logged:
        await Speaker(Log(said=[events[0].delivery]), now).say(events, late=False)

    [line] = logged
    assert line["correlation_ids"] == [event.delivery for event in events[1:]]


async def test_outcomes_of_a_slot_are_told_apart() -> None:
    missed = example(SlotMissed, delivery=DeliveryId("9" * 26))

    with capture_logs() as logged:
        await Speaker(Log(), now).say([*dues(2), missed], late=False)

    assert [line["event"] for line in logged] == ["slot due", "slot missed"]
    assert logged[1]["correlation_id"] == missed.delivery
