"""Commands that ask for slots beside the schedule: trigger and backfill.

The request is an event that the log takes once for each key; the schedulers answer it.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import TypeVar

from chassis.clock import Clock
from chassis.console import RefusedError, UnavailableError, UsageError
from chassis.log import Reader
from chassis.service import Connection
from contracts import calendar
from contracts.events import CampaignBackfilled, CampaignTriggered
from contracts.ids import CampaignId, Channel, DeliveryId, VariantId, delivery_id
from scheduler.console import words
from scheduler.console.answers import Backfilled, RequestedDelivery, Triggered
from scheduler.console.inquiries import check_channels, check_variant, fold, known
from scheduler.console.orders import PATIENCE, refuse_retired
from scheduler.console.outcomes import Outcome, Outcomes
from scheduler.domain import outlook, requests
from scheduler.domain.campaigns import CampaignState
from scheduler.domain.requests import BACKFILL_SLOTS, REQUEST_WINDOW
from scheduler.domain.rotation import choose

LOOK_UPS = 20_000
"""No more deliveries of a backfill are looked up to see whether they were due."""

_LOOK_SECONDS = 0.25

R = TypeVar("R", CampaignTriggered, CampaignBackfilled)


@dataclass(frozen=True)
class Trigger:
    """What `trigger` is asked for; no `variant`: the rotation's next, no `channels`: all."""

    campaign: CampaignId
    key: str
    variant: VariantId | None = None
    channels: tuple[Channel, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Backfill:
    """What `backfill` is asked for; the range is read in the campaign's zone."""

    campaign: CampaignId
    since: str
    until: str
    key: str | None = None
    note: str = ""


async def trigger(
    connection: Connection, wish: Trigger, *, wait: float, clock: Clock, actor: str
) -> Triggered:
    """Ask for one more slot, and wait up to `wait` seconds until a scheduler said it."""
    state = known(await fold(connection.reader), wish.campaign)
    refuse_retired(state)
    check_channels(state, wish.channels)
    if wish.variant:
        check_variant(state, wish.variant)
    event = CampaignTriggered(
        campaign=wish.campaign,
        revision=state.revision,
        request=wish.key,
        variant=wish.variant,
        channels=wish.channels,
        note=wish.note,
        actor=actor,
        decided_at=clock(),
    )
    said, new = await _say_once(connection, event)
    if (said.variant, said.channels) != (event.variant, event.channels):
        raise RefusedError(_used(said), "choose another --key")
    slot = outlook.triggered(state, said)
    void = said.decided_at + REQUEST_WINDOW
    wanted = [delivery.delivery for delivery in slot.deliveries]
    found = await _outcomes(connection.reader, wanted, wait if clock() <= void else 0)
    return Triggered(
        campaign=wish.campaign,
        key=wish.key,
        new=new,
        at=said.decided_at,
        zone=state.definition.zone,
        actor=said.actor,
        void_after=void,
        answered=not _silent(found),
        deliveries=tuple(
            _requested(state, said, part.channel, found[part.delivery], part.delivery)
            for part in slot.deliveries
        ),
        notes=_trigger_notes(state, said, clock()) if new else (),
    )


async def plan_backfill(reader: Reader, wish: Backfill, now: datetime) -> Backfilled:
    """Return what a backfill would ask for, or what became of it where it was asked for before."""
    state = known(await fold(reader), wish.campaign)
    refuse_retired(state)
    since, until = _range(state, wish, now)
    key = wish.key or f"{words.key_time(since)}-{words.key_time(until)}"
    slots = _slots(state, since, until)
    wanted = [delivery for _, deliveries in slots for delivery in deliveries]
    due = await Outcomes(reader).due(wanted) if len(wanted) <= LOOK_UPS else set()
    left = [at for at, deliveries in slots if not due.issuperset(deliveries)]
    plan = Backfilled(
        campaign=wish.campaign,
        key=key,
        since=since,
        until=until,
        zone=state.definition.zone,
        slots=len(left),
        deliveries=len(wanted) - len(due),
        already_due=len(due),
        first=left[0] if left else None,
        last=left[-1] if left else None,
        notes=() if len(wanted) <= LOOK_UPS else ("those that were due before count, too",),
    )
    return await _asked_before(reader, state, plan)


async def backfill(
    connection: Connection,
    plan: Backfilled,
    *,
    note: str,
    wait: float,
    clock: Clock,
    actor: str,
) -> Backfilled:
    """Ask for what was shown, and wait up to `wait` seconds until a scheduler said it."""
    reader = connection.reader
    state = known(await fold(reader), plan.campaign)
    refuse_retired(state)
    event = _backfilled(state, plan, actor, clock(), note)
    said, new = await _say_once(connection, event)
    plan = _as_said(plan, said)
    wanted = [d for _, ids in _slots(state, plan.since, plan.until) for d in ids]
    said_due = None
    if len(wanted) <= LOOK_UPS:
        said_due = await _wait_for_due(reader, wanted, plan.already_due, wait)
    return replace(plan, new=new, said_due=said_due)


async def _asked_before(reader: Reader, state: CampaignState, plan: Backfilled) -> Backfilled:
    probe = _backfilled(state, plan, "", plan.until, "")
    entry = await reader.last(probe.subject)
    said = entry.envelope.data if entry else None
    return _as_said(plan, said) if isinstance(said, CampaignBackfilled) else plan


def _as_said(plan: Backfilled, said: CampaignBackfilled) -> Backfilled:
    """Return `plan` as one that was asked for; raises RefusedError for a key of another range."""
    if (said.since, said.until) != (plan.since, plan.until):
        raise RefusedError(_used(said), "choose another --key")
    return replace(plan, asked=True, void_after=said.decided_at + REQUEST_WINDOW)


def _backfilled(
    state: CampaignState, plan: Backfilled, actor: str, now: datetime, note: str
) -> CampaignBackfilled:
    return CampaignBackfilled(
        campaign=plan.campaign,
        revision=state.revision,
        request=plan.key,
        since=plan.since,
        until=plan.until,
        note=note,
        actor=actor,
        decided_at=now,
    )


async def _say_once(connection: Connection, event: R) -> tuple[R, bool]:
    """Say the request; return what the log holds under its key, and whether that is new."""
    if await connection.publisher.publish_once(event, patience=PATIENCE):
        return event, True
    entry = await connection.reader.last(event.subject)
    if entry is None or not isinstance(entry.envelope.data, type(event)):
        raise UnavailableError("the log refused the request", "repeat it with another --key")
    # An equal one is ours: it was taken, and the answer was lost.
    return entry.envelope.data, entry.envelope.data == event


def _used(said: CampaignTriggered | CampaignBackfilled) -> str:
    return (
        f"the key {said.request} was used for another request, by {said.actor} at"
        f" {words.local(said.decided_at, 'UTC')}"
    )


def _trigger_notes(state: CampaignState, said: CampaignTriggered, now: datetime) -> tuple[str, ...]:
    notes = []
    if not said.variant:
        notes.append(
            "the rotation does not move on: the next scheduled slot shows the same, unless another"
            " is chosen by --variant"
        )
    status = outlook.status(state, now)
    if status != "active":
        notes.append(f"the campaign is {status}; this slot is posted nevertheless")
    elif exclusion := state.eras[-1].timetable.exclusion(said.decided_at):
        words_of = exclusion.replace("_", " ")
        notes.append(f"the plan wants no posts now ({words_of}); this slot is posted nevertheless")
    return tuple(notes)


def _requested(
    state: CampaignState,
    said: CampaignTriggered,
    channel: Channel,
    outcome: Outcome,
    delivery: DeliveryId,
) -> RequestedDelivery:
    expected = said.variant
    if not expected:
        ordinal = state.ordinal_after(said.decided_at)
        expected = choose(state.definition, ordinal, channel).id
    return RequestedDelivery(
        delivery, channel, outcome.variant or expected, outcome.word, outcome.reason
    )


async def _outcomes(
    reader: Reader, wanted: Sequence[DeliveryId], wait: float
) -> dict[DeliveryId, Outcome]:
    """Ask until every delivery was said, or the time is over."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait
    outcomes = Outcomes(reader)
    found = await outcomes.of(wanted)
    while _silent(found) and loop.time() < deadline:
        await asyncio.sleep(_LOOK_SECONDS)
        found |= await outcomes.of(_silent(found))
    return found


def _silent(found: dict[DeliveryId, Outcome]) -> list[DeliveryId]:
    return [delivery for delivery, outcome in found.items() if outcome.word == "not said"]


async def _wait_for_due(
    reader: Reader, wanted: Sequence[DeliveryId], before: int, wait: float
) -> int:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait
    outcomes = Outcomes(reader)
    due = await outcomes.due(wanted)
    while len(due) < len(wanted) and loop.time() < deadline:
        await asyncio.sleep(_LOOK_SECONDS)
        due |= await outcomes.due(delivery for delivery in wanted if delivery not in due)
    return len(due) - before


def _range(state: CampaignState, wish: Backfill, now: datetime) -> tuple[datetime, datetime]:
    zone = state.definition.zone
    try:
        since = calendar.moment(wish.since, zone)
        until = calendar.moment(wish.until, zone, ends=True)
    except ValueError as error:
        raise UsageError(str(error), f"without an offset it is in {zone}") from error
    if since > until:
        raise UsageError("--from lies after --to", "exchange them")
    if until > now:
        raise RefusedError(
            f"--to lies in the future ({words.local(until, zone)})",
            f"end the range in the past: it is {words.local(now, zone)}",
        )
    return since, until


def _slots(
    state: CampaignState, since: datetime, until: datetime
) -> list[tuple[datetime, list[DeliveryId]]]:
    """Return the slots of the range with their deliveries; raises RefusedError for too many."""
    remedy = "ask for a shorter range, several times if need be"
    if outlook.instants(state, since, until) > outlook.RANGE_INSTANTS:
        raise RefusedError(
            f"the range has more than {outlook.RANGE_INSTANTS:,} slots, {BACKFILL_SLOTS:,} are"
            " the most for one backfill",
            remedy,
        )
    found = list(islice(requests.backfill(state, since, until), BACKFILL_SLOTS + 1))
    if len(found) > BACKFILL_SLOTS:
        raise RefusedError(
            f"the range has more than {BACKFILL_SLOTS:,} slots, the most for one backfill", remedy
        )
    wanted = state.definition.id
    staying = frozenset(state.definition.channels)
    return [
        (
            slot.at,
            [delivery_id(wanted, c, slot.at) for c in era.definition.channels if c in staying],
        )
        for era, slot in found
    ]
