"""Composition root: the only place that knows how the sender is put together."""

import asyncio
import time
from datetime import timedelta

import nats.errors
from aiogram.exceptions import AiogramError, TelegramUnauthorizedError
from aiogram.types import User
from nats.js.errors import Error as JetStreamError

from chassis.clock import Clock, utc_now
from chassis.console import UnavailableError
from chassis.log import Reader
from chassis.logs import logger
from chassis.service import Connection, Service
from chassis.settings import ServiceSettings, load, refuse
from contracts.events import MessageClaimed
from contracts.streams import SENDER_GUIDE, SENDER_LEASE, SENDER_PROMO, SENDER_SPENDING
from contracts.token import TokenSigner
from sender.console.answers import Tested
from sender.console.selftest import SelfTest
from sender.domain.content import ButtonMaker
from sender.domain.pacing import Limits, Pacing
from sender.handlers import Desk, router, take_up_resolved
from sender.lease import Lease
from sender.ledger import Ledger
from sender.limiter import Limiter
from sender.purse import Purse
from sender.settings import Settings
from sender.telegram import Telegram
from sender.witness import Witness

_RETRY_SECONDS = 5
_RETRY_LOG_SECONDS = 0.5
_RECORD_SECONDS = 10
"""How long a stop waits, after the longest send, for the log to take its outcome."""

_REMEMBERED = timedelta(seconds=70)
"""How far back what another sender claimed may still count for Telegram's limits; a minute does."""

log = logger(__name__)


class Lanes:
    """Sends for one bot token: finds out who the bot is, stands by, then takes what is due."""

    def __init__(self, service: Service, settings: Settings, clock: Clock) -> None:
        self._service = service
        self._settings = settings
        self._signer = TokenSigner(settings.cta_secrets())
        self._clock = clock
        self._problem: str | None = "the bot is not known yet"
        self._lease: Lease | None = None

    async def run(self, connection: Connection) -> None:
        """Handle due events until the process stops."""
        token = self._settings.telegram_bot_token.get_secret_value()
        telegram = Telegram(
            token,
            self._settings.telegram_api,
            self._clock,
            send_timeout=self._settings.send_timeout,
        )
        try:
            bot = await self._who_am_i(telegram)
            lease = self._lease = Lease(connection.js, bot.id, self._settings.instance)
            while True:
                log.info("standing by", bot_id=bot.id)
                await lease.acquire()
                await self._send(connection, telegram, bot, lease)
        finally:
            # The broker first waits for the handlers, which still need Telegram and the log.
            await self._service.disconnect()
            await telegram.close()

    async def _send(
        self, connection: Connection, telegram: Telegram, bot: User, lease: Lease
    ) -> None:
        """Take what is due while the lease is held."""
        limiter = await self._limiter(connection, bot, lease)
        desk = self._desk(connection, telegram, limiter, bot)
        self._service.broker.context.set_global("desk", desk)
        keeping = asyncio.create_task(lease.keep())
        resolved = asyncio.create_task(take_up_resolved(connection.reader, desk))
        try:
            await self._take_in(lease)
            await keeping
        finally:
            # From here on nothing starts, so another sender may: sends under way are in the log.
            limiter.close()
            keeping.cancel()
            resolved.cancel()
            await lease.release()
        await self._take_no_more()

    async def _take_in(self, lease: Lease) -> None:
        while lease.held:
            try:
                await self._start_taking()
            except (JetStreamError, nats.errors.Error, TimeoutError, OSError) as error:
                # The lease is there, but the consumers may still be electing a leader.
                log.warning("cannot take what is due yet; will retry", problem=repr(error))
                await self._take_no_more()
                await asyncio.sleep(_RETRY_LOG_SECONDS)
            else:
                return

    async def _start_taking(self) -> None:
        if not self._service.broker.running:
            await self._service.broker.start()
            return
        for subscriber in self._service.broker.subscribers:
            await subscriber.start()

    async def _take_no_more(self) -> None:
        for subscriber in self._service.broker.subscribers:
            await subscriber.stop()

    async def standing(self) -> str:
        """Readiness: a stand-by is ready, and says that it stands by."""
        return self._lease.standing if self._lease else "not yet asked for"

    async def check(self) -> None:
        """Readiness: the bot token was accepted."""
        if self._problem:
            raise RuntimeError(self._problem)

    async def _who_am_i(self, telegram: Telegram) -> User:
        while True:
            try:
                bot = await telegram.me()
            except TelegramUnauthorizedError:
                self._problem = (
                    "Telegram refused TELEGRAM_BOT_TOKEN; take a new one from @BotFather"
                )
            except AiogramError as error:
                self._problem = f"Telegram does not answer: {telegram.explain(error)}"
            else:
                self._problem = None
                log.info("sending as", bot=bot.username, bot_id=bot.id)
                return bot
            log.warning("cannot send yet; will retry", problem=self._problem)
            await asyncio.sleep(_RETRY_SECONDS)

    def _desk(
        self, connection: Connection, telegram: Telegram, limiter: Limiter, bot: User
    ) -> Desk:
        public_url = self._settings.public_url
        return Desk(
            ledger=Ledger(connection.publisher, connection.reader),
            telegram=telegram,
            limiter=limiter,
            witness=Witness(
                telegram.bot,
                self._signer,
                self._clock,
                audit_chat=self._settings.audit_chat,
                explain=telegram.explain,
            ),
            buttons=ButtonMaker(self._signer, bot.username or "", public_url),
            clock=self._clock,
            quarantine=self._settings.quarantine,
            bot_id=bot.id,
            instance=self._settings.instance,
        )

    async def _limiter(self, connection: Connection, bot: User, lease: Lease) -> Limiter:
        """Return the limiter, which knows of all claims in the last minute, whoever made them."""
        settings = self._settings
        pacing = Pacing(
            Limits(
                shares={"guide": settings.guide_share, "promo": 1 - settings.guide_share},
                per_second=settings.rate,
                chat_per_second=settings.chat_rate,
                channel_per_minute=settings.channel_rate,
                paid_per_second=max(0.0, settings.paid_rate - settings.rate),
            )
        )
        await _remember(connection.reader, pacing)
        purse = Purse(connection.js, bot.id, settings.paid_stars, self._clock)
        return Limiter(pacing, lambda: lease.held, spend=purse.take if settings.paid_rate else None)


