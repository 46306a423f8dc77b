"""Lets sends go in their turn, within Telegram's limits and only while this sender is active.

Who waits for its chat longer than 2 s is sent away with a time to come back: the log waits for it,
and no worker does.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from prometheus_client import Counter, Gauge, Histogram

from chassis.logs import logger
from contracts.ids import MAIN_BOT
from sender.domain.outcomes import Outcome, Posted, Refused
from sender.domain.pacing import LONGEST_WAIT, Grant, Pacing

_PATIENCE = 2.0
_MOST_PARKED = 16
"""Of the 32 workers of a lane, so many at most wait for anything but the rate over all."""
_IMPATIENCE = 0.05
_AGAIN = 1.0
_ASIDE_PATIENCE = 5.0

_WAITING = Gauge(
    "fingerpost_sender_waiting", "Sends that wait for their turn now.", ["bot", "kind"]
)
_WAITS = Histogram(
    "fingerpost_sender_wait_seconds",
    "Time that a send waited for its turn, those sent away not counted.",
    ["kind"],
    buckets=(0.001, 0.01, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
)
_POSTPONED = Counter(
    "fingerpost_sender_postponed_total", "Sends that were told to come back later.", ["kind"]
)
_FLOODS = Counter(
    "fingerpost_sender_floods_total",
    "Answers 429, by what was slowed down: the chat, or all of them.",
    ["scope"],
)
for scope in ("chat", "whole"):
    _FLOODS.labels(scope)  # there from the start: of a series that begins at 1 no rise is seen
_SHARE = Gauge(
    "fingerpost_sender_rate_share",
    "Part of a bot's rate over all that is in use; less after floods.",
    ["bot"],
)
_SLOWED = Gauge(
    "fingerpost_sender_slowed_chats", "Chats that are sent to more slowly, after 429.", ["bot"]
)
_PAID = Counter("fingerpost_sender_paid_total", "Sends for which 0.1 Star each may be charged.")

log = logger(__name__)


@dataclass(frozen=True)
class Later:
    """Not now: come back after so many seconds."""

    seconds: float


class Turn:
    """One send that may go; one that never goes counts for a while as if it had."""

    def __init__(self, limiter: "Limiter", grant: Grant) -> None:
        self._limiter = limiter
        self._grant = grant

    @property
    def paid(self) -> bool:
        """Whether it goes above the free limit, for Stars."""
        return self._grant.paid

    async def send(self, post: Callable[[], Awaitable[Outcome]]) -> Outcome:
        """Post, unless its bot may not send any more: then Telegram never heard of it."""
        if not self._limiter.open:
            gone = "nothing was posted: this sender, or its bot, might not send any more by then"
            return Refused("not_connected", gone, timedelta(seconds=_AGAIN))
        try:
            outcome = await post()
        except BaseException:
            self._limiter.answered(self._grant, None)
            raise
        self._limiter.answered(self._grant, outcome)
        return outcome


class Limiter:
    """The turns of one bot token in this process."""

    def __init__(
        self,
        pacing: Pacing,
        active: Callable[[], bool],
        *,
        bot: str = MAIN_BOT,
        spend: Callable[[], Awaitable[int]] | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Grant turns while `active`; `spend` returns how many more sends may be paid for."""
        self._pacing = pacing
        self._active = active
        self._bot = bot
        self._spend = spend
        self._now = now
        self._closed = False
        self._waiters: dict[str, asyncio.Future[Turn | Later]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._spending: asyncio.Task[None] | None = None
        self._tell_metrics()

    @property
    def open(self) -> bool:
        """Whether a send may start at this moment."""
        return not self._closed and self._active()

    async def turn(self, chat: str, kind: str, key: str, count: int = 1) -> Turn | Later:
        """Return the turn of delivery `key`, which is `count` messages, or when to ask again."""
        if not self.open or key in self._waiters:
            return Later(_AGAIN)
        begun = self._now()
        crowded = self._pacing.waiting(kind) >= _MOST_PARKED
        patience = _IMPATIENCE if crowded else _PATIENCE
        wait = self._pacing.ask(key, chat, kind, begun, patience, count=count)
        if wait:
            _POSTPONED.labels(kind).inc()
            return _later(wait)
        future: asyncio.Future[Turn | Later] = asyncio.get_running_loop().create_future()
        self._waiters[key] = future
        self._pump()
        try:
            turn = await future
        finally:
            self._waiters.pop(key, None)
            self._pacing.leave(key)
        if isinstance(turn, Turn):
            _WAITS.labels(kind).observe(self._now() - begun)
        return turn

    async def aside(self) -> None:
        """Wait until a call that posts nothing may go: behind all posts, but not for ever."""
        begun = now = self._now()
        while wait := self._pacing.aside(now, pressing=now - begun >= _ASIDE_PATIENCE):
            await asyncio.sleep(wait)
            now = self._now()

    def answered(self, grant: Grant, outcome: Outcome | None) -> None:
        """Take in how a send ended; None where nobody knows."""
        now = self._now()
        self._pacing.answered(grant, now, good=isinstance(outcome, Posted))
        if isinstance(outcome, Refused) and outcome.failure == "rate_limited":
            pause = (outcome.retry_after or timedelta()).total_seconds()
            scope = self._pacing.flooded(grant.chat, pause, now, random.random())
            _FLOODS.labels(scope).inc()
            log.warning("flood limit", scope=scope, channel=grant.chat, retry_after=pause)
            self._send_away(now)
        self._pump()

    def close(self) -> None:
        """Send away all who wait, and let nothing start any more."""
        self._closed = True
        if self._spending:
            self._spending.cancel()
        self._pump()

    def _send_away(self, now: float) -> None:
        """Let nobody wait here for a chat that was just closed for long."""
        for key, wait in self._pacing.held_up(now, _PATIENCE):
            future = self._waiters.get(key)
            if future and not future.done():
                future.set_result(_later(wait))

    def _pump(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if not self.open:
            for future in self._waiters.values():
                if not future.done():
                    future.set_result(Later(_AGAIN))
            return
        self._fill_purse()
        while isinstance(found := self._pacing.choose(self._now()), Grant):
            self._grant(found)
        if found is not None:
            loop = asyncio.get_running_loop()
            # Not longer than a second, as what is no longer active sends its waiters away.
            self._timer = loop.call_later(min(found, _AGAIN), self._pump)

    def _grant(self, grant: Grant) -> None:
        if grant.paid:
            _PAID.inc(grant.count)
        future = self._waiters.get(grant.key)
        if future is None or future.done():
            self._pacing.answered(grant, self._now(), good=False)
            return
        future.set_result(Turn(self, grant))

    def _fill_purse(self) -> None:
        if self._spend and self._pacing.purse <= 0 and self._waiters and not self._spending:
            self._spending = asyncio.create_task(self._ask_purse(self._spend))

    async def _ask_purse(self, spend: Callable[[], Awaitable[int]]) -> None:
        self._pacing.purse = await spend()
        if self._pacing.purse <= 0:
            await asyncio.sleep(_AGAIN)
        self._spending = None
        self._pump()

    def _tell_metrics(self) -> None:
        """Have them read when they are asked for: of many chats some would be counted each turn."""
        pacing = self._pacing
        _SHARE.labels(self._bot).set_function(lambda: pacing.share)
        _SLOWED.labels(self._bot).set_function(lambda: pacing.slowed_chats)
        for kind in pacing.kinds:
            _WAITING.labels(self._bot, kind).set_function(partial(pacing.waiting, kind))


def _later(wait: float) -> Later:
    # Those without a place shall not all come back at once.
    return Later(LONGEST_WAIT * (1 + random.random() / 10) if wait >= LONGEST_WAIT else wait)
