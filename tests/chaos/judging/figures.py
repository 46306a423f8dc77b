"""What deliveries brought, counted by hand: the figures that analysts read, and whose they are."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import sqrt
from typing import NamedTuple

from chaos.judging.facts import instant
from chaos.judging.folding import Key, Row, Rows

VIEWS = {"promo_conversion": "promo", "guide_engagement": "guide"}
"""The views of one kind of campaigns."""

VIEW_KEYS = ("campaign", "variant", "channel", "day")

_WINDOW = timedelta(days=7)
_Z = 1.959963984540054
"""The 97.5 % quantile of the normal distribution: of Wilson's 95 % interval."""

Part = Mapping[str, Sequence[Row]]
"""The rows of each table that belong to one row of figures."""


def figures_of(tables: Mapping[str, Rows], kind: str) -> Rows:
    """Return a row for each campaign, variant, channel and day that has deliveries of a kind."""
    return figures_by(tables, VIEW_KEYS, lambda row: row["kind"] == kind)


def figures_by(
    tables: Mapping[str, Rows],
    keys: tuple[str, ...],
    wanted: Callable[[Row], bool] = lambda _: True,
) -> Rows:
    """Return a row of figures for each of those keys that has deliveries."""
    parts = _parts(tables, keys, wanted)
    return {
        place: {**dict(zip(keys, place, strict=True)), **_figures(part)}
        for place, part in parts.items()
    }


def funnel_of(tables: Mapping[str, Rows]) -> Rows:
    """Return how far people came, by variant; each step is a part of the last."""
    keys = ("campaign", "variant")
    return {
        place: {**dict(zip(keys, place, strict=True)), **_funnel(part)}
        for place, part in _parts(tables, keys, lambda _: True).items()
    }


