"""What is said about each slot: due or missed and why, for every channel, oldest first.

The cursor is how far a campaign is settled. It is kept in memory only: what was said is found in
the log again, and the log takes each delivery once.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby, takewhile
from typing import Any

from contracts.campaign import Campaign
from contracts.events import Due, GuideDue, PromoDue, SlotMissed
from contracts.events.slot import MissedReason, Trigger
from contracts.ids import Channel, DeliveryId, delivery_id
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
class Cursor:
    """How far a campaign is settled.

    Every slot up to `slot` is; of the next one, whose number is `ordinal` (None: it has to be
    counted), what was to be fired up to `fired`.
    """

    slot: datetime
    fired: datetime
    ordinal: int | None = None


@dataclass(frozen=True)
class Batch:
    """Those channels of one slot that are fired at one moment; `last`: the slot has no other."""

    era: Era
    slot: Slot
    fire_at: datetime
    channels: tuple[Channel, ...]
    last: bool = True

    @property
    def settled(self) -> Cursor:
        """The cursor once all of it was said."""
        if self.last:
            return Cursor(self.slot.at, self.fire_at, self.slot.next_ordinal)
        return Cursor(self.slot.at - INSTANT, self.fire_at, self.slot.ordinal)


@dataclass(frozen=True)
class Verdict:
    """What is to be said about a batch: due by a trigger, or missed for a reason."""

    batch: Batch
    trigger: Trigger | None = None
    reason: MissedReason | None = None


def recent(state: CampaignState, now: datetime) -> list[tuple[Era, datetime]]:
    """Return the slots that lie within the horizon and not after `now`, oldest first."""
    found = [
        (era, at)
        for era in state.eras
        if era.definition.channels
        for at in _recent_of(era, min(now, era.until or now), now - HORIZON)
    ]
    return found[-HORIZON_SLOTS:]


def first_delivery(slot: tuple[Era, datetime]) -> DeliveryId:
    """Return the delivery of a slot that is said before any other of it."""
    era, at = slot
    return delivery_id(era.definition.id, era.definition.channels[0], at)


def unsettled(state: CampaignState, now: datetime) -> Cursor:
    """Return the cursor of a campaign of which the log says nothing within the horizon."""
    slots = recent(state, now)
    begin = slots[0][1] if slots else max(now, state.eras[0].since)
    return Cursor(begin - INSTANT, begin - INSTANT)


def settled_before(at: datetime, ordinal: int | None) -> Cursor:
    """Return the cursor of a campaign whose slot `at` is the newest of which the log speaks.

    Another channel's event of that slot may be missing: it is said again, and nothing twice.
    """
    return Cursor(at - INSTANT, at - INSTANT, ordinal)


def batches(state: CampaignState, cursor: Cursor) -> Iterator[Batch]:
    """Yield all that comes after `cursor`, in the order in which it is to be said, without end."""
    for era in state.eras:
        if (era.until and era.until <= cursor.slot) or not era.definition.channels:
            continue
        for slot in _slots_after(era, cursor):
            for batch in _batches_of(era, slot):
                if batch.fire_at > cursor.fired:
                    yield batch


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
    moment = max(now, state.eras[-1].since - INSTANT)
    return batches(state, Cursor(moment, moment))


def _recent_of(era: Era, until: datetime, horizon: datetime) -> list[datetime]:
    after = max(_begin(era), horizon)
    if not era.definition.limit:
        return era.timetable.latest(until, after=after, at_most=HORIZON_SLOTS)
    slots = era.timetable.slots(_begin(era), era.first_ordinal)
    return [slot.at for slot in takewhile(lambda slot: slot.at <= until, slots) if slot.at > after]


def _begin(era: Era) -> datetime:
    return era.since - INSTANT if era.run_now else era.since


def _slots_after(era: Era, cursor: Cursor) -> Iterator[Slot]:
    begin = _begin(era)
    if cursor.slot <= begin:
        slots = era.timetable.slots(begin, era.first_ordinal)
    elif cursor.ordinal is None:
        passed = era.timetable.count(era.since, cursor.slot) + era.run_now
        slots = era.timetable.slots(cursor.slot, era.first_ordinal + passed)
    else:
        slots = era.timetable.slots(cursor.slot, cursor.ordinal)
    until = era.until
    return takewhile(lambda slot: slot.at <= until, slots) if until else slots


def _batches_of(era: Era, slot: Slot) -> Iterator[Batch]:
    channels = era.definition.channels
    if not era.definition.channel_offset:
        yield Batch(era, slot, slot.at + era.timetable.delay(slot, 0), channels)
        return
    delays = [era.timetable.delay(slot, position) for position in range(len(channels))]
    for delay, group in groupby(range(len(channels)), key=lambda position: delays[position]):
        positions = list(group)
        yield Batch(
            era,
            slot,
            slot.at + delay,
            channels[positions[0] : positions[-1] + 1],
            last=positions[-1] == len(channels) - 1,
        )


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
    if reason := _hindrance(state, batch):
        return Verdict(batch, reason=reason)
    late = now - batch.fire_at
    if late <= (ON_TIME if newest else min(ON_TIME, batch.slot.gap / 2)):
        return Verdict(batch, trigger="schedule")
    if reason := _hindered_now(state, now):
        return Verdict(batch, reason=reason)
    if wanted:
        return Verdict(batch, trigger="catchup")
    return Verdict(batch, reason=_reason(state.definition, batch, late))


def _reason(plan: Campaign, batch: Batch, late: timedelta) -> MissedReason:
    if plan.catch_up.policy == "skip":
        return "skipped"
    if late > plan.catch_up_window(batch.slot.gap):
        return "catchup_window"
    return "limit" if plan.catch_up.policy == "all" else "superseded"


def _hindered_now(state: CampaignState, now: datetime) -> MissedReason | None:
    """Return why a late slot cannot be fired now either."""
    return state.eras[-1].timetable.exclusion(now) or ("paused" if state.pause(now) else None)


def _due(state: CampaignState, where: Mapping[str, Any], batch: Batch, trigger: Trigger) -> Due:
    plan, slot = state.definition, batch.slot
    return due_type(plan)(
        **where,
        variant=choose(plan, slot.ordinal, where["channel"]),
        expires_at=batch.fire_at + max(plan.catch_up_window(slot.gap), EXPIRY_FLOOR),
        trigger=trigger,
        on_uncertain=plan.uncertain_policy,
        due_at=None if batch.fire_at == slot.at else batch.fire_at,
    )


def due_type(plan: Campaign) -> type[GuideDue] | type[PromoDue]:
    """Return the event by which a slot of `plan` is said."""
    return GuideDue if plan.kind == "guide" else PromoDue


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
