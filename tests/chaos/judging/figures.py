"""What deliveries brought, counted by hand: the rows of the views that analysts read most."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from chaos.judging.facts import instant
from chaos.judging.folding import Key, Row, Rows

VIEWS = {"promo_conversion": "promo", "guide_engagement": "guide"}
"""The views that are compared, and the kind of the campaigns in them."""

VIEW_KEYS = ("campaign", "variant", "channel", "day")

_WINDOW = timedelta(days=7)


def figures_of(tables: Mapping[str, Rows], kind: str) -> Rows:
    """Return a row for each campaign, variant, channel and day that has deliveries of a kind."""
    places: dict[str, Key] = {
        row["delivery"]: (row["campaign"], row["variant"], row["channel"], _day(row))
        for row in tables["deliveries"].values()
        if row["kind"] == kind and row["variant"] and (row["scheduled_for"] or row["sent_at"])
    }
    credit = Credit(tables)
    parts: dict[Key, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for table in ("deliveries", "clicks", "starts", "conversions"):
        for row in tables[table].values():
            delivery = credit.of(row) if table == "conversions" else row["delivery"]
            if delivery in places:
                parts[places[delivery]][table].append(row)
    return {place: _row(place, part) for place, part in parts.items()}


def _day(row: Row) -> str:
    day: str = row["day"] or instant(row["sent_at"]).astimezone(UTC).date().isoformat()
    return day


class Credit:
    """To which delivery a conversion is due, by the last touch."""

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
        """Return the delivery, None where it is due to none.

        By its token; else by the link that was followed; else by the person's last tap or start in
        the week before it, where the payer's side named no other campaign or channel; else by the
        newest message in that week of the campaign that was named. A refund takes back its payment.
        """
        paid = self._paid.get((conversion["source"], conversion["refund_of"]))
        fact = paid if paid and conversion["kind"] == "refund" else conversion
        if fact["delivery"]:
            return str(fact["delivery"])
        link = self._tables["clicks"].get((f"cta.clicked.link.{fact['click_id']}",))
        if link:
            return str(link["delivery"])
        touches = self._touched(fact) or self._named(fact)
        return max(touches).delivery if touches else None

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


def _row(place: Key, part: Mapping[str, Sequence[Row]]) -> Row:
    posted = [row for row in part.get("deliveries", ()) if row["state"] == "sent"]
    audiences = [row["audience"] for row in posted if row["audience"] is not None]
    clicks = part.get("clicks", ())
    taps = [row for row in clicks if row["verdict"] == "human"]
    turns = part.get("conversions", ())
    gains = [row for row in turns if row["kind"] != "refund"]
    known = [row["user_id"] for row in taps if row["user_id"] is not None]
    converters = {row["user_id"] for row in gains} - {None}
    revenue: dict[str, Decimal] = defaultdict(Decimal)
    for row in turns:
        if row["amount"] is not None and row["currency"] is not None:
            revenue[row["currency"]] += Decimal(str(row["amount"]))
    return {
        **dict(zip(VIEW_KEYS, place, strict=True)),
        "sent": len(posted),
        "audience": sum(audiences) if audiences else None,
        "clicks": len(taps),
        "repeated_clicks": len(known) - len(set(known)),
        "unknown_clicks": len(taps) - len(known),
        "robot_clicks": len(clicks) - len(taps),
        "unique_clickers": len(set(known)),
        "starts": len(part.get("starts", ())),
        "conversions": len(gains),
        "converters": len(converters),
        "converted_clickers": len(converters & set(known)),
        "revenue": dict(revenue),
    }
