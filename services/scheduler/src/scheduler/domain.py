"""Which slots are due, which were missed, and how the plan changes. Pure: `now` is an argument.

A slot belongs to a channel from the moment at which the campaign got that channel. The cursor is
the newest slot that is known to be settled, said as due or as missed, in every channel.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from contracts.campaign import Campaign, IntervalSchedule
from contracts.envelope import Envelope
from contracts.events import (
    CampaignDefined,
    CampaignPaused,
    CampaignResumed,
    CampaignRetired,
    Due,
    GuideDue,
    PromoDue,
    SlotMissed,
)
from contracts.events.slot import MissedReason, Trigger
from contracts.ids import CampaignId, Channel, delivery_id

HORIZON = timedelta(days=7)
HORIZON_SLOTS = 1_000
"""How far back slots are settled: a longer outage is not told slot by slot."""

ON_TIME = timedelta(seconds=10)
"""The latest slot is on time within this time, whatever the catch-up policy."""

EXPIRY_FLOOR = timedelta(minutes=5)
"""The sender has at least this long, also where the catch-up window is shorter."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class CampaignState:
    """One campaign as the log tells it."""

    definition: Campaign
    revision: int
    scheduled_since: datetime
    channel_since: Mapping[Channel, datetime]
    cursor: datetime | None = None
    paused: CampaignPaused | None = None
    retired: bool = False


@dataclass(frozen=True)
class Slot:
    """One planned instant of a campaign; `ordinal` counts its grid from the epoch."""

    at: datetime
    ordinal: int


@dataclass(frozen=True)
class State:
    """All campaigns."""

    campaigns: Mapping[CampaignId, CampaignState] = field(default_factory=dict)

    def with_campaign(self, campaign: CampaignId, state: CampaignState) -> "State":
        """Return this state with one campaign replaced."""
        return State({**self.campaigns, campaign: state})

    def settled(self, campaign: CampaignId, at: datetime) -> "State":
        """Return this state with the slot `at` settled in every channel of `campaign`."""
        state = self.campaigns[campaign]
        cursor = max(at, state.cursor or at)
        return self.with_campaign(campaign, replace(state, cursor=cursor))


initial = State()


def evolve(state: State, envelope: Envelope) -> State:
    """Fold one event of the log; events of other services change nothing."""
    match envelope.data:
        case CampaignDefined() as event:
            return state.with_campaign(event.campaign, _defined(state, event, envelope.time))
        case CampaignPaused() | CampaignResumed() | CampaignRetired() as event:
            known = state.campaigns.get(event.campaign)
            return state.with_campaign(event.campaign, _decided(known, event)) if known else state
        case GuideDue() | PromoDue() | SlotMissed() as event if event.campaign in state.campaigns:
            # Another channel's event of the same slot may be missing: the slot itself is done
            # again after a restart, which says nothing twice.
            just_before = event.scheduled_for - timedelta(microseconds=1)
            return state.settled(event.campaign, just_before)
        case _:
            return state


def _defined(state: State, event: CampaignDefined, now: datetime) -> CampaignState:
    known = state.campaigns.get(event.campaign)
    if known is None or known.retired:
        since = dict.fromkeys(event.definition.channels, now)
        return CampaignState(event.definition, event.revision, now, since)
    same_schedule = known.definition.schedule == event.definition.schedule
    return replace(
        known,
        definition=event.definition,
        revision=event.revision,
        scheduled_since=known.scheduled_since if same_schedule else now,
        channel_since={c: known.channel_since.get(c, now) for c in event.definition.channels},
    )


def _decided(
    known: CampaignState, event: CampaignPaused | CampaignResumed | CampaignRetired
) -> CampaignState:
    match event:
        case CampaignPaused():
            return replace(known, paused=event)
        case CampaignResumed():
            return replace(known, paused=None)
        case CampaignRetired():
            return replace(known, retired=True, paused=None)


