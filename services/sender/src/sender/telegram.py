"""Posts to Telegram through aiogram, and says in our words how it ended.

Each answer is definite (Posted, Refused) or it is Unknown; none is repeated here. Sources: aiogram
3.31 `exceptions` and `client.session.aiohttp`, Bot API docs.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
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
from aiogram.types import InlineKeyboardButton, InlineKeyboardMarkup, Message, User

from chassis.clock import Clock
from contracts.events.message import FailureClass
from sender.domain.content import Content
from sender.domain.outcomes import Outcome, Posted, Refused, Unknown

# A time of its own for connecting tells "never connected" from "no answer". The whole may take
# long, as Telegram itself waits out floods of up to 8 s: a short timeout makes uncertainty.
_CONNECT_SECONDS = 5
_LONGEST_DESCRIPTION = 500
_IDLE_SECONDS = 2
_COUNT_TIMEOUT = 2
_COUNT_LIFETIME = timedelta(minutes=10)

_NEVER_CONNECTED = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
_RETRY_SOON = timedelta(seconds=2)
_RETRY_RATE = timedelta(seconds=5)
_RETRY_TOKEN = timedelta(minutes=1)
_TARGET_TEXTS = ("chat not found", "not enough rights", "need administrator rights", "chat_write")


class _Session(AiohttpSession):
    """Never sends on a connection that idled: the server may be closing it at that moment.

    A send that meets the closing would have an unknown outcome for no reason.
    """

    def __init__(self, api: TelegramAPIServer) -> None:
        super().__init__(api=api)
        self._connector_init["keepalive_timeout"] = _IDLE_SECONDS


class Telegram:
    """One bot."""

    def __init__(self, token: str, api: str, clock: Clock, *, send_timeout: timedelta) -> None:
        self._timeout = aiohttp.ClientTimeout(
            total=send_timeout.total_seconds(), sock_connect=_CONNECT_SECONDS
        )
        self._token = token
        self._bot = Bot(token, session=_Session(api=TelegramAPIServer.from_base(api)))
        self._clock = clock
        self._moved: dict[str, int] = {}
        self._audiences: dict[str, tuple[datetime, int]] = {}
        self._last_ids: dict[str, int] = {}

    async def me(self) -> User:
        """Return the bot itself; raises AiogramError."""
        return await self._bot.get_me()

    def explain(self, error: AiogramError) -> str:
        """Return what happened without the token, which an address in the text may hold."""
        text = str(getattr(error, "message", error)).replace(self._token, "<token>")
        return text[:_LONGEST_DESCRIPTION]

    async def close(self) -> None:
        """Close the connections."""
        await self._bot.session.close()

    def last_known_message_id(self, channel: str) -> int | None:
        """Return the highest message id that this process saw in `channel`."""
        return self._last_ids.get(channel)

    async def post(self, channel: str, content: Content) -> Outcome:
        """Post once; never raises for anything that Telegram or the network does."""
        try:
            message: Message = await self._bot.send_message(
                self._chat(channel),
                content.text,
                reply_markup=_keyboard(content),
                parse_mode=None,
                request_timeout=self._timeout,  # type: ignore[arg-type] # aiohttp takes it
            )
        except AiogramError as error:
            outcome = classify(error, self.explain(error), self._chat(channel), self._clock())
            if isinstance(error, TelegramMigrateToChat):
                self._moved[channel] = error.migrate_to_chat_id
        else:
            outcome = Posted(message.chat.id, message.message_id, message.date.astimezone(UTC))
        if isinstance(outcome, Posted):
            self._last_ids[channel] = outcome.message_id
        return outcome

    async def audience(self, channel: str) -> int | None:
        """Return the channel's member count, at most 10 minutes old; None where it is not known."""
        now = self._clock()
        known = self._audiences.get(channel)
        if known and now - known[0] < _COUNT_LIFETIME:
            return known[1]
        try:
            count = await self._bot.get_chat_member_count(
                self._chat(channel), request_timeout=_COUNT_TIMEOUT
            )
        except (AiogramError, TimeoutError):
            return known[1] if known else None
        self._audiences[channel] = (now, count)
        return count

    def _chat(self, channel: str) -> int | str:
        if channel in self._moved:
            return self._moved[channel]
        return channel if channel.startswith("@") else int(channel)


def classify(  # noqa: C901  a table, row by row
    error: AiogramError, text: str, chat: int | str, now: datetime
) -> Outcome:
    """Say what an exception of aiogram, in our words `text`, means for the message.

    Order matters: see each comment.
    """
    match error:
        case ClientDecodeError():
            return _undecodable(error.data, chat, now)
        case TelegramRetryAfter():
            return Refused("rate_limited", text, timedelta(seconds=error.retry_after))
        case TelegramMigrateToChat():
            return Refused("migrated", text, timedelta(0))
        case TelegramEntityTooLarge():  # by class a network error, but a definite answer
            return Refused("too_large", text)
        case RestartingTelegram():  # by class a server error, but refused before processing
            return Refused("restarting", text, _RETRY_SOON, growing=True)
        case TelegramNetworkError() if isinstance(error.__cause__, _NEVER_CONNECTED):
            return Refused("not_connected", text, _RETRY_SOON, growing=True)
        case TelegramForbiddenError():
            return Refused("target", text)
        case TelegramUnauthorizedError() | TelegramNotFound():
            return Refused("unauthorized", text, _RETRY_TOKEN, growing=True)
        case TelegramBadRequest():
            return Refused(_content_or_target(error), text)
        case TelegramAPIError() if "too many requests" in error.message.lower():
            # A 429 without parameters has no exception of its own.
            return Refused("rate_limited", text, _RETRY_RATE, growing=True)
        case _:
            return Unknown(f"{type(error).__name__}: {text}")


def _undecodable(data: Any, asked: int | str, now: datetime) -> Outcome:
    """A 200 whose result aiogram cannot read was posted all the same; HTML says nothing."""
    result = data.get("result") if isinstance(data, dict) and data.get("ok") else None
    if not isinstance(result, dict):
        return Unknown("the answer could not be read")
    chat = result.get("chat")
    chat_id = chat.get("id") if isinstance(chat, dict) else asked
    message_id = result.get("message_id")
    if isinstance(message_id, int) and isinstance(chat_id, int):
        return Posted(chat_id, message_id, now)
    return Unknown("the answer says that it was posted, but not as which message")


def _content_or_target(error: TelegramBadRequest) -> FailureClass:
    text = error.message.lower()
    return "target" if any(part in text for part in _TARGET_TEXTS) else "content"


def _keyboard(content: Content) -> InlineKeyboardMarkup | None:
    if not content.buttons:
        return None
    rows = [
        [InlineKeyboardButton(text=b.label, callback_data=b.callback_data, url=b.url)]
        for b in content.buttons
    ]
    return InlineKeyboardMarkup(inline_keyboard=rows)