def _parts(
    tables: Mapping[str, Rows], keys: tuple[str, ...], wanted: Callable[[Row], bool]
) -> dict[Key, Part]:
    places: dict[str, Key] = {
        row["delivery"]: tuple(_day(row) if key == "day" else row[key] for key in keys)
        for row in tables["deliveries"].values()
        if wanted(row) and row["variant"] and (row["scheduled_for"] or row["sent_at"])
    }
    credit = Credit(tables)
    parts: dict[Key, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for table in ("deliveries", "clicks", "starts", "conversions"):
        for row in tables[table].values():
            delivery = credit.of(row) if table == "conversions" else row["delivery"]
            if delivery in places:
                parts[places[delivery]][table].append(row)
    return dict(parts)


def _day(row: Row) -> str:
    day: str = row["day"] or instant(row["sent_at"]).astimezone(UTC).date().isoformat()
    return day


class Credit:
    """To which delivery a conversion is due, and what touched the person before."""

    def __init__(self, tables: Mapping[str, Rows]) -> None:
        self._tables = tables
        self._paid = {
            (row["source"], row["source_id"]): row
            for row in tables["conversions"].values()
            if row["kind"] != "refund"
        }
        self._touches: dict[int, list[_Touch]] = defaultdict(list)
        for table, at in (("clicks", "clicked_at"), ("starts", "started_at")):
            for row in tables[table].values():
                if row["user_id"] is not None and row.get("verdict") != "robot":
                    touch = _Touch(instant(row[at]), row["sequence"], row["delivery"])
                    self._touches[row["user_id"]].append(touch)

    def of(self, conversion: Row) -> str | None:
        """Return the delivery by the last touch, None where it is due to none."""
        return self.touches(conversion)[-1]

    def touches(self, conversion: Row) -> list[str | None]:
        """Return the delivery of each touch that led to it, in their order.

        By its token; else by the link that was followed; else by the person's taps and starts in
        the week before it, where the payer's side named no other campaign or channel; else by the
        newest message in that week of the campaign that was named. A refund takes back its payment.
        """
        paid = self._paid.get((conversion["source"], conversion["refund_of"]))
        fact = paid if paid and conversion["kind"] == "refund" else conversion
        if fact["delivery"]:
            return [str(fact["delivery"])]
        link = self._tables["clicks"].get((f"cta.clicked.link.{fact['click_id']}",))
        if link:
            return [str(link["delivery"])]
        touches = sorted(self._touched(fact)) or sorted(self._named(fact))[-1:]
        return [touch.delivery for touch in touches] or [None]

    def _touched(self, fact: Row) -> list["_Touch"]:
        if fact["user_id"] is None or fact["kind"] == "refund":
            return []
        return [
            touch
            for touch in self._touches[fact["user_id"]]
            if _within(touch.at, fact) and self._fits(touch.delivery, fact)
        ]

    def _named(self, fact: Row) -> list["_Touch"]:
        if not fact["campaign"]:
            return []
        sent = [row for row in self._tables["deliveries"].values() if row["sent_at"]]
        touches = [_Touch(instant(row["sent_at"]), 0, row["delivery"]) for row in sent]
        return [t for t in touches if _within(t.at, fact) and self._fits(t.delivery, fact)]

    def _fits(self, delivery: str, fact: Row) -> bool:
        """Tell whether a delivery is of the campaign and channel that were named, if any were."""
        row = self._tables["deliveries"].get((delivery,), {})
        return all(fact[name] in {None, row.get(name)} for name in ("campaign", "channel"))


class _Touch(NamedTuple):
    at: datetime
    sequence: int
    delivery: str


def _within(at: datetime, fact: Row) -> bool:
    return timedelta(0) <= instant(fact["occurred_at"]) - at < _WINDOW


def _figures(part: Part) -> Row:
    posted = [row for row in part.get("deliveries", ()) if row["state"] == "sent"]
    audiences = [row["audience"] for row in posted if row["audience"] is not None]
    clicks = part.get("clicks", ())
    taps = [row for row in clicks if row["verdict"] == "human"]
    turns = part.get("conversions", ())
    gains = [row for row in turns if row["kind"] != "refund"]
    known = [row["user_id"] for row in taps if row["user_id"] is not None]
    people = set(known)
    audience = sum(audiences) if audiences else None
    converters = _people(gains)
    revenue: dict[str, Decimal] = defaultdict(Decimal)
    for row in turns:
        if row["amount"] is not None and row["currency"] is not None:
            revenue[row["currency"]] += Decimal(str(row["amount"]))
    return {
        "sent": len(posted),
        "audience": audience,
        "clicks": len(taps),
        "repeated_clicks": len(known) - len(people),
        "unknown_clicks": len(taps) - len(known),
        "robot_clicks": len(clicks) - len(taps),
        "unique_clickers": len(people),
        "starts": len(part.get("starts", ())),
        "conversions": len(gains),
        "converters": len(converters),
        "converted_clickers": len(converters & people),
        "revenue": dict(revenue),
        "click_through_rate": len(people) / audience if audience else None,
        **_rate(len(converters & people), len(people)),
    }


def _rate(part: int, whole: int) -> Row:
    """Return the rate of people who converted, and its 95 % interval by Wilson (1927)."""
    if not whole:
        return dict.fromkeys(("conversion_rate", "conversion_rate_low", "conversion_rate_high"))
    middle, scale = part + _Z**2 / 2, whole + _Z**2
    aside = _Z * sqrt(part * (whole - part) / whole + _Z**2 / 4)
    return {
        "conversion_rate": part / whole,
        "conversion_rate_low": max(0.0, (middle - aside) / scale),
        "conversion_rate_high": min(1.0, (middle + aside) / scale),
    }


def _funnel(part: Part) -> Row:
    clickers = _people(row for row in part.get("clicks", ()) if row["verdict"] == "human")
    starters = clickers & _people(part.get("starts", ()))
    gains = (row for row in part.get("conversions", ()) if row["kind"] != "refund")
    return {
        "sent": sum(row["state"] == "sent" for row in part.get("deliveries", ())),
        "clickers": len(clickers),
        "starters": len(starters),
        "converters": len(starters & _people(gains)),
    }


def _people(rows: Iterable[Row]) -> set[int]:
    return {row["user_id"] for row in rows} - {None}
