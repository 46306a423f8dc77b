"""How many sends may still be paid for today: counted in NATS before they go, and never back.

What a crash leaves unused of a portion stays counted: the cap holds, whatever happens.
"""

import asyncio
from datetime import date

import nats.errors
from nats.js import JetStreamContext
from nats.js.errors import Error as JetStreamError
from nats.js.errors import KeyNotFoundError

from chassis.clock import Clock
from chassis.logs import logger
from contracts.streams import SENDER_SPENDING

_SENDS_FOR_A_STAR = 10
_PORTION = 100
_ANSWER_SECONDS = 2.0
_AWAY = (JetStreamError, nats.errors.Error, TimeoutError, OSError)

log = logger(__name__)


class Purse:
    """The Stars of one bot for each day (UTC)."""

    def __init__(self, js: JetStreamContext, bot_id: int, stars: float, clock: Clock) -> None:
        self._js = js
        self._bot_id = bot_id
        self._most = int(stars * _SENDS_FOR_A_STAR)
        self._clock = clock
        self._empty: date | None = None

    async def take(self) -> int:
        """Take a portion of what is left for today, in sends; 0 where nothing is."""
        today = self._clock().date()
        if self._empty == today:
            return 0
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                portion = await self._portion(f"{self._bot_id}.{today.isoformat()}")
        except _AWAY as error:
            log.warning("nothing is paid for now: the count is out of reach", problem=repr(error))
            return 0
        if not portion:
            self._empty = today
            log.warning("the Stars for today are spent; going on at the free rate")
        return portion

    async def _portion(self, key: str) -> int:
        bucket = await self._js.key_value(SENDER_SPENDING.name)
        try:
            entry = await bucket.get(key)
        except KeyNotFoundError:
            spent, revision = 0, 0
        else:
            spent, revision = int(entry.value or b"0"), entry.revision or 0
        portion = min(_PORTION, self._most - spent)
        if portion <= 0:
            return 0
        await bucket.update(key, str(spent + portion).encode(), last=revision)
        return portion
