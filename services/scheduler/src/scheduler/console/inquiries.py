"""Commands that only look: list, describe, preview, and what a file says."""

import asyncio
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from difflib import get_close_matches

from chassis.console import RefusedError
from chassis.log import Reader
from contracts.campaign import Campaign
from contracts.envelope import Envelope
from contracts.ids import CampaignId, Channel, DeliveryId
from scheduler.catalogue import Catalogue
from scheduler.console import words
from scheduler.console.answers import (
    Checked,
    CheckedCampaign,
    Description,
    Listing,
    Outlook,
    PauseReport,
    Preview,
    SlotReport,
    Summary,
    Tally,
)
from scheduler.console.outcomes import Outcome, Outcomes
from scheduler.domain.campaigns import HORIZON, CampaignState, evolve
from scheduler.domain.outlook import PastSlot, ahead, behind, status
from scheduler.domain.plan import changes
from scheduler.domain.timetable import INSTANT

_FOLD_SECONDS = 60
_LISTED = 10


def check(file: str, plan: Iterable[Campaign], notes: Iterable[str] = ()) -> Checked:
    """Return what the campaigns of a file say."""
    campaigns = tuple(
        CheckedCampaign(
            definition.id,
            definition.kind,
            definition.title,
            words.timing(definition),
            definition.channels,
            tuple(variant.id for variant in definition.variants),
        )
        for definition in plan
    )
    return Checked(file, campaigns, tuple(notes))


def preview_plan(
    plan: Iterable[Campaign], now: datetime, count: int, zone: str | None
) -> tuple[Outlook, ...]:
    """Return the slots that campaigns have if they are applied now, for the first time."""
    before = now - INSTANT  # so that a slot at once, which `run_now` asks for, lies ahead
    said = changes({}, plan, now, actor="")
    states = (
        evolve(None, Envelope.of(event, source="preview", now=now, cause=None), now)
        for event in said
    )
    return tuple(_outlook(state, before, count, zone) for state in states if state)


async def preview(
    reader: Reader, name: CampaignId, now: datetime, count: int, zone: str | None
) -> Preview:
    """Return the slots to come of a campaign in the log."""
    state = known(await fold(reader), name)
    return Preview((_outlook(state, now, count, zone),))


async def listing(reader: Reader, now: datetime) -> Listing:
    """Return every campaign, those that left the plan last."""
    catalogue = await fold(reader)
    states = sorted(catalogue.campaigns.values(), key=lambda s: (s.retired, s.definition.id))
    return Listing(tuple(summary(state, now) for state in states))


async def describe(
    reader: Reader, name: CampaignId, now: datetime, channels: Sequence[Channel] = ()
) -> Description:
    """Return all about a campaign; of its slots only `channels`, where some are named."""
    state = known(await fold(reader), name)
    check_channels(state, channels)
    era = state.eras[-1]
    last = await _reports(Outcomes(reader), behind(state, now, _LISTED), now, channels)
    return Description(
        campaign=summary(state, now),
        since=era.since,
        pause=paused(state, now),
        definition=state.definition,
        next_slots=tuple(ahead(state, now, _LISTED)),
        last_slots=last,
    )


def summary(state: CampaignState, now: datetime) -> Summary:
    """Return the campaign in a line."""
    plan, pause = state.definition, state.pause(now)
    coming = [slot.at for slot in ahead(state, now, 1) if not slot.left_out]
    return Summary(
        id=plan.id,
        kind=plan.kind,
        title=plan.title,
        status=status(state, now),
        paused_until=pause.until if pause else None,
        revision=state.revision,
        schedule=words.timing(plan),
        zone=plan.zone,
        channels=plan.channels,
        next_slot=coming[0] if coming else None,
    )


def paused(state: CampaignState, now: datetime) -> PauseReport | None:
    """Return the pause that holds now."""
    pause = state.pause(now)
    return PauseReport(pause.since, pause.until, pause.note, pause.actor) if pause else None


async def fold(reader: Reader) -> Catalogue:
    """Return the campaigns of the log; raises TimeoutError where it does not answer for long."""
    catalogue = Catalogue()
    async with asyncio.timeout(_FOLD_SECONDS):
        await catalogue.catch_up(reader)
    return catalogue


def known(catalogue: Catalogue, name: CampaignId) -> CampaignState:
    """Return the campaign of that name, or raise RefusedError with names that exist."""
    if state := catalogue.campaigns.get(name):
        return state
    names = sorted(catalogue.campaigns)
    raise RefusedError(f"the log knows no campaign {name!r}", _alternative(name, names))


def check_channels(state: CampaignState, channels: Iterable[Channel]) -> None:
    """Raise RefusedError for a channel that is not the campaign's."""
    for channel in channels:
        if channel not in state.definition.channels:
            raise RefusedError(
                f"{state.definition.id} has no channel {channel}",
                _alternative(channel, state.definition.channels),
            )


def check_variant(state: CampaignState, wanted: str) -> None:
    """Raise RefusedError for a variant that is not the campaign's."""
    names = [variant.id for variant in state.definition.variants]
    if wanted not in names:
        raise RefusedError(
            f"{state.definition.id} has no variant {wanted!r}", _alternative(wanted, names)
        )


def _alternative(name: str, names: Collection[str]) -> str:
    if not names:
        return "there is none yet: apply a campaign file"
    close = get_close_matches(name, names, n=1)
    guess = f"did you mean {close[0]}? " if close else ""
    return f"{guess}known: {words.listed(names, at_most=20)}"


def _outlook(state: CampaignState, now: datetime, count: int, zone: str | None) -> Outlook:
    plan = state.definition
    return Outlook(
        plan.id,
        plan.kind,
        status(state, now),
        words.timing(plan),
        zone or plan.zone,
        tuple(ahead(state, now, count)),
    )


async def _reports(
    outcomes: Outcomes, slots: Sequence[PastSlot], now: datetime, channels: Sequence[Channel]
) -> tuple[SlotReport, ...]:
    wanted = [
        delivery.delivery
        for slot in slots
        for delivery in slot.deliveries
        if not channels or delivery.channel in channels
    ]
    found = await outcomes.of(wanted)
    reports = (_report(slot, found, now) for slot in slots)
    return tuple(report for report in reports if report.outcomes)


def _report(slot: PastSlot, found: dict[DeliveryId, Outcome], now: datetime) -> SlotReport:
    counted: Counter[tuple[str, str]] = Counter()
    said = []
    for delivery in slot.deliveries:
        outcome = found.get(delivery.delivery)
        if outcome:
            said.append(outcome)
            counted[_in_time(outcome, delivery.fires_at, now)] += 1
    return SlotReport(
        at=slot.at,
        trigger=next((outcome.trigger for outcome in said if outcome.trigger), None),
        request=slot.request,
        variants=tuple(dict.fromkeys(outcome.variant for outcome in said if outcome.variant)),
        outcomes=tuple(Tally(*how, number) for how, number in counted.most_common()),
    )


def _in_time(outcome: Outcome, fires_at: datetime, now: datetime) -> tuple[str, str]:
    """Explain the silence of the log, where there is a reason for it."""
    if outcome.word != "not said":
        return outcome.word, outcome.reason
    if fires_at > now:
        return "to come", "jitter or the channel's offset hold it back"
    if now - fires_at > HORIZON:
        return "never said", f"nothing ran for {HORIZON.days} days"
    return "not said yet", ""
