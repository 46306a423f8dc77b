"""A sender that a test drives by hand, at a real log and a real sandbox."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from chassis.clock import utc_now
from contracts.events import PromoDue
from contracts.examples import example
from contracts.ids import delivery_id
from contracts.token import TokenSigner
from harness.logs import Log
from harness.sandboxes import BOT_ID, BOT_TOKEN, BOT_USERNAME, CHANNEL, Stage
from sender.domain.content import ButtonMaker
from sender.handlers import Desk
from sender.ledger import Ledger
from sender.telegram import Telegram

CTA_KEY = "0123456789abcdef"


@dataclass(frozen=True)
class Sending:
    """One sender that a test drives by hand."""

    desk: Desk
    telegram: Telegram
    stage: Stage
    log: Log

    async def posts(self, channel: int = CHANNEL) -> list[str]:
        """Return the texts that stand in the channel."""
        return [message["text"] for message in await self.stage.people.messages(channel)]


@asynccontextmanager
async def open_sender(stage: Stage, log: Log) -> AsyncIterator[Sending]:
    """Yield a sender without its lanes."""
    telegram = Telegram(BOT_TOKEN, stage.api, utc_now, send_timeout=timedelta(seconds=10))
    desk = Desk(
        ledger=Ledger(log.publisher, log.reader),
        telegram=telegram,
        buttons=ButtonMaker(TokenSigner({"k1": CTA_KEY.encode()}), BOT_USERNAME, None),
        clock=utc_now,
        quarantine=timedelta(seconds=1),
        bot_id=BOT_ID,
        instance="test",
    )
    yield Sending(desk, telegram, stage, log)
    await telegram.close()


def due_now(number: int = 0, channel: int = CHANNEL, **overrides: object) -> PromoDue:
    """Return a promo that is due now; another `number` is another slot."""
    at = utc_now() - timedelta(seconds=number)
    fields = {
        "delivery": delivery_id("promos", str(channel), at),
        "channel": str(channel),
        "scheduled_for": at,
        "expires_at": at + timedelta(minutes=5),
    }
    return example(PromoDue, **{**fields, **overrides})
