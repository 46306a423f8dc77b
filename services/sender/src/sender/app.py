"""Composition root: the only place that knows how the sender is put together."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import nats.errors
from aiogram.exceptions import AiogramError
from faststream.nats import NatsRouter
from nats.js.errors import Error as JetStreamError
from prometheus_client import Gauge

from chassis.clock import Clock, utc_now
from chassis.console import UnavailableError
from chassis.lease import Lease
from chassis.log_clock import LogClock
from chassis.logs import logger
from chassis.service import Connection, Service
from chassis.settings import load
from contracts.ids import MAIN_BOT, DeliveryId
from contracts.streams import (
    SENDER_GUIDE,
    SENDER_LEASE,
    SENDER_PROMO,
    SENDER_SENT,
    SENDER_SPENDING,
)
from contracts.token import TokenSigner
from sender.afterlife import KIND, SHARE, Afterlife, take_in
from sender.channels import Channels
from sender.clock_watch import ClockWatch
from sender.console.answers import Tested
from sender.console.selftest import SelfTest
from sender.domain.channels import Chats
from sender.domain.content import ButtonMaker
from sender.domain.pacing import Limits, Pacing
from sender.followups import FollowUps
from sender.handlers import Desk, router, take_up_resolved
from sender.lane import Lane, Room, Token
from sender.ledger import Ledger
from sender.limiter import Limiter
from sender.memory import remember
from sender.purse import Purse
from sender.settings import Settings
from sender.telegram import Telegram
from sender.witness import Witness

_RETRY_LOG_SECONDS = 0.5
_LOOK_SECONDS = 0.1
_AWAY = (JetStreamError, nats.errors.Error, TimeoutError, OSError)
_RECORD_SECONDS = 10
"""How long a stop waits, after the longest send, for the log to take its outcome."""
_ACTIVE = Gauge(
    "fingerpost_sender_active", "1 while this process sends for its bots, 0 while it stands by."
)

log = logger(__name__)


@dataclass(frozen=True)
class Bot:
    """One bot of the settings, for as long as the process runs."""

    id: int
    telegram: Telegram
    token: Token
    witness: Witness
    chats: Chats


class Lanes:
    """Sends for all bots of the settings: stands by, then takes what is due."""

    def __init__(
        self, service: Service, settings: Settings, clock: LogClock, watch: ClockWatch
    ) -> None:
        self._service = service
        self._settings = settings
        self._signer = TokenSigner(settings.cta_secrets())
        self._clock = clock
        self._watch = watch
        self._bots = {name: self._bot(name, token) for name, token in settings.tokens().items()}
        self._lease: Lease | None = None
        self._in_flight: set[DeliveryId] = set()
        self._finishing: set[asyncio.Task[None]] = set()

    async def run(self, connection: Connection) -> None:
        """Handle due events until the process stops."""
        main = self._bots[MAIN_BOT].id
        try:
            await self._service.broker.start()
            # What expired, and what may still be under way, is judged by times of other machines.
            await self._clock.begin(connection.reader)
            lease = self._lease = Lease(
                connection.js, SENDER_LEASE, str(main), self._settings.instance, active=_ACTIVE
            )
            while True:
                await _once(self._may_send)
                log.info("standing by", bot_id=main)
                await lease.acquire()
                await self._send(connection, lease)
        finally:
            await self._finish()

    @property
    def tokens(self) -> dict[str, Token]:
        """The token of each bot, by its name."""
        return {name: bot.token for name, bot in self._bots.items()}

    async def watch(self, connection: Connection) -> None:
        """Compare the clock, and find out whether Telegram accepts the bots' tokens, for ever."""
        tokens = (bot.token.watch() for bot in self._bots.values())
        await asyncio.gather(self._clock.run(connection.reader), *tokens)

    async def standing(self) -> str:
        """Readiness: a stand-by is ready, and says that it stands by."""
        return self._lease.standing if self._lease and self._may_send() else "not asked for"

    def _may_send(self) -> bool:
        """Whether any bot may, by a clock that is believed: else the lease is left to others."""
        accepted = any(bot.token.accepted for bot in self._bots.values())
        return accepted and not self._watch.hindrance()

    async def _send(self, connection: Connection, lease: Lease) -> None:
        """Take what is due while the lease is held and a bot may send."""
        try:
            async with _running(lease.keep()) as keeping:
                desk = await self._desk(connection, lease)
                async with (
                    self._at_work(connection, desk, lease),
                    _running(_once(lambda: not self._may_send())) as silenced,
                ):
                    await asyncio.wait({keeping, silenced}, return_when=asyncio.FIRST_COMPLETED)
                if keeping.done():
                    await keeping
        finally:
            await lease.release()

    @asynccontextmanager
    async def _at_work(
        self, connection: Connection, desk: Desk, lease: Lease
    ) -> AsyncIterator[None]:
        """Take in what is due as long as the block lasts; what was begun may last longer."""
        afterlife = Afterlife(
            desk.ledger,
            connection.reader,
            desk.lane_of,
            self._clock,
            hindrance=self._watch.hindrance,
        )
        due = router(desk)
        take_in(due, afterlife, len(desk.lanes))
        self._service.broker.include_router(due)
        try:
            async with (
                _running(take_up_resolved(connection.reader, desk)),
                _running(afterlife.keep_shelf()),
                _running(_follow_channels(desk)),
            ):
                while lease.held and not await _started(due):  # noqa: ASYNC110  nobody tells
                    await asyncio.sleep(_RETRY_LOG_SECONDS)
                yield
        finally:
            # From here on nothing starts, so another sender may: sends under way are in the log.
            desk.close()
            leaving = asyncio.create_task(self._leave(due))
            self._finishing.add(leaving)
            leaving.add_done_callback(self._finishing.discard)

    async def _leave(self, due: NatsRouter) -> None:
        """Take in no more by `due`, and forget it once its handlers came to their end."""
        for ended in await asyncio.gather(
            *(subscriber.stop() for subscriber in due.subscribers), return_exceptions=True
        ):
            if isinstance(ended, Exception):
                log.warning("a lane did not stop as it should", problem=repr(ended))
        self._service.broker.routers.remove(due)

    async def _finish(self) -> None:
        """Let what was begun come to its end, which needs Telegram and the log, and disconnect."""
        if self._finishing:
            await asyncio.wait(self._finishing, timeout=_stop_seconds(self._settings))
        await self._service.disconnect()
        for bot in self._bots.values():
            await bot.telegram.close()

    def _bot(self, name: str, token: str) -> Bot:
        settings = self._settings
        chats = Chats()
        telegram = Telegram(
            token,
            settings.telegram_api,
            self._clock,
            send_timeout=settings.send_timeout,
            chats=chats,
        )
        witness = Witness(
            telegram.bot,
            self._signer,
            self._clock,
            audit_chat=settings.audit_chat,
            explain=telegram.explain,
        )
        return Bot(telegram.bot.id, telegram, Token(telegram, name, _place(name)), witness, chats)

    async def _desk(self, connection: Connection, lease: Lease) -> Desk:
        """Return the desk, whose limits know of what was sent lately, whoever sent it."""
        accounts = {bot.id: self._pacing() for bot in self._bots.values()}
        lanes = {
            name: self._lane(connection, name, accounts[bot.id], lease)
            for name, bot in self._bots.items()
        }
        for lane in lanes.values():
            await lane.channels.recall()
        chats = {bot.id: bot.chats for bot in self._bots.values()}
        await remember(connection.reader, accounts, chats)
        return Desk(
            ledger=Ledger(connection.publisher, connection.reader),
            lanes=lanes,
            clock=self._clock,
            quarantine=self._settings.quarantine,
            instance=self._settings.instance,
            in_flight=self._in_flight,
            finishing=self._finishing,
            hindrance=self._watch.hindrance,
        )

    def _lane(self, connection: Connection, name: str, pacing: Pacing, lease: Lease) -> Lane:
        settings, bot = self._settings, self._bots[name]
        purse = Purse(connection.js, bot.id, settings.paid_stars, self._clock)
        limiter = Limiter(
            pacing,
            lambda: lease.held and bot.token.accepted,
            bot=name,
            spend=purse.take if settings.paid_rate else None,
        )
        bot.witness.paced_by(limiter.aside)
        return Lane(
            bot_id=bot.id,
            token=bot.token,
            telegram=bot.telegram,
            limiter=limiter,
            witness=bot.witness,
            channels=Channels(
                connection.publisher,
                connection.reader,
                bot.chats,
                self._clock,
                bot=name,
                bot_id=bot.id,
            ),
            follow_ups=FollowUps(bot.telegram, limiter, bot.witness, settings.quarantine),
            signer=self._signer,
            public_url=settings.public_url,
            room=Room(max(settings.rate, settings.paid_rate)),
        )

    def _pacing(self) -> Pacing:
        settings = self._settings
        return Pacing(
            Limits(
                shares={
                    "guide": settings.guide_share,
                    "promo": 1 - settings.guide_share,
                    KIND: SHARE,
                },
                per_second=settings.rate,
                chat_per_second=settings.chat_rate,
                channel_per_minute=settings.channel_rate,
                paid_per_second=max(0.0, settings.paid_rate - settings.rate),
                unhurried=(KIND,),
            )
        )


