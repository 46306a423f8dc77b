"""Long polling: one process asks Telegram for updates. No two may, so it is for one replica."""

import asyncio
from collections.abc import Awaitable, Callable

from chassis.cancellation import heed_cancellation
from chassis.log import LogUnavailableError
from chassis.logs import logger
from clicks.domain.calls import Call
from clicks.domain.updates import WANTED, update_id
from clicks.telegram import Telegram, TelegramError

_LONG_POLL_SECONDS = 30
_GRACE_SECONDS = 10
_PAUSE = 0.5
_ANSWERS_AT_ONCE = 64

Handle = Callable[[object], Awaitable[tuple[Call, ...]]]

log = logger(__name__)


async def poll(telegram: Telegram, handle: Handle) -> None:
    """Handle all updates, for ever, in their order.

    An update is confirmed to Telegram only after the log has its event: whatever stops this
    process, Telegram delivers the update again. Answers are given beside it: one person's flood
    limit holds up nobody's tap.
    """
    offset, wait = 0, 0
    async with asyncio.TaskGroup() as group:
        answers = Answers(telegram, group)
        while True:
            heed_cancellation()
            try:
                updates = await _ask(telegram, offset, wait)
            except TelegramError as error:
                # The next answer is to come at once, so that readiness need not wait for an update.
                wait = 0
                await telegram.trouble("getUpdates", error)
                continue
            telegram.settled()
            wait = _LONG_POLL_SECONDS
            for update in updates:
                await answers.give(await _handled(handle, update))
                offset = max(offset, (update_id(update) or 0) + 1)


class Answers:
    """Answers under way, not more than 64 at once."""

    def __init__(self, telegram: Telegram, group: asyncio.TaskGroup) -> None:
        self._telegram = telegram
        self._group = group
        self._room = asyncio.Semaphore(_ANSWERS_AT_ONCE)

    async def give(self, calls: tuple[Call, ...]) -> None:
        """Make `calls` in their order, without waiting for them but for room."""
        if calls:
            await self._room.acquire()
            task = self._group.create_task(self._make(calls))
            task.add_done_callback(lambda _: self._room.release())

    async def _make(self, calls: tuple[Call, ...]) -> None:
        for call in calls:
            await self._telegram.answer(call)


async def _ask(telegram: Telegram, offset: int, wait: int) -> list[object]:
    parameters = {"offset": offset, "timeout": wait, "allowed_updates": WANTED}
    updates = await telegram.call("getUpdates", parameters, seconds=wait + _GRACE_SECONDS)
    return updates if isinstance(updates, list) else []


async def _handled(handle: Handle, update: object) -> tuple[Call, ...]:
    while True:
        heed_cancellation()
        try:
            return await handle(update)
        except LogUnavailableError as error:
            log.warning("an update waits for the log", problem=str(error))
            await asyncio.sleep(_PAUSE)