async def _remember(reader: Reader, pacing: Pacing) -> None:
    while True:
        try:
            log_now = await reader.time()
        except (nats.errors.Error, TimeoutError, OSError) as error:
            log.warning("the log does not tell the time; will retry", problem=repr(error))
            await asyncio.sleep(_RETRY_LOG_SECONDS)
        else:
            break
    claims = await reader.replay((f"{MessageClaimed.fact()}.>",), since=log_now - _REMEMBERED)
    now = time.monotonic()
    for claim in claims:
        if isinstance(claim.envelope.data, MessageClaimed):
            age = (log_now - claim.envelope.time).total_seconds()
            pacing.remember(claim.envelope.data.channel, now - max(age, 0.0), now)
    log.info("taking what is due", remembered=len(claims))


def build(settings: Settings, *, clock: Clock = utc_now) -> Service:
    """Return the sender, ready to run; raises ValueError for CTA keys that cannot be used."""
    stop_seconds = round(settings.send_timeout.total_seconds()) + _RECORD_SECONDS
    service = Service(
        "sender",
        settings,
        consumers=(SENDER_GUIDE, SENDER_PROMO),
        buckets=(SENDER_LEASE, SENDER_SPENDING),
        stop_seconds=stop_seconds,
        clock=clock,
    )
    service.broker.include_router(router)
    lanes = Lanes(service, settings, clock)
    service.health.add("telegram", lanes.check)
    service.health.add("lease", lanes.standing)
    service.add(lanes.run)
    return service


def settings() -> Settings:
    """Return what the environment says, or end the process."""
    return load(Settings)


def log_settings() -> ServiceSettings:
    """Return what a command needs that only reads and writes the log, or end the process."""
    return load(ServiceSettings)


async def selftest(settings: Settings, channel: str, audit_chat: str | None) -> Tested:
    """Prove that a lost message in `channel` is found; raises UnavailableError."""
    signer = TokenSigner(settings.cta_secrets())
    token = settings.telegram_bot_token.get_secret_value()
    telegram = Telegram(token, settings.telegram_api, utc_now, send_timeout=settings.send_timeout)
    try:
        bot = await telegram.me()
        witness = Witness(
            telegram.bot, signer, utc_now, audit_chat=audit_chat, explain=telegram.explain
        )
        buttons = ButtonMaker(signer, bot.username or "", settings.public_url)
        return await SelfTest(telegram, witness, buttons, utc_now, channel).run()
    except AiogramError as error:
        raise UnavailableError(
            f"Telegram does not answer: {telegram.explain(error)}",
            "check TELEGRAM_BOT_TOKEN and FINGERPOST_TELEGRAM_API",
        ) from None
    finally:
        await telegram.close()


def main() -> int:
    """Run until SIGTERM."""
    try:
        service = build(load(Settings))
    except ValueError as error:
        refuse(str(error))
    return service.run()
