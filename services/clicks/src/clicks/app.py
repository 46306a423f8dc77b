"""Puts clicks together."""

from starlette.routing import BaseRoute

from chassis.clock import Clock, utc_now
from chassis.logs import logger
from chassis.service import Connection, Service
from chassis.settings import load, refuse
from clicks.catalogue import Catalogue
from clicks.handlers import PATIENCE, Handlers
from clicks.polling import poll
from clicks.registration import keep_registered
from clicks.routes import WEBHOOK_PATH, redirect, webhook
from clicks.settings import Settings
from clicks.telegram import Telegram
from contracts.token import TokenSigner

log = logger(__name__)


def main() -> int:
    """Serve until SIGTERM; return the exit status."""
    return build(load(Settings)).run()


def build(settings: Settings, *, clock: Clock = utc_now) -> Service:
    """Return the service, not yet running."""
    telegram = Telegram(settings.telegram_api, settings.bot_token.get_secret_value())
    handlers = Handlers(_signer(settings), clock)
    routes: list[BaseRoute] = [redirect(handlers.link)]
    if settings.clicks_mode == "webhook":
        secret = _secret(settings)
        routes.append(webhook(handlers.update, telegram.answer, secret=secret))
    service = Service("clicks", settings, routes=routes, clock=clock)
    service.health.add("telegram", telegram.check)

    async def serve(connection: Connection) -> None:
        handlers.open(connection.publisher, Catalogue(connection.reader, patience=PATIENCE))
        async with telegram:
            bot = await telegram.introduce()
            handlers.meet(bot)
            log.info("receiving", mode=settings.clicks_mode, bot=bot.username, bot_id=bot.id)
            await _receive(settings, telegram, handlers)

    service.add(serve)
    return service


async def _receive(settings: Settings, telegram: Telegram, handlers: Handlers) -> None:
    if settings.clicks_mode == "polling":
        await poll(telegram, handlers.update)
    else:
        url = f"{settings.webhook_url}{WEBHOOK_PATH}"
        await keep_registered(telegram, url=url, secret=_secret(settings))


def _secret(settings: Settings) -> str:
    if settings.webhook_secret is None:
        refuse("FINGERPOST_WEBHOOK_SECRET: needed to tell Telegram's requests from others")
    return settings.webhook_secret.get_secret_value()


def _signer(settings: Settings) -> TokenSigner:
    try:
        return TokenSigner(settings.cta_secrets())
    except ValueError as error:
        refuse(str(error))
