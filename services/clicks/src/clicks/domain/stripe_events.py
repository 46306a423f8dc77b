"""Reads an event of Stripe: what money moved, and what it says of where the person came from.

Stripe may send one event often, and tells one fact by several events. A fact is therefore named by
the object that it is about: a payment by its payment intent, the first payment of a subscription by
the subscription, a later one by its invoice, a refund by its charge and all that was paid back of
it by then.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from contracts.events import ConversionRecorded
from contracts.events.person import ConversionKind
from contracts.token import CtaRef

SOURCE = "stripe"
PAYMENT_LINKS = ("buy.stripe.com", "book.stripe.com", "donate.stripe.com")
"""Hosts of Payment Links; those on a domain of the owner's own look like any page."""

_ID = re.compile(r"[A-Za-z0-9_]{1,200}", re.ASCII)
_CURRENCY = re.compile(r"[A-Za-z]{3}", re.ASCII)
_CLICK = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_CLICK_MARK = "fp_"
_LAST_SECOND = 253_402_300_799
_WHOLE = {
    "BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF",
    "XOF", "XPF",
}  # fmt: skip
"""Zero-decimal currencies of Stripe's API. ISK and UGX have none either, but are sent with two."""
_THOUSANDTHS = {"BHD", "JOD", "KWD", "OMR", "TND"}
_SAID = ("click_id", "user_id")
_STORY = ("delivery", "cta", "campaign", "channel", *_SAID)
_INVOICES: dict[str, ConversionKind] = {
    "subscription_create": "subscription",
    "subscription_cycle": "renewal",
    "subscription_threshold": "payment",
    "subscription_update": "payment",
}


@dataclass(frozen=True)
class Trace:
    """What an object says of where the person came from; nothing of it is believed yet."""

    tokens: tuple[str, ...] = ()
    click_id: str | None = None
    user_id: int | None = None


@dataclass(frozen=True)
class Sale:
    """Money that moved. `follows` is the id under which an earlier part of its story stands."""

    kind: ConversionKind
    id: str
    amount: Decimal
    currency: str
    occurred_at: datetime
    trace: Trace
    follows: str | None = None
    paid_until: datetime | None = None


@dataclass(frozen=True)
class Ignored:
    """Nothing to record, and why."""

    reason: str


@dataclass(frozen=True)
class Unreadable:
    """An event that we want and do not understand: Stripe is to keep it."""

    problem: str


def read(event: object, *, test_events: bool) -> Sale | Ignored | Unreadable:
    """Return what the parsed JSON of an event says; those of the test mode only if asked for."""
    fields = _object(event)
    reader = _READERS.get(str(fields.get("type")))
    if fields.get("object") != "event" or reader is None:
        return Ignored("other_event")
    if fields.get("livemode") is not True and not test_events:
        return Ignored("test_mode")
    try:
        return reader(_object(_object(fields.get("data")).get("object")), fields)
    except _UnreadableError as error:
        return Unreadable(str(error))


def conversion(
    sale: Sale, ref: CtaRef | None, earlier: ConversionRecorded | None
) -> ConversionRecorded | None:
    """Return what to record, None where nothing leads from the sale to us.

    `ref` is what the sale's token stands for, `earlier` what the log has of `sale.follows`: what
    the sale does not say itself is taken from there.
    """
    story: dict[str, Any] = {name: getattr(earlier, name) for name in _STORY} if earlier else {}
    story |= {"delivery": ref.delivery, "cta": ref.cta} if ref else {}
    story |= {name: said for name in _SAID if (said := getattr(sale.trace, name)) is not None}
    if not story:
        return None
    return ConversionRecorded(
        source=SOURCE,
        source_id=sale.id,
        kind=sale.kind,
        amount=sale.amount,
        currency=sale.currency,
        refund_of=sale.follows if sale.kind == "refund" else None,
        paid_until=sale.paid_until,
        occurred_at=sale.occurred_at,
        **story,
    )


def reference(*, fp_click: str = "", fp_cta: str = "") -> str:
    """Return the `client_reference_id` from which a click, or the token of a CTA, is read again.

    Stripe drops one silently that is not 1 to 200 of A-Z a-z 0-9 _ -.
    """
    return f"{_CLICK_MARK}{fp_click}" if fp_click else fp_cta


def units(minor: int, currency: str) -> Decimal:
    """Return whole units of `currency` of an amount as Stripe's API writes it."""
    places = 0 if currency in _WHOLE else 3 if currency in _THOUSANDTHS else 2
    return Decimal(minor).scaleb(-places)


class _UnreadableError(Exception):
    """The message names the field."""


