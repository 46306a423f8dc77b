"""What operators ask for beside the schedule: a slot at once, or slots that were not posted."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice, takewhile

from contracts.events import CampaignBackfilled, CampaignTriggered, Due, SlotMissed
from contracts.events.slot import MissedReason, Trigger
from contracts.ids import Channel
from contracts.placeholders import fill
from scheduler.domain.campaigns import CampaignState, Era, Request
from scheduler.domain.rotation import choose
from scheduler.domain.slots import due_type, manner, place
from scheduler.domain.timetable import INSTANT, Slot, Timetable

REQUEST_WINDOW = timedelta(hours=2)
"""A request that no scheduler saw within this time is not carried out any more."""

BACKFILL_SLOTS = 1_000
"""No backfill is larger, in slots: each of them is posted in every channel."""


def answer(state: CampaignState, request: Request, now: datetime) -> Iterator[Due | SlotMissed]:
    """Yield what is to be said because of `request`; saying it again changes nothing."""
    if isinstance(request, CampaignTriggered):
        yield from _triggered(state, request, now)
    elif now - request.decided_at <= REQUEST_WINDOW and not state.retired:
        yield from _backfilled(state, request, min(now, request.decided_at))


def _backfilled(
    state: CampaignState, request: CampaignBackfilled, asked_at: datetime
) -> Iterator[Due]:
    until = min(request.until, asked_at)
    for era, slot in islice(backfill(state, request.since, until), BACKFILL_SLOTS):
        for position, channel in enumerate(era.definition.channels):
            # One that still waits for its jitter or its turn is due by itself.
            passed = slot.at + era.timetable.delay(slot, position) <= asked_at
            if passed and channel in state.definition.channels:
                yield _due(state, request, channel, slot.at, slot.ordinal, "backfill")


def backfill(state: CampaignState, since: datetime, until: datetime) -> Iterator[tuple[Era, Slot]]:
    """Yield the slots from `since` to `until` (both included) that the plan does not leave out.

    Before the campaign was defined they lie where its first known definition would have put them.
    """
    first = state.eras[0]
    before = first.timetable.of_the_past(since - INSTANT)
    yield from _between(first, before, since - INSTANT, min(until, first.begin))
    for era in state.eras:
        yield from _between(era, era.timetable, since - INSTANT, era.ended(until))


def _between(
    era: Era, timetable: Timetable, after: datetime, until: datetime
) -> Iterator[tuple[Era, Slot]]:
    for slot in takewhile(lambda slot: slot.at <= until, timetable.slots(after)):
        if slot.exclusion is None:
            yield era, slot


def _triggered(
    state: CampaignState, request: CampaignTriggered, now: datetime
) -> Iterator[Due | SlotMissed]:
    at = request.decided_at
    ordinal = state.ordinal_after(at)
    reason = _refusal(state, request, now)
    for channel in request.channels or state.era_at(at).definition.channels:
        if reason:
            where = place(state, channel, at, ordinal)
            kind = state.definition.kind
            yield SlotMissed(**where, request=request.id, kind=kind, reason=reason)
        else:
            yield _due(state, request, channel, at, ordinal, "manual")


def _refusal(
    state: CampaignState, request: CampaignTriggered, now: datetime
) -> MissedReason | None:
    if state.retired:
        return "retired"
    return "catchup_window" if now - request.decided_at > REQUEST_WINDOW else None


def _due(
    state: CampaignState,
    request: Request,
    channel: Channel,
    at: datetime,
    ordinal: int,
    trigger: Trigger,
) -> Due:
    plan = state.definition
    wanted = request.variant if isinstance(request, CampaignTriggered) else None
    variant = next((v for v in plan.variants if v.id == wanted), None)
    return due_type(plan)(
        **place(state, channel, at, ordinal),
        request=request.id,
        variant=fill(variant or choose(plan, ordinal, channel), plan, channel, at),
        expires_at=request.decided_at + REQUEST_WINDOW,
        trigger=trigger,
        **manner(plan),
    )
