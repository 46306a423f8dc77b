"""Stories about updates: given what the log holds, when an update comes, then what follows."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chassis.log import LogUnavailableError
from clicks.catalogue import Posted
from clicks.domain.calls import Bot
from clicks.domain.limits import Limit
from clicks.domain.updates import Payment, Refund
from clicks.handlers import Handlers
from clicks.journal import Journal
from clicks.stars import Stars
from contracts.campaign import Cta
from contracts.envelope import Envelope
from contracts.events import Event, PromoDue
from contracts.examples import BOT, PROMO_DELIVERY, USER, example
from contracts.token import CtaRef, TokenSigner

NOW = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)
SIGNER = TokenSigner({"k1": b"a secret of the tests"})
PROMO_TOKEN = SIGNER.sign(CtaRef(PROMO_DELIVERY, 0))


@dataclass
class FakeLog:
    """Publisher and catalogue in one; `away` makes it acknowledge nothing.

    `posted_by` is the bot whose claim of all deliveries it has.
    """

    dues: dict[str, Envelope] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    away: bool = False
    posted_by: int | None = BOT

    async def posted(self, delivery: str) -> Posted | None:
        due = self.dues.get(delivery)
        return Posted(due, self.posted_by) if due else None

    async def publish(self, event: Event, *, cause: Envelope | None, patience: float) -> None:
        await asyncio.sleep(0)  # others come meanwhile
        if self.away:
            raise LogUnavailableError("away")
        self.events.append(event)

    async def publish_once(
        self, event: Event, *, over: str, cause: Envelope | None, patience: float
    ) -> bool:
        assert over == event.once_over
        await self.publish(event, cause=cause, patience=patience)
        return True


@dataclass
class Story:
    """Handlers over a fake log that holds one promo: an offer (CTA 0) and a reminder (CTA 1)."""

    log: FakeLog
    handlers: Handlers

    async def when(self, update: object) -> list[dict[str, Any]]:
        return [call.body() for call in await self.handlers.update(update)]

    def token(self, cta: int = 0) -> str:
        return SIGNER.sign(CtaRef(PROMO_DELIVERY, cta))

    def given_ctas(self, *ctas: Cta) -> None:
        self.log.dues[PROMO_DELIVERY] = due_with(*ctas)


def due_with(*ctas: Cta) -> Envelope:
    variant = example(PromoDue).variant.model_copy(update={"ctas": ctas})
    due = example(PromoDue, variant=variant)
    return Envelope.of(due, source="/scheduler", now=due.scheduled_for, cause=None)


def new_story() -> Story:
    log = FakeLog({PROMO_DELIVERY: due_with(*example(PromoDue).variant.ctas)})
    journal = Journal()
    journal.open(log, log)
    handlers = Handlers(
        SIGNER, journal, lambda: NOW, each=Limit(120, timedelta(minutes=1)), remembered=9
    )
    stars = Stars(SIGNER, journal, lambda: NOW)
    handlers.hand(Payment, stars.paid)
    handlers.hand(Refund, stars.returned)
    handlers.meet(Bot(BOT, "guide_bot"))
    return Story(log, handlers)


@pytest.fixture
def story() -> Story:
    return new_story()


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture(scope="session")
def fresh_story() -> Callable[[], Story]:
    """For tests of many examples: a story for each."""
    return new_story


class Updates:
    """Updates as Telegram sends them."""

    def tap(self, token: object = PROMO_TOKEN, **fields: Any) -> dict[str, Any]:
        query = {
            "id": "4382bf",
            "from": {"id": USER, "is_bot": False, "first_name": "Ann"},
            "message": {"message_id": 42, "chat": {"id": -1001, "type": "channel"}},
            "data": token,
        }
        return {"update_id": 7, "callback_query": {**query, **fields}}

    def said(self, text: object, *, chat_type: str = "private", **fields: Any) -> dict[str, Any]:
        message = {
            "message_id": 5,
            "from": {"id": USER},
            "chat": {"id": USER, "type": chat_type},
            "date": int(NOW.timestamp()),
            "text": text,
        }
        return {"update_id": 8, "message": {**message, **fields}}

    def checkout(self, token: object = PROMO_TOKEN, **fields: Any) -> dict[str, Any]:
        query = {"id": "77", "from": {"id": USER}, "currency": "XTR", "total_amount": 250}
        return {
            "update_id": 9,
            "pre_checkout_query": {**query, "invoice_payload": token, **fields},
        }

    def paid(
        self, token: object = PROMO_TOKEN, date: int | None = None, **fields: Any
    ) -> dict[str, Any]:
        payment = {
            "currency": "XTR",
            "total_amount": 250,
            "invoice_payload": token,
            "telegram_payment_charge_id": "stx-1",
        }
        message = {
            "from": {"id": USER},
            "chat": {"id": USER, "type": "private"},
            "date": date or int(NOW.timestamp()),
            "successful_payment": {**payment, **fields},
        }
        return {"update_id": 10, "message": message}

    def refunded(self, token: object = PROMO_TOKEN, **fields: Any) -> dict[str, Any]:
        refund = {
            "currency": "XTR",
            "total_amount": 250,
            "invoice_payload": token,
            "telegram_payment_charge_id": "stx-1",
        }
        message = {
            "from": {"id": BOT, "is_bot": True},
            "chat": {"id": USER, "type": "private"},
            "date": int(NOW.timestamp()),
            "refunded_payment": {**refund, **fields},
        }
        return {"update_id": 11, "message": message}


@pytest.fixture(scope="session")
def updates() -> Updates:
    return Updates()