def _checkout(session: dict[str, Any], event: dict[str, Any]) -> Sale | Ignored:
    subscribed = session.get("mode") == "subscription"
    # A trial is free, but what is paid after it often has no other trace than its beginning.
    done = ("paid", "no_payment_required") if subscribed else ("paid",)
    if session.get("payment_status") not in done:
        return Ignored("not_paid")
    if not subscribed and session.get("mode") != "payment":
        return Ignored("no_payment")
    paid_for = _optional_id(session.get("subscription" if subscribed else "payment_intent"))
    return Sale(
        kind="subscription" if subscribed else "payment",
        id=paid_for or _id(session, "id"),
        **_money(session, "amount_total"),
        occurred_at=_moment(event, "created"),
        trace=_trace(session.get("metadata"), session.get("client_reference_id")),
    )


def _invoice(invoice: dict[str, Any], event: dict[str, Any]) -> Sale | Ignored:
    kind = _INVOICES.get(str(invoice.get("billing_reason")))
    if kind is None:
        return Ignored("other_invoice")
    if invoice.get("amount_paid") == 0:
        return Ignored("not_paid")
    # Since the API version 2025-03-31 both stand below `parent`.
    parent = _object(_object(invoice.get("parent")).get("subscription_details"))
    details = parent or _object(invoice.get("subscription_details"))
    subscription = _optional_id(parent.get("subscription") or invoice.get("subscription"))
    if subscription is None:
        raise _UnreadableError("invoice.subscription is no id")
    first = kind == "subscription"
    return Sale(
        kind=kind,
        id=subscription if first else _id(invoice, "id"),
        **_money(invoice, "amount_paid"),
        occurred_at=_moment(event, "created"),
        trace=_trace(details.get("metadata")),
        follows=None if first else subscription,
        paid_until=_paid_until(invoice),
    )


def _refund(charge: dict[str, Any], event: dict[str, Any]) -> Sale:
    money = _money(charge, "amount_refunded")
    before = _object(_object(event.get("data")).get("previous_attributes"))
    earlier = _whole(before, "amount_refunded")
    money["amount"] = units(earlier, money["currency"]) - money["amount"]
    if money["amount"] >= 0:
        raise _UnreadableError("amount_refunded did not grow")
    paid = _optional_id(charge.get("invoice")) or _optional_id(charge.get("payment_intent"))
    return Sale(
        kind="refund",
        id=f"{_id(charge, 'id')}-{charge['amount_refunded']}",
        **money,
        occurred_at=_moment(event, "created"),
        trace=_trace(charge.get("metadata")),
        follows=paid or _id(charge, "id"),
    )


_READERS = {
    "checkout.session.completed": _checkout,
    "checkout.session.async_payment_succeeded": _checkout,
    "invoice.paid": _invoice,
    "charge.refunded": _refund,
}
WANTED = tuple(_READERS)
"""The types of event that the endpoint is to be sent."""


def _trace(metadata: object, reference: object = None) -> Trace:
    said = _object(metadata)
    tokens = (said.get("fingerpost_token"), reference)
    click, user = said.get("fingerpost_click", _click_in(reference)), said.get("fingerpost_user")
    return Trace(
        tuple(token for token in tokens if isinstance(token, str)),
        click if isinstance(click, str) and _CLICK.fullmatch(click) else None,
        int(user) if isinstance(user, str) and re.fullmatch(r"[1-9][0-9]{0,17}", user) else None,
    )


def _click_in(reference: object) -> str | None:
    """Return the click of a `client_reference_id`; marked, as shops have ids of their own there."""
    if not isinstance(reference, str) or not reference.startswith(_CLICK_MARK):
        return None
    return reference.removeprefix(_CLICK_MARK)


def _paid_until(invoice: dict[str, Any]) -> datetime | None:
    lines = _object(invoice.get("lines")).get("data")
    periods = (
        [_object(_object(line).get("period")) for line in lines] if isinstance(lines, list) else []
    )
    ends = [_moment(period, "end") for period in periods if "end" in period]
    return max(ends, default=None)


def _money(fields: dict[str, Any], name: str) -> dict[str, Any]:
    currency = fields.get("currency")
    if not isinstance(currency, str) or not _CURRENCY.fullmatch(currency):
        raise _UnreadableError("currency is no three letters")
    currency = currency.upper()
    return {"amount": units(_whole(fields, name), currency), "currency": currency}


def _whole(fields: dict[str, Any], name: str) -> int:
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise _UnreadableError(f"{name} is no amount")
    return value


def _moment(fields: dict[str, Any], name: str) -> datetime:
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= _LAST_SECOND:
        raise _UnreadableError(f"{name} is no time")
    return datetime.fromtimestamp(value, UTC)


def _id(fields: dict[str, Any], name: str) -> str:
    found = _optional_id(fields.get(name))
    if found is None:
        raise _UnreadableError(f"{name} is no id")
    return found


def _optional_id(value: object) -> str | None:
    """Return an id that stands by itself, or in the object that it was expanded to."""
    value = value.get("id") if isinstance(value, dict) else value
    return value if isinstance(value, str) and _ID.fullmatch(value) else None


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