def plan_changes(
    state: State, plan: Iterable[Campaign], now: datetime
) -> list[CampaignDefined | CampaignRetired]:
    """Return what must be said so that the log's plan is `plan`; nothing where it already is."""
    wanted = {campaign.id: campaign for campaign in plan}
    changes: list[CampaignDefined | CampaignRetired] = []
    for campaign, definition in wanted.items():
        known = state.campaigns.get(campaign)
        if known is None or known.retired or known.definition != definition:
            revision = known.revision + 1 if known else 1
            changes.append(
                CampaignDefined(campaign=campaign, revision=revision, definition=definition)
            )
    for campaign, known in state.campaigns.items():
        if campaign not in wanted and not known.retired:
            changes.append(
                CampaignRetired(
                    campaign=campaign,
                    revision=known.revision,
                    note="no longer in the campaign file",
                    actor="campaign file",
                    decided_at=now,
                )
            )
    return changes


def settle(state: CampaignState, now: datetime) -> list[tuple[Slot, list[Due | SlotMissed]]]:
    """Return, oldest slot first, what is to be said about every slot that passed until `now`."""
    if state.retired:
        return []
    slots = list(_slots_between(state.definition.schedule, _settled_until(state, now), now))
    return [
        (slot, [_say(state, slot, channel, slots[-1], now) for channel in _channels(state, slot)])
        for slot in slots
    ]


def next_slot(state: State, now: datetime) -> datetime | None:
    """Return the first slot of any campaign after `now`; None where nothing is planned."""
    upcoming = [
        _slot_after(campaign.definition.schedule, now).at
        for campaign in state.campaigns.values()
        if not campaign.retired
    ]
    return min(upcoming, default=None)


def _settled_until(state: CampaignState, now: datetime) -> datetime:
    horizon = min(HORIZON, state.definition.schedule.every * HORIZON_SLOTS)
    return max(state.scheduled_since, state.cursor or state.scheduled_since, now - horizon)


def _channels(state: CampaignState, slot: Slot) -> list[Channel]:
    return [channel for channel, since in state.channel_since.items() if since < slot.at]


def _say(
    state: CampaignState, slot: Slot, channel: Channel, latest: Slot, now: datetime
) -> Due | SlotMissed:
    reason = _missed_reason(state, slot, latest, now)
    if reason is None:
        trigger: Trigger = "schedule" if now - slot.at <= ON_TIME else "catchup"
        return _due(state, slot, channel, trigger)
    return SlotMissed(**_place(state, slot, channel), kind=state.definition.kind, reason=reason)


def _missed_reason(
    state: CampaignState, slot: Slot, latest: Slot, now: datetime
) -> MissedReason | None:
    late = now - slot.at
    if state.paused and (state.paused.until is None or slot.at < state.paused.until):
        return "paused"
    if late <= ON_TIME and slot == latest:
        return None
    if state.definition.catch_up.policy == "skip":
        return "skipped"
    if late > state.definition.catch_up_window:
        return "catchup_window"
    return None if slot == latest else "superseded"


def _due(state: CampaignState, slot: Slot, channel: Channel, trigger: Trigger) -> Due:
    campaign = state.definition
    event = GuideDue if campaign.kind == "guide" else PromoDue
    return event(
        **_place(state, slot, channel),
        variant=campaign.variants[slot.ordinal % len(campaign.variants)],
        expires_at=slot.at + max(campaign.catch_up_window, EXPIRY_FLOOR),
        trigger=trigger,
        on_uncertain=campaign.uncertain_policy,
    )


def _place(state: CampaignState, slot: Slot, channel: Channel) -> dict[str, object]:
    return {
        "delivery": delivery_id(state.definition.id, channel, slot.at),
        "campaign": state.definition.id,
        "revision": state.revision,
        "channel": channel,
        "scheduled_for": slot.at,
        "ordinal": slot.ordinal,
    }


def _slots_between(schedule: IntervalSchedule, after: datetime, until: datetime) -> Iterator[Slot]:
    slot = _slot_after(schedule, after)
    while slot.at <= until:
        yield slot
        slot = _slot_at(schedule, slot.ordinal + 1)


def _slot_after(schedule: IntervalSchedule, instant: datetime) -> Slot:
    ordinal = (instant - _EPOCH - schedule.phase) // schedule.every + 1
    return _slot_at(schedule, ordinal)


def _slot_at(schedule: IntervalSchedule, ordinal: int) -> Slot:
    return Slot(_EPOCH + schedule.phase + schedule.every * ordinal, ordinal)
