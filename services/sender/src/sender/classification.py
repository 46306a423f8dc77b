"""The one table of what an answer of Telegram, or none, means for a message. No I/O.

Sources: aiogram 3.31 `exceptions` and `client.session.aiohttp`, Bot API docs, tdlib.
"""

import re
from datetime import datetime, timedelta
from typing import Any

import aiohttp
from aiogram.exceptions import (
    AiogramError,
    ClientDecodeError,
    RestartingTelegram,
    TelegramAPIError,
    TelegramBadRequest,
    TelegramEntityTooLarge,
    TelegramForbiddenError,
    TelegramMigrateToChat,
    TelegramNetworkError,
    TelegramNotFound,
    TelegramRetryAfter,
    TelegramUnauthorizedError,
)

from contracts.events.message import FailureClass
from sender.domain.outcomes import Outcome, Posted, Refused, Unknown

_NEVER_CONNECTED = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
_RETRY_SOON = timedelta(seconds=2)
_RETRY_RATE = timedelta(seconds=5)
_RETRY_TOKEN = timedelta(seconds=5)
"""Its lane waits until the token is accepted, however long; the attempt need not on top."""
_TARGET_TEXTS = (
    "chat not found",
    "peer_id_invalid",
    "channel_private",
    "channel_invalid",
    "group chat was deactivated",
    "group chat was deleted",
    "need administrator rights",
    "chat_admin_required",
    "chat_write_forbidden",
    "chat_restricted",
    "chat_guest_send_forbidden",
    "user_banned_in_channel",
    "have no rights to send a message",
    "have no write access to the chat",
    "not enough rights",
)
_ONE_KIND = re.compile(r"not enough rights to \w|chat_send_\w+_forbidden")
"""A right that only some messages need: photos, polls, a pin. Others may still be sent there.

A group where members may not write answers a text in the same words, and says nothing when that
changes, so it is not taken for the whole chat either.
"""
_OWN_WAITING = timedelta(seconds=7)
"""Telegram's server waits up to 8 s itself before it answers 429 (tdlib NetQueryDelayer.cpp)."""


def classify(  # noqa: C901  a table, row by row
    error: AiogramError, text: str, chat: int | str, now: datetime, lasted: timedelta
) -> Outcome:
    """Say what an exception of aiogram, in our words `text`, means for the message.

    `lasted` is how long the call took. Order matters: see each comment.
    """
    match error:
        case ClientDecodeError():
            return _undecodable(error.data, chat, now)
        case TelegramAPIError() if _is_flood(error) and lasted > _OWN_WAITING:
            # Not before processing: Telegram's server repeated the message itself until its time
            # was over, for a flood or for an error within, and the last answer stands for all.
            return Unknown(f"flood limit after {lasted.total_seconds():.0f} s: {text}")
        case TelegramRetryAfter():
            return Refused("rate_limited", text, timedelta(seconds=error.retry_after))
        case TelegramMigrateToChat():
            moved_to = error.migrate_to_chat_id
            return Refused("migrated", text, timedelta(0), moved_to=moved_to)
        case TelegramEntityTooLarge():  # by class a network error, but a definite answer
            return Refused("too_large", text)
        case RestartingTelegram():  # by class a server error, but refused before processing
            return Refused("restarting", text, _RETRY_SOON, growing=True)
        case TelegramNetworkError() if isinstance(error.__cause__, _NEVER_CONNECTED):
            return Refused("not_connected", text, _RETRY_SOON, growing=True)
        case TelegramForbiddenError():
            return Refused("content" if _is_about_one_kind(error) else "target", text)
        case TelegramUnauthorizedError() | TelegramNotFound():
            return Refused("unauthorized", text, _RETRY_TOKEN, growing=True)
        case TelegramBadRequest():
            return Refused(_content_or_target(error), text)
        case TelegramAPIError() if _is_flood(error):
            # A 429 without parameters has no exception of its own.
            return Refused("rate_limited", text, _RETRY_RATE, growing=True)
        case _:
            return Unknown(f"{type(error).__name__}: {text}")


def _is_flood(error: TelegramAPIError) -> bool:
    known = isinstance(error, TelegramRetryAfter)
    return known or "too many requests" in error.message.lower()


def _undecodable(data: Any, asked: int | str, now: datetime) -> Outcome:
    """A 200 whose result aiogram cannot read was posted all the same; HTML says nothing."""
    result = data.get("result") if isinstance(data, dict) and data.get("ok") else None
    if isinstance(result, list) and result:
        result = result[0]  # an album: its first message stands for all
    if not isinstance(result, dict):
        return Unknown("the answer could not be read")
    chat = result.get("chat")
    chat_id = chat.get("id") if isinstance(chat, dict) else asked
    message_id = result.get("message_id")
    if isinstance(message_id, int) and isinstance(chat_id, int):
        return Posted(chat_id, message_id, now)
    return Unknown("the answer says that it was posted, but not as which message")


def _content_or_target(error: TelegramBadRequest) -> FailureClass:
    """Tell what is wrong with one post from what is wrong with every post in that chat."""
    text = error.message.lower()
    if _is_about_one_kind(error):
        return "content"
    return "target" if any(part in text for part in _TARGET_TEXTS) else "content"


def _is_about_one_kind(error: TelegramAPIError) -> bool:
    return _ONE_KIND.search(error.message.lower()) is not None
