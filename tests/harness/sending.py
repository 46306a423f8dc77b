"""A sender that a test drives by hand, at a real log and a real sandbox."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

from chassis.clock import utc_now
from contracts.events import PromoDue
from contracts.examples import example
from contracts.ids import MAIN_BOT, delivery_id
from contracts.token import TokenSigner
from harness.logs import Log
from harness.sandboxes import BOT_ID, BOT_TOKEN, CHANNEL, Stage
from sender.channels import Channels
from sender.domain.channels import Chats
from sender.domain.pacing import Limits, Pacing
from sender.followups import FollowUps
from sender.handlers import Desk
from sender.lane import Lane, Room, Token
from sender.ledger import Ledger
from sender.limiter import Limiter
from sender.telegram import Telegram
from sender.witness import Witness

CTA_KEY = "0123456789abcdef"
QUARANTINE = timedelta(seconds=45)
"""Nobody waits for it, see `later`. A third of it is what the log may take to have a claim."""
_BELOW_ABSENT = timedelta(seconds=1)
"""How long a message below an album is to be absent, which is waited for."""
UNLIMITED = Limits(
    shares={"guide": 1, "promo": 1, "withdrawal": 1},
    per_second=10_000,
    chat_per_second=10_000,
    channel_per_minute=100_000,
)


@dataclass(frozen=True)
class Sending:
    """One sender that a test drives by hand."""

    desk: Desk
    telegram: Telegram
    stage: Stage
    log: Log

    @property
    def lane(self) -> Lane:
        """The lane of its one bot."""
        return self.desk.lanes[MAIN_BOT]

    async def posts(self, channel: int = CHANNEL) -> list[str]:
        """Return the texts that stand in the channel."""
        return [message["text"] for message in await self.stage.people.messages(channel)]


@asynccontextmanager
async def open_sender(
    stage: Stage,
    log: Log,
    *,
    audit_chat: str | None = None,
    send_timeout: timedelta = timedelta(seconds=10),
    quarantine: timedelta = QUARANTINE,
) -> AsyncIterator[Sending]:
    """Yield a sender without its lanes."""
    chats = Chats()
    telegram = Telegram(BOT_TOKEN, stage.api, utc_now, send_timeout=send_timeout, chats=chats)
    token = Token(telegram, MAIN_BOT, "TELEGRAM_BOT_TOKEN")
    await token.ask()
    signer = TokenSigner({"k1": CTA_KEY.encode()})
    limiter = Limiter(Pacing(UNLIMITED), lambda: True)
    witness = Witness(
        telegram.bot, signer, utc_now, audit_chat=audit_chat, explain=telegram.explain
    )
    lane = Lane(
        bot_id=BOT_ID,
        token=token,
        telegram=telegram,
        limiter=limiter,
        witness=witness,
        channels=Channels(log.publisher, log.reader, chats, utc_now, bot=MAIN_BOT, bot_id=BOT_ID),
        follow_ups=FollowUps(telegram, limiter, witness, _BELOW_ABSENT),
        signer=signer,
        public_url=None,
        room=Room(UNLIMITED.per_second),
    )
    desk = Desk(
        ledger=Ledger(log.publisher, log.reader),
        lanes={MAIN_BOT: lane},
        clock=utc_now,
        quarantine=quarantine,
        instance="test",
    )
    await lane.channels.recall()
    yield Sending(desk, telegram, stage, log)
    await telegram.close()


def later(desk: Desk, by: timedelta = QUARANTINE) -> Desk:
    """Return the desk as it is when so much time has passed."""
    return replace(desk, clock=lambda: desk.clock() + by)


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
