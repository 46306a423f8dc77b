"""Queries that wait for a bot's answer, and the people who wait for it with them."""

import asyncio

from sandbox.records import Json, Query
from sandbox.refusals import bad_request
from sandbox.world import World

_TOO_OLD = "query is too old and response timeout expired or query ID is invalid"


class Queries:
    """Opens, answers and awaits queries.

    The window for callbacks is undocumented; field reports (pyTelegramBotAPI#1615,
    Telethon#4073) fail after 10-20 s. For payments the Bot API docs say 10 s.
    """

    def __init__(self, world: World):
        self._world = world
        self._waiting: dict[str, asyncio.Event] = {}
        self.windows = {"callback": 15.0, "pre_checkout": 10.0}

    def open(self, kind: str, bot_id: int, user_id: int, subject: Json) -> Query:
        number = self._world.counters.next("query", start=(user_id << 32) % (1 << 62))
        now = self._world.now()
        return self._world.queries.save(Query(str(number), kind, bot_id, user_id, subject, now))

    def answer(self, kind: str, bot_id: int, query_id: str, answer: Json) -> Query:
        """Record the one answer a query may get; Refusal when it is late, repeated or unknown."""
        query, now = self._world.queries.get(query_id), self._world.now()
        known = query is not None and (query.kind, query.bot_id) == (kind, bot_id)
        if not query or not known or query.answer is not None:
            raise bad_request(_TOO_OLD)
        if now - query.created_at > self.windows[kind]:
            raise bad_request(_TOO_OLD)
        query.answer, query.answered_at = answer, now
        if waiting := self._waiting.get(query_id):
            waiting.set()
        return self._world.queries.save(query)

    async def wait(self, query: Query, seconds: float) -> None:
        """Return when the query is answered or the time is over."""
        event = self._waiting.setdefault(query.id, asyncio.Event())
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            return
        finally:
            self._waiting.pop(query.id, None)
