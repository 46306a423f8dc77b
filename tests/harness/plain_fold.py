"""The tables and figures as a plain fold of the whole log, in memory: what tests compare with."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal
from math import sqrt
from typing import Any

from analytics.domain.fold import Entry
from analytics.domain.packing import act_of, stretches_of
from analytics.domain.plain_fold import Zones, row_of, strands
from contracts.envelope import Envelope
from contracts.events import BotStarted, ConversionRecorded, CtaClicked, Event
from harness.plain_attribution import WEEK, credits_of

Rows = set[tuple[Any, ...]]

TABLES = ("campaigns", "variants", "deliveries", "clicks", "starts", "conversions")


def numbered(history: Iterable[Envelope], start: int = 1) -> list[Entry]:
    """Return the events with the sequences that a log without gaps gives them."""
    return [Entry(number, envelope) for number, envelope in enumerate(history, start)]


def tables_of(log: Iterable[Entry]) -> dict[str, Rows]:
    """Return every table that the log amounts to, rows as tuples in the order of the columns."""
    zones = Zones()
    stories: dict[str, dict[tuple[str, ...], list[Entry]]] = {name: {} for name in TABLES}
    for entry in log:
        zones.add(entry)
        for table, key in strands(entry):
            if table in stories:
                stories[table].setdefault(key, []).append(entry)
    tables = {
        table: {row for key, story in found.items() if (row := row_of(table, key, story, zones))}
        for table, found in stories.items()
    }
    acts = [act for table, found in tables.items() for row in found if (act := act_of(table, row))]
    return tables | {"stretches": set(stretches_of(sorted(acts)))}


def _of(kind: type[Event], log: Iterable[Envelope]) -> list[tuple[str, Any]]:
    return [(envelope.id, envelope.data) for envelope in log if isinstance(envelope.data, kind)]


def figures_of(
    log: Sequence[Envelope],
    kind: str | None,
    keys: Sequence[str] = ("campaign", "variant", "channel", "day"),
) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Return the figures of deliveries of a kind, None: of all, by `keys`."""
    once = list({envelope.id: envelope for envelope in reversed(log)}.values())
    posts: dict[str, tuple[Any, ...]] = {}
    sums: dict[tuple[Any, ...], dict[str, list[Any]]] = defaultdict(
        lambda: {"deliveries": [], "log": []}
    )
    deliveries = tables_of(numbered(log))["deliveries"]
    for row in deliveries:
        if kind in {None, row[2]} and row[3] is not None and (row[7] or row[16]):
            day = row[7] or row[16].date()
            known = {"campaign": row[1], "variant": row[3], "channel": row[4], "day": day}
            posts[row[0]] = tuple(known[key] for key in keys)
            sums[posts[row[0]]]["deliveries"].append(row)
    shares = credits_of(log, list(deliveries), WEEK, "last")
    due_to = {credit.conversion: credit.delivery for credit in shares}
    for envelope in once:
        delivery = due_to.get(envelope.id, getattr(envelope.data, "delivery", None))
        if delivery in posts:
            sums[posts[delivery]]["log"].append(envelope)
    return {key: _figures(part["deliveries"], part["log"]) for key, part in sums.items()}


def _figures(deliveries: list[Any], log: list[Envelope]) -> dict[str, Any]:
    taps = [event for _, event in _of(CtaClicked, log) if event.verdict == "human"]
    turns = [event for _, event in _of(ConversionRecorded, log)]
    gains = [event for event in turns if event.kind != "refund"]
    people = {event.user_id for event in taps} - {None}
    converters = {event.user_id for event in gains} - {None}
    audiences = [row[20] for row in deliveries if row[11] == "sent" and row[20] is not None]
    revenue: dict[str, Decimal] = defaultdict(Decimal)
    for event in turns:
        if event.amount is not None and event.currency is not None:
            revenue[event.currency] += event.amount
    low, high = wilson(len(people & converters), len(people))
    return {
        "sent": sum(row[11] == "sent" for row in deliveries),
        "audience": sum(audiences) if audiences else None,
        "clicks": len(taps),
        "repeated_clicks": sum(tap.user_id is not None for tap in taps) - len(people),
        "unknown_clicks": sum(tap.user_id is None for tap in taps),
        "robot_clicks": len(_of(CtaClicked, log)) - len(taps),
        "unique_clickers": len(people),
        "starts": len(_of(BotStarted, log)),
        "conversions": len(gains),
        "converters": len(converters),
        "converted_clickers": len(people & converters),
        "revenue": dict(revenue),
        "click_through_rate": len(people) / sum(audiences) if sum(audiences) else None,
        "conversion_rate": len(people & converters) / len(people) if people else None,
        "conversion_rate_low": low,
        "conversion_rate_high": high,
    }


def wilson(part: int, whole: int) -> tuple[float | None, float | None]:
    """Return the 95 % Wilson score interval, as its textbook form has it."""
    if not whole:
        return None, None
    z, share = 1.959963984540054, part / whole
    scale = 1 + z**2 / whole
    centre = (share + z**2 / (2 * whole)) / scale
    half = z / scale * sqrt(share * (1 - share) / whole + z**2 / (4 * whole**2))
    return max(0.0, centre - half), min(1.0, centre + half)
