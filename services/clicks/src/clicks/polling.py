"""Long polling: one process asks Telegram for updates. No two may, so it is for one replica."""

import asyncio
from collections.abc import Awaitable, Callable

from chassis.log import LogUnavailableError
from chassis.logs import logger
from clicks.domain.calls import Call
from clicks.domain.updates import WANTED, update_id
from clicks.telegram import Telegram, TelegramError

_LONG_POLL_SECONDS = 30
_GRACE_SECONDS = 10
_PAUSE = 0.5

Handle = Callable[[object], Awaitable[tuple[Call, ...]]]

log = logger(__name__)


async def poll(telegram: Telegram, handle: Handle) -> None:
    """Handle all updates, for ever, in their order.

    An update is confirmed to Telegram only after the log has its event: whatever stops this
    process, Telegram delivers the update again.
    """
    offset, wait = 0, 0
    while True:
        try:
            updates = await _ask(telegram, offset, wait)
        except TelegramError as error:
            # The next answer is to come at once, so that readiness need not wait for an update.
            wait = 0
            await telegram.trouble("getUpdates", error)
            continue
        telegram.settled()
        wait = _LONG_POLL_SECONDS
        offset = await _take(telegram, handle, updates, offset)


async def _ask(telegram: Telegram, offset: int, wait: int) -> list[object]:
    parameters = {"offset": offset, "timeout": wait, "allowed_updates": WANTED}
    updates = await telegram.call("getUpdates", parameters, seconds=wait + _GRACE_SECONDS)
    return updates if isinstance(updates, list) else []


async def _take(telegram: Telegram, handle: Handle, updates: list[object], offset: int) -> int:
    """Handle a batch one by one and answer meanwhile; return the offset that confirms it."""
    async with asyncio.TaskGroup() as answers:
        for update in updates:
            calls = await _handled(handle, update)
            answers.create_task(_answer(telegram, calls))
            offset = max(offset, (update_id(update) or 0) + 1)
    return offset


async def _handled(handle: Handle, update: object) -> tuple[Call, ...]:
    while True:
        try:
            return await handle(update)
        except LogUnavailableError as error:
            log.warning("an update waits for the log", problem=str(error))
            await asyncio.sleep(_PAUSE)


async def _answer(telegram: Telegram, calls: tuple[Call, ...]) -> None:
    for call in calls:
        await telegram.answer(call)
