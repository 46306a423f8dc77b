"""What the log remembers for Telegram's limits, whichever sender it was that sent."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import TypeVar

import nats.errors
from nats.js.errors import Error as JetStreamError

from chassis.log import Entry, Reader
from chassis.logs import logger
from contracts.events import MessageClaimed, MessageFailed
from contracts.ids import Channel
from contracts.subjects import FAILED
from sender.domain.channels import Chats
from sender.domain.pacing import Pacing

_RETRY_SECONDS = 0.5
_SENDS = timedelta(seconds=70)
"""How far back a claim may still count for Telegram's limits; a minute does."""
_FLOODS = timedelta(minutes=10)
"""How far back a flood limit is looked for that is not over yet."""

T = TypeVar("T")

log = logger(__name__)


async def remember(
    reader: Reader, accounts: Mapping[int, Pacing], chats: Mapping[int, Chats]
) -> None:
    """Tell the account of each bot, by its id, what it was sent lately and which floods last.

    `chats` tell under which name a chat counts that was another one then.
    """
    told = await _patiently(reader.time)
    now = time.monotonic()

    def instant(entry: Entry) -> float:
        # By the log's clock alone: that of the sender who said it may be another.
        return now - max((told - entry.stored_at).total_seconds(), 0.0)

    claims = await reader.replay((f"{MessageClaimed.fact()}.>",), since=told - _SENDS)
    for entry in claims:
        claim = entry.envelope.data
        if isinstance(claim, MessageClaimed) and (account := accounts.get(claim.bot_id)):
            chat = chats[claim.bot_id].place(claim.channel)
            account.remember(chat, instant(entry), now, count=claim.messages)
    for (bot_id, _), (entry, failed) in (await _floods(reader, told)).items():
        if account := accounts.get(bot_id):
            at, chat = instant(entry), chats[bot_id].place(failed.channel)
            account.flooded(chat, now - at + _left(entry, failed, told), at, 0)
    log.info("taking what is due", remembered=len(claims))


async def _floods(
    reader: Reader, told: datetime
) -> dict[tuple[int, Channel], tuple[Entry, MessageFailed]]:
    """Return the newest flood limit of each bot and channel that still lasts."""
    found: dict[tuple[int, Channel], tuple[Entry, MessageFailed]] = {}
    for entry in await reader.replay((FAILED,), since=told - _FLOODS):
        failed = entry.envelope.data
        if isinstance(failed, MessageFailed) and _left(entry, failed, told) > 0:
            place = await _who(reader, failed), failed.channel
            found.pop(place, None)
            found[place] = entry, failed
    return found


def _left(entry: Entry, failed: MessageFailed, told: datetime) -> float:
    """Return for how many seconds a flood limit still lasts; 0 where it is none."""
    if failed.failure != "rate_limited" or failed.retry_at is None:
        return 0.0
    lasts, age = failed.retry_at - failed.failed_at, told - entry.stored_at
    return (lasts - age).total_seconds()


async def _who(reader: Reader, failed: MessageFailed) -> int:
    """Return the id of the bot that was told to wait; 0 where nobody knows."""
    subject = f"{MessageClaimed.fact()}.{failed.delivery}.{failed.attempt}"
    claimed = await _patiently(lambda: reader.last(subject))
    claim = claimed.envelope.data if claimed else None
    return claim.bot_id if isinstance(claim, MessageClaimed) else 0


async def _patiently(question: Callable[[], Awaitable[T]]) -> T:
    while True:
        try:
            return await question()
        except (JetStreamError, nats.errors.Error, TimeoutError, OSError) as error:
            log.warning("the log does not answer yet; will retry", problem=repr(error))
            await asyncio.sleep(_RETRY_SECONDS)
