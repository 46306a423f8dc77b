"""One bot: whether Telegram accepts its token, and all that sends by it.

A token that is refused stops its lane and nothing else: what is due by it waits in the log, no
attempt is made, and Telegram is asked until it accepts the token again.
"""

import asyncio
import math
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from aiogram.exceptions import AiogramError, TelegramNotFound, TelegramUnauthorizedError
from aiogram.types import User
from faststream.nats.message import NatsMessage
from nats.aio.msg import Msg
from prometheus_client import Gauge

from chassis.logs import logger
from contracts.subjects import inbox_of
from contracts.token import TokenSigner
from sender.channels import Channels
from sender.domain.content import ButtonMaker
from sender.followups import FollowUps
from sender.limiter import Later, Limiter
from sender.telegram import Telegram
from sender.witness import Witness

WORKERS = 32
"""How many deliveries of a kind one lane handles at once."""
INBOX = f"{inbox_of('sender')}.".encode()
"""FastStream asks nats-py for a common inbox, whatever the connection's own is."""

_FIRST_PAUSE = 2.0
_GROWTH = 1.5
_LONGEST_PAUSE = 60.0
_SOONEST = 0.5
_IN_VAIN = 100.0
"""Those who cannot be sent come back so many a second at most: the log gives them out first."""
_TO_LOOK = 10.0
"""More come back in a second than a look takes; each costs a read of its ledger."""

_UP = Gauge("fingerpost_sender_lane_up", "1 while Telegram accepts the token of the bot.", ["bot"])

log = logger(__name__)


async def taken(message: Msg) -> NatsMessage:
    """Parse nothing but the headers: FastStream would make two ids for each message."""
    headers = message.headers or {}
    name = headers.get("Nats-Msg-Id", message.subject)
    return NatsMessage(message, message.data, headers=headers, message_id=name, correlation_id=name)


async def as_it_came(message: NatsMessage) -> NatsMessage:
    """Decode nothing: a handler is given the whole message, and reads it itself."""
    return message


class Token:
    """The token of one bot: whether Telegram accepts it, and who the bot is."""

    def __init__(self, telegram: Telegram, name: str, place: str) -> None:
        """`place` says in words where the settings have the token."""
        self.name = name
        self.pause = _FIRST_PAUSE
        self._telegram = telegram
        self._place = place
        self._bot: User | None = None
        self._problem: str | None = "the bot is not known yet"
        self._doubted = asyncio.Event()
        _UP.labels(name).set(0)

    @property
    def accepted(self) -> bool:
        """Whether Telegram accepted the token when it was last heard of it."""
        return self._problem is None

    @property
    def username(self) -> str:
        """Return the bot's name in Telegram; empty until the token was accepted once."""
        return (self._bot.username if self._bot else None) or ""

    async def check(self) -> None:
        """Readiness: the token was accepted."""
        if self._problem:
            raise RuntimeError(self._problem)

    def refuse(self) -> None:
        """Take in that Telegram refused the token for a call; it is asked at once what holds."""
        self._is_refused()
        self._doubted.set()

    async def watch(self) -> None:
        """Ask Telegram for ever: soon after a refusal, then less often, each minute if all is well.

        A stand-by asks too: it is to know before it takes over, and to say so.
        """
        while True:
            self._doubted.clear()
            await self.ask()
            if self.accepted:
                self.pause = _FIRST_PAUSE
                await self._rest(_LONGEST_PAUSE)
            else:
                await asyncio.sleep(self.pause)
                self.pause = min(self.pause * _GROWTH, _LONGEST_PAUSE)

    async def ask(self) -> None:
        """Ask Telegram once who the bot is."""
        try:
            bot = await self._telegram.me()
        except (TelegramUnauthorizedError, TelegramNotFound):
            self._is_refused()
        except AiogramError as error:
            # Its silence says nothing about a token that was good.
            if self._bot is None or not self.accepted:
                self._is_problem(f"Telegram does not answer: {self._telegram.explain(error)}")
        else:
            self._is_accepted(bot)

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._doubted.wait()
        except TimeoutError:
            return

    def _is_accepted(self, bot: User) -> None:
        if not self.accepted or bot != self._bot:
            log.info("sending as", lane=self.name, bot=bot.username, bot_id=bot.id)
        self._bot, self._problem = bot, None
        _UP.labels(self.name).set(1)

    def _is_refused(self) -> None:
        self._is_problem(f"Telegram refused {self._place}; take a new one from @BotFather")

    def _is_problem(self, problem: str) -> None:
        if problem != self._problem:
            log.warning("cannot send; will ask again", lane=self.name, problem=problem)
        self._problem = problem
        _UP.labels(self.name).set(0)


class Line:
    """Times to come back for those who are sent away: so many a second, not all at once."""

    def __init__(
        self, rate: float = _IN_VAIN, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._step = 1 / rate
        self._now = now
        self._end = -math.inf

    def join(self, soonest: float = _SOONEST) -> Later:
        """Return the next time, in `soonest` seconds or later.

        The line is a minute long: who is told more has no place in it, and asks for one then. So it
        never outgrows those who wait.
        """
        now = self._now()
        place = max(self._end + self._step, now + soonest)
        if place > now + _LONGEST_PAUSE:
            return Later(max(soonest, _LONGEST_PAUSE) * (1 + random.random() / 2))
        self._end = place
        return Later(place - now)


class Room:
    """The workers that one lane may hold of those that all share: so none takes another's.

    Who finds no room gets a time to come back, in a line that goes as fast as the lane may send.
    """

    def __init__(
        self, rate: float, most: int = WORKERS, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._line = Line(rate, now=now)
        self._most = most
        self._held: Counter[str] = Counter()

    def enter(self, kind: str) -> Later | None:
        """Take a worker for a message of `kind`, or say when to come back."""
        if self._held[kind] < self._most:
            self._held[kind] += 1
            return None
        return self._line.join()

    def leave(self, kind: str) -> None:
        """Give the worker back."""
        self._held[kind] -= 1


@dataclass(frozen=True)
class Lane:
    """What sends for one bot; who waits until its token is accepted, or for a look, has a line."""

    bot_id: int
    token: Token
    telegram: Telegram
    limiter: Limiter
    witness: Witness
    channels: Channels
    follow_ups: FollowUps
    signer: TokenSigner
    public_url: str | None
    room: Room
    refused: Line = field(default_factory=Line)
    looks: Line = field(default_factory=lambda: Line(_TO_LOOK))

    @property
    def buttons(self) -> ButtonMaker:
        """What makes the buttons; they name the bot, so its token must have been accepted."""
        return ButtonMaker(self.signer, self.token.username, self.public_url)
