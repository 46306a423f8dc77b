"""What lies ahead of a campaign, and what lies behind it: for people to look at."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from itertools import groupby, islice
from typing import Literal

from contracts.events import CampaignTriggered
from contracts.ids import Channel, DeliveryId, VariantId, delivery_id
from scheduler.domain.campaigns import CampaignState, Era, Request
from scheduler.domain.requests import BACKFILL_SLOTS, backfill
from scheduler.domain.rotation import choose
from scheduler.domain.slots import Batch, upcoming
from scheduler.domain.timetable import INSTANT, Exclusion, Slot

LOOK_AHEAD = 10_000
"""No more slots than these are looked at: a long blackout may leave out all of them."""

RANGE_INSTANTS = 20 * BACKFILL_SLOTS
"""No range with more instants is looked through, whether the plan leaves them out or not."""

Status = Literal["active", "paused", "disabled", "finished", "retired"]


@dataclass(frozen=True)
class PlannedDelivery:
    """What a slot to come shows in one channel, and when."""

    channel: Channel
    variant: VariantId
    fires_at: datetime


@dataclass(frozen=True)
class PlannedSlot:
    """One slot to come; or, from `at` to `until`, all that are left out for the same reason."""

    at: datetime
    until: datetime
    slots: int = 1
    left_out: Exclusion | None = None
    paused: bool = False
    deliveries: tuple[PlannedDelivery, ...] = ()


@dataclass(frozen=True)
class PastDelivery:
    """One channel of a slot whose time has come, and when it was or is to be fired."""

    delivery: DeliveryId
    channel: Channel
    fires_at: datetime


@dataclass(frozen=True)
class PastSlot:
    """A slot whose time has come; `request` is the key of the operator who asked for it."""

    at: datetime
    deliveries: tuple[PastDelivery, ...]
    request: str | None = None


def status(state: CampaignState, now: datetime) -> Status:
    """Say in a word whether the campaign posts."""
    if state.retired:
        return "retired"
    if not state.definition.enabled:
        return "disabled"
    if state.definition.channels and next(upcoming(state, now), None) is None:
        return "finished"
    return "paused" if state.pause(now) else "active"


def ahead(state: CampaignState, now: datetime, count: int) -> list[PlannedSlot]:
    """Return the slots to come until `count` of them can be fired, and those that are left out."""
    planned: list[PlannedSlot] = []
    if not state.definition.channels:  # without any, the slots would be gone through in vain
        return planned
    by_slot = groupby(upcoming(state, now), key=lambda batch: batch.slot)
    fired = 0
    for slot, batches in islice(by_slot, LOOK_AHEAD):
        if slot.exclusion:
            _leave_out(planned, slot)
            continue
        planned.append(_planned(state, slot, batches))
        fired += 1
        if fired == count:
            break
    return planned


def behind(state: CampaignState, now: datetime, count: int) -> list[PastSlot]:
    """Return the newest `count` slots whose time has come, also requested ones, newest first."""
    found: dict[datetime, Callable[[], PastSlot]] = {}
    for era in state.eras:
        for at in era.timetable.latest(era.ended(now), after=era.begin, at_most=count):
            found[at] = partial(_past, era, era.timetable.planned(at))
    for request in state.requests:
        for at, build in _requested(state, request):
            found.setdefault(at, build)
    return [found[at]() for at in sorted(found, reverse=True)[:count]]


def triggered(state: CampaignState, request: CampaignTriggered) -> PastSlot:
    """Return the slot that an operator asked for."""
    at, name = request.decided_at, request.campaign
    deliveries = tuple(
        PastDelivery(delivery_id(name, channel, at), channel, at)
        for channel in request.channels or state.era_at(at).definition.channels
    )
    return PastSlot(at, deliveries, request.request)


def instants(state: CampaignState, since: datetime, until: datetime) -> int:
    """Count the slots of the range, left out or not; stops soon after RANGE_INSTANTS."""
    first = state.eras[0]
    before = first.timetable.of_the_past(since - INSTANT)
    ranges = [(before, min(until, first.begin))]
    ranges += [(era.timetable, era.ended(until)) for era in state.eras]
    return sum(
        len(timetable.latest(end, after=since - INSTANT, at_most=RANGE_INSTANTS + 1))
        for timetable, end in ranges
    )


def _leave_out(planned: list[PlannedSlot], slot: Slot) -> None:
    last = planned[-1] if planned else None
    if last and last.left_out == slot.exclusion:
        planned[-1] = replace(last, until=slot.at, slots=last.slots + 1)
    else:
        planned.append(PlannedSlot(slot.at, slot.at, left_out=slot.exclusion))


def _planned(state: CampaignState, slot: Slot, batches: Iterable[Batch]) -> PlannedSlot:
    deliveries = tuple(
        PlannedDelivery(channel, choose(state.definition, slot.ordinal, channel).id, batch.fire_at)
        for batch in batches
        for channel in batch.channels
    )
    paused = all(state.pause(delivery.fires_at) for delivery in deliveries)
    return PlannedSlot(slot.at, slot.at, paused=paused, deliveries=deliveries)


def _past(era: Era, slot: Slot, request: str | None = None) -> PastSlot:
    plan = era.definition
    deliveries = tuple(
        PastDelivery(
            delivery_id(plan.id, channel, slot.at),
            channel,
            slot.at + era.timetable.delay(slot, position),
        )
        for position, channel in enumerate(plan.channels)
    )
    return PastSlot(slot.at, deliveries, request)


def _requested(
    state: CampaignState, request: Request
) -> Iterator[tuple[datetime, Callable[[], PastSlot]]]:
    if isinstance(request, CampaignTriggered):
        yield request.decided_at, partial(triggered, state, request)
        return
    slots = backfill(state, request.since, request.until)
    for era, slot in islice(slots, BACKFILL_SLOTS):
        yield slot.at, partial(_past, era, slot, request.request)
