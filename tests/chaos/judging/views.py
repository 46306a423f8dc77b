"""The rows of every view that analysts read, as they follow from the rows of the tables."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from statistics import median

from chaos.judging.facts import instant
from chaos.judging.figures import VIEW_KEYS, VIEWS, Credit, figures_by, figures_of, funnel_of
from chaos.judging.folding import Row, Rows

FIGURES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(VIEWS, VIEW_KEYS),
    "variant_performance": ("campaign", "variant"),
    "channel_performance": ("channel",),
    "funnel": ("campaign", "variant"),
    "schedule_health": ("campaign", "day"),
}
"""The views that add up, and what tells one row of them from another."""

CREDITS = ("conversion", "model", "delivery")

_STATES = {
    "sent": ("sent",),
    "waiting": ("due", "claimed"),
    "missed": ("missed",),
    "skipped": ("skipped",),
    "failed": ("failed",),
    "uncertain": ("uncertain",),
}
_STRETCH = 512
"""So many places of the log are one stretch."""


def views_of(tables: Mapping[str, Rows]) -> dict[str, Rows]:
    """Return the rows of the views in `FIGURES`."""
    return {
        **{view: figures_of(tables, kind) for view, kind in VIEWS.items()},
        **{
            view: figures_by(tables, FIGURES[view])
            for view in ("variant_performance", "channel_performance")
        },
        "funnel": funnel_of(tables),
        "schedule_health": _health(tables["deliveries"]),
    }


def _health(deliveries: Rows) -> Rows:
    planned: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in deliveries.values():
        if row["day"] is not None:
            planned[row["campaign"], row["day"]].append(row)
    return {place: _of_a_day(place, rows) for place, rows in planned.items()}


def _of_a_day(place: tuple[str, str], rows: list[Row]) -> Row:
    late = [row["latency_ms"] for row in rows if row["latency_ms"] is not None]
    states = Counter(row["state"] for row in rows)
    return {
        **dict(zip(FIGURES["schedule_health"], place, strict=True)),
        "planned": len(rows),
        **{name: sum(states[state] for state in of) for name, of in _STATES.items()},
        "late_median_ms": median(late) if late else None,
        "late_worst_ms": max(late, default=None),
    }


def credits_of(tables: Mapping[str, Rows]) -> Rows:
    """Return the rows of `attribution`: which part of each conversion is due to which delivery."""
    credit = Credit(tables)
    found: Rows = {}
    for (name,), row in tables["conversions"].items():
        touches = credit.touches(row)
        for model, chosen in _MODELS.items():
            deliveries = chosen(touches)
            ones, amounts = _parts(1, len(deliveries)), _parts(row["amount"], len(deliveries))
            for delivery, one, amount in zip(deliveries, ones, amounts, strict=True):
                said = _credited(row, delivery, tables["deliveries"])
                found[name, model, delivery] = {**said, "credit": one, "amount": amount}
    return found


_MODELS: Mapping[str, Callable[[list[str | None]], list[str | None]]] = {
    "first": lambda touches: touches[:1],
    "last": lambda touches: touches[-1:],
    # Each delivery once, at its newest touch.
    "linear": lambda touches: [*dict.fromkeys(reversed(touches))][::-1],
}


def _parts(whole: object, number: int) -> list[Decimal | None]:
    """Return equal parts in whole millionths; the last takes the rest."""
    if whole is None:
        return [None] * number
    known = Decimal(str(whole))
    part = Decimal(int(known * 1_000_000 / number)) / 1_000_000
    return [*[part] * (number - 1), known - part * (number - 1)]


def _credited(row: Row, delivery: str | None, deliveries: Rows) -> Row:
    place: Row = deliveries.get((delivery,), {}) if delivery else {}
    known = {"variant": place["variant"], "campaign": place["campaign"]} if place else {}
    return {
        "delivery": delivery,
        **{name: row[name] for name in ("currency", "user_id", "kind", "occurred_at")},
        **known,
    }


def journey_of(tables: Mapping[str, Rows]) -> Iterator[Row]:
    """Yield what each known person did; no row of it is named, and one may stand twice."""
    acts = (("clicks", "clicked_at", "click"), ("starts", "started_at", "start"))
    for table, at, what in acts:
        for row in tables[table].values():
            if row.get("verdict", "human") == "human":
                yield from _step(tables, row, row[at], what)
    for row in tables["conversions"].values():
        yield from _step(tables, row, row["occurred_at"], row["kind"])


def _step(tables: Mapping[str, Rows], row: Row, at: str, what: str) -> Iterator[Row]:
    place = tables["deliveries"].get((row["delivery"],), {})
    if row["user_id"] is not None:
        yield {
            "user_id": row["user_id"],
            "at": instant(at).isoformat(),
            "what": what,
            "delivery": row["delivery"],
            "cta": row["cta"],
            **{name: row.get(name) for name in ("amount", "currency")},
            **{name: place.get(name) for name in ("campaign", "variant", "channel")},
        }


def stretches_of(tables: Mapping[str, Rows]) -> dict[int, int]:
    """Return how many acts that name their delivery are at each stretch of the log."""
    acts = (row for table in ("clicks", "starts", "conversions") for row in tables[table].values())
    return dict(Counter(row["sequence"] // _STRETCH for row in acts if row["delivery"]))
