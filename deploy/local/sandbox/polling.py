"""getUpdates: one reader for each bot; an offset confirms, a second reader ends the first.

Behaviour of tdlib/telegram-bot-api Client.cpp.
"""

import asyncio
import contextlib
from dataclasses import dataclass, field

from sandbox.refusals import conflict
from sandbox.updates import Update, Updates

_TAKEN_OVER = (
    "terminated by other getUpdates request; make sure that only one bot instance is running"
)
_MOST = 100
_LONGEST_POLL = 50


@dataclass
class _Poll:
    news: asyncio.Event = field(default_factory=asyncio.Event)
    taken_over: bool = False


class Polls:
    """The reader of each bot's updates."""

    def __init__(self, updates: Updates):
        self._updates = updates
        self._current: dict[int, _Poll] = {}
        self._closed = False
        updates.listeners.append(self._wake)

    def _wake(self, bot_id: int) -> None:
        if poll := self._current.get(bot_id):
            poll.news.set()

    async def read(self, bot_id: int, offset: int, limit: int, seconds: float) -> list[Update]:
        """Confirm up to `offset`, then wait at most so many seconds for updates."""
        poll = self._take_over(bot_id)
        self._confirm(bot_id, offset)
        # An empty answer is what a long poll gives when nothing came in time.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(seconds, _LONGEST_POLL)):
                while not (self._closed or poll.taken_over or self._updates.pending(bot_id)):
                    poll.news.clear()
                    await poll.news.wait()
        if poll.taken_over:
            raise conflict(_TAKEN_OVER)
        del self._current[bot_id]
        size = limit if 1 <= limit <= _MOST else _MOST
        return self._updates.pending(bot_id)[:size]

    def close(self) -> None:
        """Let every poll return now: the server stops."""
        self._closed = True
        for poll in self._current.values():
            poll.news.set()

    def end(self, bot_id: int) -> None:
        """End the current poll: a webhook takes its place."""
        if poll := self._current.pop(bot_id, None):
            poll.taken_over = True
            poll.news.set()

    def _take_over(self, bot_id: int) -> _Poll:
        self.end(bot_id)
        self._current[bot_id] = _Poll()
        return self._current[bot_id]

    def _confirm(self, bot_id: int, offset: int) -> None:
        waiting = self._updates.pending(bot_id)
        if offset < 0:
            # A negative offset keeps that many of the newest and forgets all before.
            done = waiting[:offset]
        else:
            done = [update for update in waiting if update.id < offset]
        for update in done:
            self._updates.confirm(update)
