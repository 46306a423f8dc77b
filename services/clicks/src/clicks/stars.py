"""Records what Telegram tells of Stars: payments, the periods of subscriptions, and refunds."""

from datetime import datetime
from typing import Protocol

from chassis.clock import Clock
from chassis.logs import logger
from clicks.domain.decisions import STARS, Decision
from clicks.domain.stars import record_payment, record_refund
from clicks.domain.updates import Payment, Refund
from clicks.journal import Journal
from contracts.token import CtaRef, InvalidTokenError, TokenSigner, has_shape

FOREIGN = "foreign payment"
_OTHER_CURRENCY = "other currency"

log = logger(__name__)


class _Record(Protocol):
    def __call__(self, ref: CtaRef | None, now: datetime) -> Decision: ...


class Stars:
    """Once Telegram names the money, it has changed hands: nothing is asked for but the record."""

    def __init__(self, signer: TokenSigner, journal: Journal, clock: Clock) -> None:
        self._signer = signer
        self._journal = journal
        self._clock = clock

    async def paid(self, payment: Payment) -> Decision:
        """Record a payment; raises LogUnavailableError."""
        return await self._told(payment, lambda ref, now: record_payment(payment, ref, now))

    async def returned(self, refund: Refund) -> Decision:
        """Record that a payment was paid back; raises LogUnavailableError."""
        return await self._told(refund, lambda ref, now: record_refund(refund, ref, now))

    async def _told(self, told: Payment | Refund, record: _Record) -> Decision:
        if not has_shape(told.token):
            return Decision(refused=FOREIGN)
        if told.currency != STARS:
            return Decision(refused=_OTHER_CURRENCY)
        ref = believed(self._signer, told.token, told.id)
        due = await self._journal.due(ref.delivery) if ref else None
        decision = record(ref, self._clock())
        if decision.event:
            await self._journal.record(decision.event, due)
        return decision


def believed(signer: TokenSigner, payload: str, charge: str) -> CtaRef | None:
    """Return what the payload of a charge stands for, None where its key was withdrawn."""
    try:
        return signer.verify(payload)
    except InvalidTokenError as error:
        problem = f"{error}: keep a key in FINGERPOST_CTA_KEYS while its offers can be paid"
        log.warning("money came by a token not believed", source_id=charge, problem=problem)
        return None
