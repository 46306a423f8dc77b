"""Answers of commands as text for people. Moments are in the campaign's zone, with their offset."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import singledispatch
from typing import Any

from pydantic_core import to_json

from contracts.campaign import Campaign, CatchUp
from scheduler.console import words
from scheduler.console.answers import (
    Answer,
    Backfilled,
    CampaignChange,
    Checked,
    CheckedCampaign,
    Decided,
    Description,
    Difference,
    FieldChange,
    Listing,
    PauseReport,
    Preview,
    SlotReport,
    Summary,
    Tally,
    Triggered,
)
from scheduler.domain.outlook import PlannedDelivery, PlannedSlot

_SHORT = 48
_CHANGES = {"new": "+ new", "changed": "~ changed", "back": "+ back", "retired": "- retired"}
_PAST_HEADS = ("SLOT", "ASKED FOR", "VARIANT", "OUTCOME")
_NO_SLOTS = {
    "retired": "none: the campaign is retired",
    "disabled": "none: the campaign is disabled (enabled: false)",
    "finished": "none: the campaign is finished",
}


def text(answer: Answer) -> str:
    """Return the answer as lines for a terminal."""
    lines = [*_lines(answer), *_noted(getattr(answer, "notes", ()))]
    return "\n".join(_printable(line).rstrip() for line in lines)


def table(rows: Iterable[Sequence[str]], indent: str = "") -> list[str]:
    """Align the columns of `rows`, and leave out those in which nothing stands."""
    columns = [list(map(_printable, column)) for column in zip(*rows, strict=True)]
    widths = [max(map(len, column)) for column in columns]
    padded = [
        [f"{cell:{width}}" for cell in column]
        for column, width in zip(columns, widths, strict=True)
        if width
    ]
    return [indent + "  ".join(row) for row in zip(*padded, strict=True)]


@singledispatch
def _lines(answer: Any) -> Iterator[str]:
    raise TypeError(f"nobody knows how to write {answer!r}")


@_lines.register
def _(answer: Checked) -> Iterator[str]:
    yield from table(map(_checked, answer.campaigns))
    yield f"{answer.file}: {words.several(len(answer.campaigns), 'campaign')}, no errors"


@_lines.register
def _(answer: Preview) -> Iterator[str]:
    for number, outlook in enumerate(answer.campaigns):
        yield from [""] * (number > 0)
        yield f"{outlook.campaign}  {outlook.kind}, {outlook.schedule}"
        yield from _planned(outlook.slots, outlook.zone, outlook.status)


@_lines.register
def _(answer: Difference) -> Iterator[str]:
    rows = ((_CHANGES[c.change], c.campaign, f"revision {c.revision}") for c in answer.changes)
    for line, change in zip(table(rows), answer.changes, strict=True):
        yield line
        yield from (f"    {detail}" for detail in _changed(change))
    same = words.several(answer.unchanged, "campaign")
    if not answer.changes:
        yield f"nothing to change: the log holds just this plan ({same})"
    elif answer.applied:
        yield f"applied: {words.several(len(answer.changes), 'change')}, {same} as before"
    else:
        yield f"{words.several(len(answer.changes), 'change')}, {same} as before"


@_lines.register
def _(answer: Listing) -> Iterator[str]:
    if not answer.campaigns:
        yield "the log knows no campaign yet: apply a campaign file"
        return
    heads = ("CAMPAIGN", "KIND", "STATE", "REV", "NEXT SLOT", "CHANNELS", "SCHEDULE")
    yield from table([heads, *map(_row, answer.campaigns)])


@_lines.register
def _(answer: Description) -> Iterator[str]:
    zone = answer.campaign.zone
    yield f"{answer.campaign.id}: {answer.campaign.title}"
    yield from table(_facts(answer), indent="  ")
    yield ""
    yield "Next slots"
    yield from _planned(answer.next_slots, zone, answer.campaign.status)
    yield ""
    yield "Last slots"
    past = [_past(slot, zone) for slot in answer.last_slots]
    yield from table([_PAST_HEADS, *past] if past else [("none yet",)], indent="  ")


@_lines.register
def _(answer: Decided) -> Iterator[str]:
    change = "" if answer.changed else " already; nothing changed"
    if answer.pause:
        yield f"{answer.campaign} is paused{change}: {_pause(answer.pause, answer.zone)}"
    elif answer.changed:
        yield f"{answer.campaign} is no longer paused ({answer.status})"
    else:
        yield f"{answer.campaign} is not paused; nothing changed ({answer.status})"


@_lines.register
def _(answer: Triggered) -> Iterator[str]:
    at = words.local(answer.at, answer.zone)
    if answer.new:
        yield f"{answer.campaign}: asked for a slot at {at}, key {answer.key}"
    else:
        yield (
            f"{answer.campaign}: nothing new, the key {answer.key} asked for a slot at {at}"
            f" already (by {answer.actor})"
        )
    yield from table(
        [
            (d.channel, d.variant or "", _tally(Tally(d.outcome, d.reason, 1)), d.delivery)
            for d in answer.deliveries
        ],
        indent="  ",
    )
    if not answer.answered:
        yield (
            "no scheduler answered yet; one that runs before"
            f" {words.local(answer.void_after, answer.zone)} will post it"
        )


@_lines.register
def _(answer: Backfilled) -> Iterator[str]:
    zone = answer.zone
    yield (
        f"{answer.campaign}: from {words.local(answer.since, zone)}"
        f" to {words.local(answer.until, zone)}, key {answer.key}"
    )
    yield f"  to post      {_extent(answer)}"
    if answer.already_due:
        yield f"  left out     {_deliveries(answer.already_due)} that were due already"
    yield from _backfill_state(answer)


def _checked(campaign: CheckedCampaign) -> tuple[str, ...]:
    variants = words.several(len(campaign.variants), "variant")
    channels = words.listed(campaign.channels)
    return campaign.id, campaign.kind, campaign.schedule, variants, channels


def _backfill_state(answer: Backfilled) -> Iterator[str]:
    void = words.local(answer.void_after, answer.zone) if answer.void_after else ""
    if answer.asked and not answer.new:
        yield (
            "nothing new: this was asked for before, and counts until"
            f" {void}; to ask again after that, choose another --key"
        )
    elif answer.asked and answer.said_due is None:
        yield f"asked for; too many to be looked up; a scheduler that runs before {void} says them"
    elif answer.asked and answer.said_due == answer.deliveries:
        yield f"asked for; said by a scheduler: all {_deliveries(answer.deliveries)}"
    elif answer.asked:
        yield (
            f"asked for; said by a scheduler until now: {answer.said_due:,} of"
            f" {_deliveries(answer.deliveries)}; one that runs before {void} says the rest"
        )
    elif not answer.deliveries:
        yield "nothing to ask for"


def _extent(answer: Backfilled) -> str:
    if not (answer.first and answer.last):
        return "no slot"
    bounds = [words.local(at, answer.zone) for at in (answer.first, answer.last)]
    return (
        f"{words.several(answer.slots, 'slot')}, {_deliveries(answer.deliveries)}"
        f" ({' … '.join(dict.fromkeys(bounds))})"
    )


def _deliveries(number: int) -> str:
    return words.several(number, "delivery", "deliveries")


def _row(campaign: Summary) -> tuple[str, ...]:
    state: str = campaign.status
    if campaign.status == "paused" and campaign.paused_until:
        state = f"paused until {words.local(campaign.paused_until, campaign.zone)}"
    return (
        campaign.id,
        campaign.kind,
        state,
        str(campaign.revision),
        words.local(campaign.next_slot, campaign.zone) if campaign.next_slot else "-",
        words.listed(campaign.channels, at_most=3) or "none",
        campaign.schedule,
    )


def _facts(answer: Description) -> Iterator[tuple[str, str]]:
    campaign, plan = answer.campaign, answer.definition
    zone = campaign.zone
    yield "kind", campaign.kind
    yield "state", campaign.status
    if answer.pause:
        yield "pause", _pause(answer.pause, zone)
    yield "revision", f"{campaign.revision}, since {words.local(answer.since, zone)}"
    yield "schedule", campaign.schedule
    yield "zone", zone
    if plan.quiet_hours:
        yield "quiet hours", ", ".join(plan.quiet_hours)
    if plan.blackouts:
        yield "blackouts", ", ".join(plan.blackouts)
    if plan.jitter:
        yield "jitter", words.duration(plan.jitter)
    if plan.channel_offset:
        yield "channel offset", words.duration(plan.channel_offset)
    yield "channels", f"{len(campaign.channels):,}: {words.listed(campaign.channels)}"
    yield "variants", f"{len(plan.variants)}: {_variants(plan)}"
    yield "rotation", f"{plan.rotation}, {plan.rotation_scope}".replace("_", " ")
    yield "after outages", _catch_up(plan.catch_up)
    yield "if uncertain", plan.uncertain_policy


def _variants(plan: Campaign) -> str:
    weighted = plan.rotation == "weighted"
    return words.listed(
        (f"{v.id} x{v.weight}" if weighted else v.id for v in plan.variants), at_most=8
    )


def _catch_up(catch_up: CatchUp) -> str:
    if catch_up.policy == "skip":
        return "skip what was missed"
    what = f"post the newest {catch_up.max}" if catch_up.policy == "all" else "post the latest"
    window = "half the time to the next slot, 2 h at most"
    if catch_up.window is not None:
        window = words.duration(catch_up.window)
    return f"{what}, if not older than {window}"


def _pause(pause: PauseReport, zone: str) -> str:
    until = words.local(pause.until, zone) if pause.until else "it is resumed"
    since = f"since {words.local(pause.since, zone)}, until {until}, by {pause.actor}"
    return f"{since}: {pause.note}" if pause.note else since


def _planned(slots: Sequence[PlannedSlot], zone: str, status: str) -> list[str]:
    if not slots:
        return [f"  {_NO_SLOTS.get(status, 'none')}"]
    rows = [row for slot in slots for row in _planned_rows(slot, zone)]
    if all(slot.left_out for slot in slots):
        rows.append(("and so on", "", "", "", ""))
    paused = "STATE" if any(slot.paused for slot in slots) else ""
    heads = ("SLOT", "FIRED" if any(row[1] for row in rows) else "", "VARIANT", paused, "CHANNELS")
    return table([heads, *rows], indent="  ")


def _planned_rows(slot: PlannedSlot, zone: str) -> Iterator[tuple[str, str, str, str, str]]:
    when = words.local(slot.at, zone)
    if slot.left_out:
        reason = slot.left_out.replace("_", " ")
        many = f": {words.several(slot.slots, 'slot')} until {words.local(slot.until, zone)}"
        yield when, "", f"({reason})", "", f"left out{many if slot.slots > 1 else ''}"
        return
    state = "paused" if slot.paused else ""
    for variant, deliveries in _by_variant(slot.deliveries).items():
        channels = words.listed(delivery.channel for delivery in deliveries)
        yield when, _fired(slot.at, deliveries, zone), variant, state, channels
        when = ""


def _by_variant(deliveries: Iterable[PlannedDelivery]) -> dict[str, list[PlannedDelivery]]:
    found = defaultdict(list)
    for delivery in deliveries:
        found[delivery.variant].append(delivery)
    return found


def _fired(at: datetime, deliveries: Sequence[PlannedDelivery], zone: str) -> str:
    first = min(delivery.fires_at for delivery in deliveries)
    last = max(delivery.fires_at for delivery in deliveries)
    if first == last == at:
        return ""
    return " … ".join(dict.fromkeys((words.clock(first, zone), words.clock(last, zone))))


def _past(slot: SlotReport, zone: str) -> tuple[str, str, str, str]:
    origin = "" if slot.trigger in {None, "schedule"} else str(slot.trigger)
    if slot.request:
        origin = f"{origin or 'asked for'} ({slot.request})"
    variants = words.listed(slot.variants, at_most=3)
    outcomes = ", ".join(map(_tally, slot.outcomes))
    return words.local(slot.at, zone), origin, variants, outcomes


def _tally(tally: Tally) -> str:
    number = f" {tally.deliveries:,}" if tally.deliveries > 1 else ""
    reason = _shortened(tally.reason.replace("_", " "), 80)
    return f"{tally.outcome}{number}" + (f" ({reason})" if reason else "")


def _changed(change: CampaignChange) -> Iterator[str]:
    if change.change in {"new", "back"}:
        yield change.summary
    for field in change.fields:
        yield f"{field.field}: {_old_to_new(field, change.zone)}"


def _old_to_new(change: FieldChange, zone: str) -> str:
    old, new = change.old, change.new
    if isinstance(old, dict) or isinstance(new, dict):
        return "added" if old is None else "removed" if new is None else "changed"
    if change.field == "channels":
        return _channels(old, new)
    if isinstance(old, str) and isinstance(new, str):
        old, new = _where_they_differ(old, new)
    return f"{_value(old, zone)} → {_value(new, zone)}"


def _channels(old: Sequence[str], new: Sequence[str]) -> str:
    added = words.listed(channel for channel in new if channel not in old)
    removed = words.listed(channel for channel in old if channel not in new)
    parts = ("added", added), ("removed", removed)
    return "; ".join(f"{what} {names}" for what, names in parts if names) or "in another order"


def _where_they_differ(old: str, new: str) -> tuple[str, str]:
    """Cut off a long beginning that two texts share."""
    pairs = enumerate(zip(old, new, strict=False))
    same = next((place for place, (a, b) in pairs if a != b), min(len(old), len(new)))
    cut = max(0, same - _SHORT // 2)
    return (f"…{old[cut:]}", f"…{new[cut:]}") if cut else (old, new)


def _value(value: Any, zone: str) -> str:
    match value:
        case None | "" | () | []:
            return "none"
        case timedelta():
            return words.duration(value)
        case datetime():
            return words.local(value, zone)
        case str():
            quoted = any(sign.isspace() for sign in value)
            return f'"{_shortened(value)}"' if quoted else _shortened(value)
        case list() | tuple() if all(isinstance(item, str) for item in value):
            return words.listed(value)
        case _:
            return _shortened(to_json(value).decode())


def _shortened(value: str, length: int = _SHORT) -> str:
    flat = " ".join(value.split())
    return flat if len(flat) <= length else flat[: length - 1] + "…"


def _noted(notes: Iterable[str]) -> Iterator[str]:
    for note in notes:
        yield f"Note: {note}."


def _printable(line: str) -> str:
    """Take out what would move a terminal's cursor: texts may come from anybody."""
    return "".join(sign if sign.isprintable() else " " for sign in line)
