"""Puts clicks together."""

import asyncio
from datetime import timedelta
from typing import Literal

from starlette.routing import BaseRoute, Route

from chassis.clock import Clock, utc_now
from chassis.console import RefusedError
from chassis.lease import Lease
from chassis.log_clock import LogClock
from chassis.logs import logger
from chassis.service import Connection, Service
from chassis.settings import load
from clicks import api
from clicks.callers import Callers
from clicks.catalogue import Catalogue
from clicks.console import answers
from clicks.console import webhook as console
from clicks.console.refund import refund as pay_back
from clicks.conversions import Conversions
from clicks.domain.calls import Bot
from clicks.domain.limits import Limit
from clicks.domain.membership import Admitted
from clicks.domain.updates import Join, JoinRequest, Payment, Refund
from clicks.domain.webhook import PATH, Webhook
from clicks.early import Early
from clicks.handlers import Handlers
from clicks.joins import Joins
from clicks.journal import PATIENCE, Journal
from clicks.membership import Membership
from clicks.metrics import POLLING
from clicks.polling import Poller
from clicks.recovery import Listing, Recovery
from clicks.registration import keep_registered
from clicks.replies import Replies
from clicks.routes import Answer, redirect
from clicks.routes import webhook as receive_updates
from clicks.settings import Settings, several
from clicks.signatures import standard_webhooks, stripe
from clicks.stars import Stars
from clicks.stripe_webhook import StripeEvents
from clicks.telegram import Telegram
from contracts.streams import CLICKS_LEASE, CLICKS_STARS, CLICKS_STRIPE
from contracts.token import TokenSigner

_MINUTE = timedelta(minutes=1)
_WRONG_SIGNATURES = 30
"""So many of one address are looked at in a minute."""

log = logger(__name__)


def main() -> int:
    """Serve until SIGTERM; return the exit status."""
    return build(settings()).run()


def settings() -> Settings:
    """Return what the environment says, or end the process."""
    return load(Settings)


async def webhook(settings: Settings, act: Literal["set", "info", "delete"]) -> answers.Answer:
    """See to the bot's webhook; raises CommandError."""
    wanted = _webhook(settings) if settings.clicks_mode == "webhook" else None
    async with _telegram(settings) as telegram:
        if act == "info":
            return await console.look(telegram, wanted, now=utc_now())
        if act == "delete":
            return await console.remove(telegram, set_again=wanted is not None)
        if wanted is None:
            raise RefusedError(
                "FINGERPOST_CLICKS_MODE=polling wants no webhook",
                "set it to webhook, and FINGERPOST_WEBHOOK_URL and FINGERPOST_WEBHOOK_SECRET",
            )
        return await console.put(telegram, wanted, secret=_secret(settings), now=utc_now())


async def refund(settings: Settings, charge: str, user_id: int) -> answers.Answer:
    """Pay a payment in Stars back; raises CommandError."""
    async with _telegram(settings) as telegram:
        return await pay_back(telegram, charge, user_id)


def build(settings: Settings, *, clock: Clock = utc_now) -> Service:
    """Return the service, not yet running."""
    telegram, right = _telegram(settings), LogClock(clock)
    journal, early = Journal(), Early()
    each, remembered = Limit(settings.taps_per_minute, _MINUTE), settings.remembered_deliveries
    handlers = Handlers(_signer(settings), journal, right, each=each, remembered=remembered)
    stars = Stars(_signer(settings), journal, right)
    joins = Joins(telegram, journal, right)
    recovery = Recovery(Listing(telegram), _signer(settings), journal, right)
    handlers.hand(Payment, stars.paid)
    handlers.hand(Refund, stars.returned)
    handlers.hand(Join, joins.joined)
    handlers.hand(JoinRequest, joins.asked)
    handlers.hand(Admitted, Membership(journal, right).admitted)
    handlers.invite(joins.link)
    answer = Replies(telegram, joins, journal).answer
    polls = settings.clicks_mode == "polling"
    poller = Poller(telegram, handlers.update, answer) if polls else None
    service = Service(
        "clicks",
        settings,
        hot=_hot(settings, handlers, answer, right),
        routes=_api(settings, journal, early, right),
        buckets=(CLICKS_STARS, CLICKS_STRIPE, *((CLICKS_LEASE,) if poller else ())),
        clock=right,
    )
    service.health.add("telegram", telegram.check)
    if poller:
        service.health.add("poller", poller.standing)

    async def receive(connection: Connection, bot: Bot) -> None:
        if poller:
            await poller.run(_lease(settings, connection, bot))
        else:
            await keep_registered(telegram, _webhook(settings), secret=_secret(settings))

    async def serve(connection: Connection) -> None:
        catalogue = Catalogue(connection.reader, patience=PATIENCE, remembered=remembered)
        journal.open(connection.publisher, catalogue)
        early.open(connection.js)
        joins.open(connection.publisher, connection.reader)
        async with telegram, asyncio.TaskGroup() as group:
            group.create_task(right.run(connection.reader))
            bot = await telegram.introduce()
            handlers.meet(bot)
            joins.meet(bot)
            log.info("receiving", mode=settings.clicks_mode, bot=bot.username, bot_id=bot.id)
            group.create_task(receive(connection, bot))
            every = settings.stars_seconds
            group.create_task(recovery.run(connection, bot.id, every=every))

    service.add(serve)
    return service


def _hot(settings: Settings, handlers: Handlers, answer: Answer, clock: Clock) -> list[Route]:
    callers = _callers(settings, settings.links_per_minute, clock)
    routes = [redirect(handlers.link, callers)]
    if settings.clicks_mode == "webhook":
        secrets = several(settings.webhook_secret)
        routes.append(receive_updates(handlers.update, answer, secrets=secrets))
    return routes


def _api(settings: Settings, journal: Journal, early: Early, clock: Clock) -> list[BaseRoute]:
    signer, callers = _signer(settings), _callers(settings, _WRONG_SIGNATURES, clock)
    ours, stripes = several(settings.conversion_secrets), several(settings.stripe_secrets)
    conversions = Conversions(signer, journal, clock)
    events = StripeEvents(signer, journal, early, test_events=settings.stripe_test_events)
    return [
        api.conversions(
            conversions.record,
            api.Door(
                standard_webhooks(ours) if ours else None,
                callers,
                setting="FINGERPOST_CONVERSION_SECRETS",
            ),
        ),
        api.stripe(
            events.handle,
            api.Door(
                stripe(stripes) if stripes else None, callers, setting="FINGERPOST_STRIPE_SECRETS"
            ),
        ),
        api.openapi(),
    ]


def _callers(settings: Settings, per_minute: int, clock: Clock) -> Callers:
    limit = Limit(per_minute, _MINUTE)
    return Callers(limit, trusted_proxies=settings.trusted_proxies, clock=clock)


def _telegram(settings: Settings) -> Telegram:
    return Telegram(settings.telegram_api, settings.bot_token.get_secret_value())


def _webhook(settings: Settings) -> Webhook:
    return Webhook(f"{settings.webhook_url}{PATH}", settings.webhook_connections)


def _lease(settings: Settings, connection: Connection, bot: Bot) -> Lease:
    instance = settings.instance
    return Lease(connection.js, CLICKS_LEASE, str(bot.id), instance, active=POLLING)


def _secret(settings: Settings) -> str:
    """Return the secret that Telegram is told."""
    return several(settings.webhook_secret)[0]


def _signer(settings: Settings) -> TokenSigner:
    return TokenSigner(settings.cta_secrets())
