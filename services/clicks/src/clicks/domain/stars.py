"""Telegram Stars: what a payment, its refund and a transaction of the bot mean.

Money that changed hands is recorded even where its token is not believed any more, as of an offer
whose key was rotated away: without a delivery then. A payload that never was a token of ours
belongs to another product of the same bot.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from clicks.domain.calls import say
from clicks.domain.decisions import STARS, Decision, moment
from clicks.domain.updates import Payment, Refund
from clicks.domain.words import words_in
from contracts.events import ConversionRecorded
from contracts.ids import person_token
from contracts.token import CtaRef

SOURCE = "stars"
PAID = f"conversion.recorded.*.{SOURCE}.*"
"""Matches all that was ever paid in Stars, and paid back."""

_LATE = timedelta(days=7)
"""How long after the end of a period we take a payment for its renewal."""
_LONGEST = 10**9
_SUBSCRIBED = {"subscription", "renewal"}


@dataclass(frozen=True)
class Transaction:
    """A payment to the bot, or (`returned`) one that was paid back.

    Telegram names both by the charge. `period` is zero for what is no subscription.
    """

    charge: str
    user_id: int
    payload: str
    amount: int
    at: datetime
    returned: bool
    period: timedelta = timedelta()

    @property
    def source_id(self) -> str:
        """The `source_id` under which the log has it."""
        return refund_id(self.charge) if self.returned else self.charge


@dataclass(frozen=True)
class Place:
    """How far a list of transactions was read: so many rows, and the mark of the last of them."""

    read: int = 0
    last: str = ""

    def text(self) -> bytes:
        """Return what `of` reads."""
        return f"{self.read} {self.last}".encode()

    @classmethod
    def of(cls, text: bytes) -> "Place | None":
        """Return the place that was written as `text`, None for anything else."""
        read, _, last = text.decode(errors="replace").partition(" ")
        return cls(int(read), last) if read.isdecimal() else None


def mark_of(row: object) -> str:
    """Return what tells a row of getStarTransactions from others: a refund has its payment's id."""
    match row:
        case {"id": str(charge), "date": int(date), **rest}:
            return f"{charge} {date}{' returned' if 'receiver' in rest else ''}"
    return ""


def refund_id(charge: str) -> str:
    """Return the `source_id` of a refund: Telegram has no name for it but the payment's."""
    return f"refund-{charge}"


def paid_by(user_id: int) -> str:
    """Return a wildcard that matches all that a person paid in Stars."""
    return f"conversion.recorded.{person_token(user_id)}.{SOURCE}.*"


def record_payment(payment: Payment, ref: CtaRef | None, now: datetime) -> Decision:
    """Record what a person paid; `ref` is None where the token is not believed any more."""
    paid = ConversionRecorded(
        source=SOURCE,
        source_id=payment.id,
        kind=_kind(payment),
        amount=Decimal(payment.amount),
        currency=STARS,
        user_id=payment.user_id,
        **_credit(ref),
        paid_until=_instant(payment.until),
        occurred_at=moment(payment.sent_at, now),
    )
    return Decision((say(payment.chat_id, words_in(payment.language).thanks),), paid)


def record_refund(refund: Refund, ref: CtaRef | None, now: datetime) -> Decision:
    """Record what a person was paid back; Telegram tells them itself."""
    returned = ConversionRecorded(
        source=SOURCE,
        source_id=refund_id(refund.id),
        kind="refund",
        amount=Decimal(-refund.amount),
        currency=STARS,
        user_id=refund.user_id,
        **_credit(ref),
        refund_of=refund.id,
        occurred_at=moment(refund.sent_at, now),
    )
    return Decision(event=returned)


def transaction(row: object) -> Transaction | None:
    """Read a row of getStarTransactions; None where no person paid an invoice, or was paid back.

    Such are withdrawals, gifts and paid media.
    """
    match row:
        case {"id": str(charge), "amount": int(amount), "receiver": partner}:
            returned = True
        case {"id": str(charge), "amount": int(amount), "source": partner}:
            returned = amount < 0
        case _:
            return None
    match partner, date_of(row):
        case (
            {"type": "user", "user": {"id": int(user_id)}, "invoice_payload": str(payload)},
            datetime() as at,
        ):
            period = timedelta(seconds=_seconds(partner.get("subscription_period")))
            return Transaction(charge, user_id, payload, abs(amount), at, returned, period)
    return None


def date_of(row: object) -> datetime | None:
    """Return when a row of getStarTransactions was made, None where it does not say."""
    match row:
        case {"date": int(seconds)}:
            return _instant(seconds)
    return None


def recovered(
    paid: Transaction, ref: CtaRef | None, earlier: Iterable[ConversionRecorded]
) -> ConversionRecorded:
    """Return the conversion that a transaction is; `earlier` is what the person paid before.

    A transaction does not say whether it begins a subscription or renews one: it renews where
    the person had paid for the same thing until about then.
    """
    fields: dict[str, Any] = {"kind": "payment", "amount": Decimal(paid.amount)}
    if paid.returned:
        fields |= {"kind": "refund", "amount": Decimal(-paid.amount), "refund_of": paid.charge}
    elif paid.period:
        renews = any(_leads_to(before, paid, ref) for before in earlier)
        fields |= {"kind": "renewal" if renews else "subscription"}
        fields |= {"paid_until": paid.at + paid.period}
    return ConversionRecorded(
        source=SOURCE,
        source_id=paid.source_id,
        currency=STARS,
        user_id=paid.user_id,
        **_credit(ref),
        occurred_at=paid.at,
        **fields,
    )


def _leads_to(before: ConversionRecorded, paid: Transaction, ref: CtaRef | None) -> bool:
    same = {"delivery": before.delivery, "cta": before.cta} == _credit(ref)
    until = before.paid_until or before.occurred_at + paid.period
    in_time = before.occurred_at <= paid.at <= until + _LATE
    other = before.source_id != paid.source_id
    return before.kind in _SUBSCRIBED and same and in_time and other


def _kind(payment: Payment) -> Literal["payment", "subscription", "renewal"]:
    if payment.first:
        return "subscription"
    return "renewal" if payment.recurring else "payment"


def _credit(ref: CtaRef | None) -> dict[str, Any]:
    return {"delivery": ref and ref.delivery, "cta": ref.cta if ref else None}


def _seconds(value: object) -> int:
    return value if isinstance(value, int) and 0 < value < _LONGEST else 0


def _instant(seconds: int | None) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC) if seconds else None
    except (OverflowError, ValueError, OSError):
        return None