async def _once(true: Callable[[], bool]) -> None:
    while not true():  # noqa: ASYNC110  a token tells nobody, and nobody is in a hurry
        await asyncio.sleep(_LOOK_SECONDS)


async def _follow_channels(desk: Desk) -> None:
    await asyncio.gather(*(lane.channels.follow() for lane in desk.lanes.values()))


@asynccontextmanager
async def _running(work: Coroutine[Any, Any, None]) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()


async def _started(due: NatsRouter) -> bool:
    """Start what does not run yet; the consumers may still be electing a leader."""
    for subscriber in due.subscribers:
        if subscriber.running:
            continue
        try:
            await subscriber.start()
        except _AWAY as error:
            log.warning("cannot take what is due yet; will retry", problem=repr(error))
            await subscriber.stop()
            return False
    return True


def _place(name: str) -> str:
    """Return where the settings have the token of a bot, in words."""
    return "TELEGRAM_BOT_TOKEN" if name == MAIN_BOT else f"{name} in TELEGRAM_BOT_TOKENS"


def _stop_seconds(settings: Settings) -> int:
    return round(settings.send_timeout.total_seconds()) + _RECORD_SECONDS


def build(settings: Settings, *, clock: Clock = utc_now) -> Service:
    """Return the sender, ready to run."""
    right = LogClock(clock)
    service = Service(
        "sender",
        settings,
        consumers=(SENDER_GUIDE, SENDER_PROMO, SENDER_SENT),
        buckets=(SENDER_LEASE, SENDER_SPENDING),
        stop_seconds=_stop_seconds(settings),
        clock=right,
    )
    watch = ClockWatch(right)
    lanes = Lanes(service, settings, right, watch)
    for name, token in lanes.tokens.items():
        check = "telegram" if name == MAIN_BOT else f"telegram {name}"
        service.health.add(check, token.check)
    service.health.add("clock", watch.check)
    service.health.add("lease", lanes.standing)
    service.add(lanes.watch)
    service.add(lanes.run)
    return service


def settings() -> Settings:
    """Return what the environment says, or end the process."""
    return load(Settings)


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
    return build(load(Settings)).run()
