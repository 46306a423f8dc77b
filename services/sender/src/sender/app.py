"""Composition root: the only place that knows how the sender is put together."""

import asyncio

from aiogram.exceptions import AiogramError, TelegramUnauthorizedError
from aiogram.types import User

from chassis.clock import Clock, utc_now
from chassis.logs import logger
from chassis.service import Connection, Service
from chassis.settings import load, refuse
from contracts.streams import SENDER_GUIDE, SENDER_PROMO
from contracts.token import TokenSigner
from sender.domain.content import ButtonMaker
from sender.handlers import Desk, router
from sender.ledger import Ledger
from sender.settings import Settings
from sender.telegram import Telegram

_RETRY_SECONDS = 5
_RECORD_SECONDS = 10
"""How long a stop waits, after the longest send, for the log to take its outcome."""

log = logger(__name__)


class Lanes:
    """Sends for one bot token: finds out who the bot is, then takes what is due."""

    def __init__(self, service: Service, settings: Settings, clock: Clock) -> None:
        self._service = service
        self._settings = settings
        self._signer = TokenSigner(settings.cta_secrets())
        self._clock = clock
        self._problem: str | None = "the bot is not known yet"

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
            desk = self._desk(connection, telegram, bot)
            self._service.broker.context.set_global("desk", desk)
            await self._service.broker.start()
            await asyncio.Event().wait()
        finally:
            # The broker first waits for the handlers, which still need Telegram and the log.
            await self._service.disconnect()
            await telegram.close()

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

    def _desk(self, connection: Connection, telegram: Telegram, bot: User) -> Desk:
        public_url = self._settings.public_url
        return Desk(
            ledger=Ledger(connection.publisher, connection.reader),
            telegram=telegram,
            buttons=ButtonMaker(self._signer, bot.username or "", public_url),
            clock=self._clock,
            quarantine=self._settings.quarantine,
            bot_id=bot.id,
            instance=self._settings.instance,
        )


def build(settings: Settings, *, clock: Clock = utc_now) -> Service:
    """Return the sender, ready to run; raises ValueError for CTA keys that cannot be used."""
    stop_seconds = round(settings.send_timeout.total_seconds()) + _RECORD_SECONDS
    service = Service(
        "sender",
        settings,
        consumers=(SENDER_GUIDE, SENDER_PROMO),
        stop_seconds=stop_seconds,
        clock=clock,
    )
    service.broker.include_router(router)
    lanes = Lanes(service, settings, clock)
    service.health.add("telegram", lanes.check)
    service.add(lanes.run)
    return service


def main() -> int:
    """Run until SIGTERM."""
    try:
        service = build(load(Settings))
    except ValueError as error:
        refuse(str(error))
    return service.run()
