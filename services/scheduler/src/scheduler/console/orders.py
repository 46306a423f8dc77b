"""Commands that change the plan: apply, pause, resume. Each acts by an event on the log."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from pydantic import TypeAdapter, ValidationError

from chassis.clock import Clock
from chassis.console import RefusedError, UsageError
from chassis.service import Connection
from contracts import calendar
from contracts.campaign import Campaign
from contracts.durations import Duration
from contracts.events import CampaignPaused, CampaignResumed, CampaignRetired
from contracts.ids import CampaignId
from contracts.subjects import campaign_of
from scheduler.catalogue import Catalogue
from scheduler.console import words
from scheduler.console.answers import CampaignChange, Decided, Difference, FieldChange
from scheduler.console.inquiries import fold, known, paused
from scheduler.domain.campaigns import CampaignState
from scheduler.domain.outlook import status
from scheduler.domain.plan import PlanChange, changes
from scheduler.planner import OvertakenError, Planner

PATIENCE = 10.0
"""Seconds that a command waits until the log has what it says."""

_APPLY_SECONDS = 60
_ATTEMPTS = 10
_DURATION: TypeAdapter[timedelta] = TypeAdapter(Duration)

_FILES = (
    "a scheduler that mounts a campaign file applies that file again when it starts or the file"
    " changes"
)

Decision = CampaignPaused | CampaignResumed


def difference(catalogue: Catalogue, plan: Sequence[Campaign], now: datetime) -> Difference:
    """Return what `plan` changes, and change nothing."""
    said = changes(catalogue.campaigns, plan, now, actor="")
    found = tuple(_change(catalogue.campaigns.get(event.campaign), event) for event in said)
    unchanged = len(plan) - sum(change.change != "retired" for change in found)
    return Difference(found, unchanged, notes=(_FILES,) if found else ())


async def apply(
    connection: Connection, plan: Sequence[Campaign], shown: Difference, clock: Clock, actor: str
) -> Difference:
    """Bring `plan` into the log, if that still is the difference which was shown."""
    catalogue = await fold(connection.reader)
    if difference(catalogue, plan, clock()).changes != shown.changes:
        raise RefusedError(
            "the plan in the log changed since the difference was shown",
            "repeat the command and look at the new difference",
        )
    planner = Planner(catalogue, clock, actor=actor)
    try:
        async with asyncio.timeout(_APPLY_SECONDS):
            await planner.apply(connection.reader, connection.publisher, plan)
    except OvertakenError as error:
        raise RefusedError(str(error), "look by `list`, then repeat the command") from error
    return replace(shown, applied=True)


async def pause(
    connection: Connection, name: CampaignId, until: str | None, note: str, clock: Clock, actor: str
) -> Decided:
    """Say that no slot is fired until then; one that is paused just so stays as it is."""

    def decide(state: CampaignState, now: datetime) -> CampaignPaused | None:
        end = moment_or_duration(until, state.definition.zone, now) if until else None
        if end and end <= now:
            told = words.local(end, state.definition.zone)
            raise RefusedError(f"{told} is past", "name a moment to come, or a duration such as 2h")
        standing = state.pause(now)
        if standing and standing.until == end:
            return None
        return CampaignPaused(
            campaign=name,
            revision=state.revision,
            until=end,
            note=note,
            actor=actor,
            decided_at=now,
        )

    return await _decide(connection, name, decide, clock)


async def resume(
    connection: Connection, name: CampaignId, note: str, clock: Clock, actor: str
) -> Decided:
    """Say that a paused campaign goes on; one that is not paused stays as it is."""

    def decide(state: CampaignState, now: datetime) -> CampaignResumed | None:
        if not state.pause(now):
            return None
        return CampaignResumed(
            campaign=name, revision=state.revision, note=note, actor=actor, decided_at=now
        )

    return await _decide(connection, name, decide, clock)


def moment_or_duration(text: str, zone: str, now: datetime) -> datetime:
    """Read a moment in `zone`, or a duration from `now` on; raises UsageError."""
    try:
        if text[:5].endswith("-"):
            return calendar.moment(text, zone)
        return now + _DURATION.validate_python(text)
    except (ValidationError, OverflowError):
        raise UsageError(
            f"{text!r} is neither a moment nor a duration",
            "write 2026-12-01, 2026-12-01T09:00 or 2026-12-01T09:00+01:00; or 2h, 1h30m, 3d",
        ) from None
    except ValueError as error:  # of the calendar, which has its own remedy
        raise UsageError(str(error), f"without an offset it is in {zone}") from None


def refuse_retired(state: CampaignState) -> None:
    """Raise RefusedError for a campaign that left the plan."""
    if state.retired:
        raise RefusedError(
            f"{state.definition.id} is retired", "apply a campaign file that has it again"
        )


async def _decide(
    connection: Connection,
    name: CampaignId,
    decide: Callable[[CampaignState, datetime], Decision | None],
    clock: Clock,
) -> Decided:
    """Say what `decide` makes of the campaign, again where the log moved on meanwhile."""
    catalogue = Catalogue()
    reader = connection.reader
    event: Decision | None = None
    for _ in range(_ATTEMPTS):
        # What comes after `newest` was asked for is refused by the log, what came before is folded.
        newest = await reader.newest(campaign_of(name))
        async with asyncio.timeout(_APPLY_SECONDS):
            news = await catalogue.catch_up(reader)
        state = known(catalogue, name)
        if event and any(entry.envelope.data == event for entry in news):
            return _decided(state, event, clock())  # it was taken, and the answer was lost
        refuse_retired(state)
        event = decide(state, clock())
        if event is None:
            return _decided(state, None, clock())
        if await connection.publisher.publish_once(
            event, over=campaign_of(name), after=newest, patience=PATIENCE
        ):
            await catalogue.catch_up(reader)
            return _decided(known(catalogue, name), event, clock())
    raise RefusedError(
        f"others change {name} all the time", "look by `describe`, then repeat the command"
    )


def _decided(state: CampaignState, event: Decision | None, now: datetime) -> Decided:
    return Decided(
        campaign=state.definition.id,
        changed=event is not None,
        status=status(state, now),
        zone=state.definition.zone,
        pause=paused(state, now),
    )


def _change(state: CampaignState | None, event: PlanChange) -> CampaignChange:
    if isinstance(event, CampaignRetired):
        return CampaignChange(event.campaign, "retired", event.revision)
    plan = event.definition
    kind = "new" if state is None else "back" if state.retired else "changed"
    fields = tuple(_fields("", _flat(state.definition), _flat(plan))) if state else ()
    return CampaignChange(event.campaign, kind, event.revision, _in_words(plan), plan.zone, fields)


def _in_words(plan: Campaign) -> str:
    return (
        f"{plan.kind}, {words.timing(plan)}, {words.several(len(plan.variants), 'variant')},"
        f" channels: {words.listed(plan.channels)}"
    )


def _flat(plan: Campaign) -> dict[str, Any]:
    """Return the fields of a plan, variants by their id, their order beside."""
    fields = plan.model_dump()
    fields["variants"] = {variant["id"]: variant for variant in fields["variants"]}
    return {**fields, "order of variants": list(fields["variants"])}


def _fields(place: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[FieldChange]:
    for name in dict.fromkeys((*old, *new)):
        before, after = old.get(name), new.get(name)
        path = f"{place}.{name}" if place else name
        if isinstance(before, dict) and isinstance(after, dict):
            yield from _fields(path, before, after)
        elif path == "order of variants":
            stay = [v for v in before or () if v in (after or ())]
            if stay != [v for v in after or () if v in stay]:
                yield FieldChange(path, before, after)
        elif before != after:
            yield FieldChange(path, before, after)
