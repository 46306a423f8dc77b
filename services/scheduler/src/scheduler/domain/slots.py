"""What is said about each slot: due or missed and why, for every channel, in the order of firing.

How far a campaign is settled stands nowhere: what was said is found in the log again, and the log
takes each delivery once.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import merge
from itertools import groupby
from typing import Any

from contracts.campaign import Campaign
from contracts.events import Due, GuideDue, PromoDue, SlotMissed
from contracts.events.slot import MissedReason, Trigger
from contracts.ids import Channel, DeliveryId, delivery_id
from contracts.placeholders import fill
from scheduler.domain.campaigns import HORIZON, CampaignState, Era
from scheduler.domain.rotation import choose
from scheduler.domain.timetable import INSTANT, Slot

HORIZON_SLOTS = 1_000
"""No more slots of a campaign than these are settled, however many passed."""

ON_TIME = timedelta(seconds=10)
"""The latest slot is on time within this time, whatever the catch-up policy."""

EXPIRY_FLOOR = timedelta(minutes=5)
"""The sender has at least this long, also where the catch-up window is shorter."""


@dataclass(frozen=True)
class Batch:
    """Those channels of one slot that are fired at one moment."""

    era: Era
    slot: Slot
    fire_at: datetime
    channels: tuple[Channel, ...]


@dataclass(frozen=True)
class Verdict:
    """What is to be said about a batch: due by a trigger, or missed for a reason."""

    batch: Batch
    trigger: Trigger | None = None
    reason: MissedReason | None = None


def recent(state: CampaignState, now: datetime) -> list[tuple[Era, datetime]]:
    """Return the slots that were begun within the horizon until `now`, in that order."""
    found = [
        (era, at)
        for era in state.eras
        if era.definition.channels
        for at in era.timetable.latest(era.ended(now), after=now - HORIZON, at_most=HORIZON_SLOTS)
    ]
    if not any(era.definition.jitter for era in state.eras):
        return found[-HORIZON_SLOTS:]
    begun = sorted((first_fired(era, at), number) for number, (era, at) in enumerate(found))
    return [found[number] for at, number in begun if at <= now][-HORIZON_SLOTS:]


def first_delivery(slot: tuple[Era, datetime]) -> DeliveryId:
    """Return the delivery of a slot that is said before any other of it."""
    era, at = slot
    return delivery_id(era.definition.id, era.definition.channels[0], at)


def first_fired(era: Era, at: datetime) -> datetime:
    """Return when the slot `at` is fired in the first of its channels."""
    if not era.definition.jitter:
        return at
    return at + era.timetable.delay(era.timetable.planned(at), 0)


def horizon(state: CampaignState, now: datetime) -> datetime:
    """Return the moment up to which nothing is said any more, whether it was said or not."""
    slots = recent(state, now)
    return (slots[0][1] if slots else now) - INSTANT


def batches(state: CampaignState, fired: Mapping[datetime, datetime]) -> Iterator[Batch]:
    """Yield what is to be said, in the order in which it is fired, without end.

    `fired` says of each era, by its beginning, up to when that was done.
    """
    return merge(
        *(
            _batches_after(era, max(fired.get(era.begin, era.begin), era.begin))
            for era in state.eras
            if era.definition.channels
        ),
        key=lambda batch: batch.fire_at,
    )


def settle(state: CampaignState, passed: Sequence[Batch], now: datetime) -> list[Verdict]:
    """Judge the batches that were to be fired until `now`, oldest first."""
    unhindered = [batch for batch in passed if _hindrance(state, batch) is None]
    newest = unhindered[-1].slot.at if unhindered else None
    wanted = _wanted(state.definition, unhindered, now)
    return [
        _judge(state, batch, now, wanted=batch.slot.at in wanted, newest=batch.slot.at == newest)
        for batch in passed
    ]


def events(state: CampaignState, verdict: Verdict) -> Iterator[Due | SlotMissed]:
    """Yield what is to be said, an event for each channel."""
    batch = verdict.batch
    staying = frozenset(state.definition.channels)
    for channel in batch.channels:
        where = place(state, channel, batch.slot.at, batch.slot.ordinal)
        if verdict.reason is None and channel in staying:
            yield _due(state, where, batch, verdict.trigger or "schedule")
        else:
            reason = verdict.reason or "retired"
            yield SlotMissed(**where, kind=state.definition.kind, reason=reason)


def upcoming(state: CampaignState, now: datetime) -> Iterator[Batch]:
    """Yield what is planned after `now`, for a look ahead."""
    return batches(state, {era.begin: now for era in state.eras})


def _batches_after(era: Era, fired: datetime) -> Iterator[Batch]:
    # A slot before `fired` may have channels that wait for their turn: the newest one, as delays
    # end before the next slot comes.
    begun = era.timetable.latest(fired, after=era.begin, at_most=1)
    for slot in era.timetable.slots(begun[0] - INSTANT if begun else era.begin):
        if era.until and slot.at > era.until:
            return
        yield from (batch for batch in _batches_of(era, slot) if batch.fire_at > fired)


def _batches_of(era: Era, slot: Slot) -> Iterator[Batch]:
    channels = era.definition.channels
    if not era.definition.channel_offset:
        yield Batch(era, slot, slot.at + era.timetable.delay(slot, 0), channels)
        return
    delays = [era.timetable.delay(slot, position) for position in range(len(channels))]
    for delay, group in groupby(range(len(channels)), key=lambda position: delays[position]):
        positions = list(group)
        among = channels[positions[0] : positions[-1] + 1]
        yield Batch(era, slot, slot.at + delay, among)


def _hindrance(state: CampaignState, batch: Batch) -> MissedReason | None:
    """Return what would have kept the batch from being fired at its time, whoever ran then."""
    era = batch.era
    if era.retired and era.until and batch.fire_at > era.until:
        return "retired"
    if batch.slot.exclusion:
        return batch.slot.exclusion
    return "paused" if state.pause(batch.fire_at) else None


def _wanted(plan: Campaign, unhindered: Sequence[Batch], now: datetime) -> set[datetime]:
    """Return the slots that the catch-up policy fires though they are late."""
    slots = dict.fromkeys(
        batch.slot.at
        for batch in unhindered
        if now - batch.fire_at <= plan.catch_up_window(batch.slot.gap)
    )
    match plan.catch_up.policy:
        case "skip":
            return set()
        case "latest":
            return {at for at in slots if at == unhindered[-1].slot.at}
        case "all":
            return set(list(slots)[-plan.catch_up.max :])


def _judge(
    state: CampaignState, batch: Batch, now: datetime, *, wanted: bool, newest: bool
) -> Verdict:
    if reason := _hindrance(state, batch) or _stopped(state, batch, now):
        return Verdict(batch, reason=reason)
    late = now - batch.fire_at
    if late <= (ON_TIME if newest else min(ON_TIME, batch.slot.gap / 2)):
        return Verdict(batch, trigger="schedule")
    # What is late comes at a time that the owner did not plan: it may be one without posts.
    if reason := state.eras[-1].timetable.exclusion(now):
        return Verdict(batch, reason=reason)
    if wanted:
        return Verdict(batch, trigger="catchup")
    return Verdict(batch, reason=_reason(state.definition, batch, late))


def _stopped(state: CampaignState, batch: Batch, now: datetime) -> MissedReason | None:
    """Return what the owner decided since: nothing is posted then, however late it was decided."""
    plan = state.definition
    if state.retired or not plan.enabled or (plan.end and batch.slot.at > plan.end):
        return "retired"
    return "paused" if state.pause(now) else None


def _reason(plan: Campaign, batch: Batch, late: timedelta) -> MissedReason:
    if plan.catch_up.policy == "skip":
        return "skipped"
    if late > plan.catch_up_window(batch.slot.gap):
        return "catchup_window"
    return "limit" if plan.catch_up.policy == "all" else "superseded"


def _due(state: CampaignState, where: Mapping[str, Any], batch: Batch, trigger: Trigger) -> Due:
    plan, slot = state.definition, batch.slot
    return due_type(plan)(
        **where,
        variant=fill(choose(plan, slot.ordinal, where["channel"]), plan, where["channel"], slot.at),
        expires_at=batch.fire_at + max(plan.catch_up_window(slot.gap), EXPIRY_FLOOR),
        trigger=trigger,
        **manner(plan),
        due_at=None if batch.fire_at == slot.at else batch.fire_at,
    )


def due_type(plan: Campaign) -> type[GuideDue] | type[PromoDue]:
    """Return the event by which a slot of `plan` is said."""
    return GuideDue if plan.kind == "guide" else PromoDue


def manner(plan: Campaign) -> dict[str, Any]:
    """Return how the sender is to go about any delivery of `plan`."""
    return {
        "on_uncertain": plan.uncertain_policy,
        "bot": plan.bot,
        "expire": plan.expire,
        "delete_previous": plan.delete_previous,
    }


def place(state: CampaignState, channel: Channel, at: datetime, ordinal: int) -> dict[str, Any]:
    """Return the fields that every event about a slot has."""
    return {
        "delivery": delivery_id(state.definition.id, channel, at),
        "campaign": state.definition.id,
        "revision": state.revision,
        "channel": channel,
        "scheduled_for": at,
        "ordinal": ordinal,
    }
