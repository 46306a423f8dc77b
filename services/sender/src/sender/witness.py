"""Finds out whether a message stands in a chat: the Bot API cannot be asked, but it forwards.

An id is forwarded to the audit chat; what Telegram answers shows the message, or that there is
none; the copies are deleted. (A linked discussion group shows each post too, but as an update,
which cannot be asked for and goes to clicks: it is not used.) Facts: forwardMessage and copyMessage
in tdlib/telegram-bot-api Client.cpp; URLs and entities survive, callback buttons do not.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import aiohttp
from aiogram import Bot
from aiogram.exceptions import (
    AiogramError,
    ClientDecodeError,
    TelegramAPIError,
    TelegramBadRequest,
    TelegramForbiddenError,
    TelegramMigrateToChat,
    TelegramRetryAfter,
)
from aiogram.types import Message, MessageOriginChannel
from prometheus_client import Counter, Histogram

from chassis.clock import Clock
from chassis.logs import logger
from contracts.events import MessageClaimed
from contracts.token import TokenSigner
from sender.domain.looking import (
    CannotTell,
    Finding,
    Found,
    Glimpse,
    Missing,
    Other,
    Ours,
    Part,
    Search,
    Trail,
    Unreadable,
    begin,
    begin_below,
    carries,
    trusted,
)

_TIMEOUT = aiohttp.ClientTimeout(total=20, sock_connect=5)
_MOST_WAITING = 4
_BUSY_SECONDS = 3.0
_AWAY_SECONDS = 10.0
_FLOOD_SECONDS = 5.0
_LONGEST_FLOOD = 60.0
_NO_AUDIT_CHAT = "FINGERPOST_AUDIT_CHAT is not set, so nothing can be looked for"

LOOKS = Counter(
    "fingerpost_sender_looks_total", "Messages that were looked for, by what was found.", ["found"]
)
PROBES = Histogram(
    "fingerpost_sender_probes",
    "Message ids that one look took.",
    buckets=(0, 1, 2, 3, 4, 5, 7, 10, 15, 20),
)
COPIES_LEFT = Counter(
    "fingerpost_sender_audit_copies_left_total", "Copies in the audit chat that stayed there."
)

T = TypeVar("T")
Place = int | str

log = logger(__name__)


class LookLaterError(Exception):
    """Telegram cannot be asked now; `seconds` until it may be."""

    def __init__(self, seconds: float, problem: str) -> None:
        self.seconds = seconds
        super().__init__(problem)


class Witness:
    """Looks for messages of one bot, one at a time: the audit chat has a flood limit too."""

    def __init__(
        self,
        bot: Bot,
        signer: TokenSigner,
        clock: Clock,
        *,
        audit_chat: str | None,
        explain: Callable[[AiogramError], str],
    ) -> None:
        self._bot = bot
        self._signer = signer
        self._clock = clock
        self._audit = audit_chat
        self._explain = explain
        self._lock = asyncio.Lock()
        self._waiting = 0
        self._turn: Callable[[], Awaitable[None]] | None = None

    def paced_by(self, turn: Callable[[], Awaitable[None]]) -> None:
        """Wait for `turn` before each call: looks count for the bot's rate, and posts go first."""
        self._turn = turn

    async def look(
        self,
        claim: MessageClaimed,
        chat: Place,
        trail: Callable[[], Awaitable[Trail]],
        *,
        protected: bool = False,
    ) -> Finding:
        """Look for the message of `claim` in `chat`; raises LookLaterError: then ask again.

        `protected`: it was posted so that it cannot be forwarded.
        """

        async def run(audit: str) -> Finding:
            seen = await trail()
            since = claim.claimed_at if seen.age is None else self._clock() - seen.age
            look = _Look(self, claim, chat, audit, protected=protected, since=since)
            return await look.run(begin(claim, seen))

        return await self._looking(chat, run)

    async def look_below(
        self, claim: MessageClaimed, chat: Place, found: Found, pictures: int, *, protected: bool
    ) -> Finding:
        """Look for the message below the album of `claim`, which stands as `found`, as `look` does.

        `pictures` is how many messages the album itself is.
        """

        async def run(audit: str) -> Finding:
            look = _Look(self, claim, chat, audit, protected=protected, part="below")
            return await look.run(begin_below(found.message_id, pictures))

        return await self._looking(chat, run)

    async def _looking(self, chat: Place, run: Callable[[str], Awaitable[Finding]]) -> Finding:
        if self._audit is None:
            return CannotTell(_NO_AUDIT_CHAT)
        if str(chat) == self._audit:
            return CannotTell("FINGERPOST_AUDIT_CHAT is the channel itself; name another chat")
        async with self._in_turn():
            return await run(self._audit)

    @asynccontextmanager
    async def _in_turn(self) -> AsyncIterator[None]:
        # Workers have more to do than to queue here: the log waits for the rest.
        if self._waiting >= _MOST_WAITING:
            raise LookLaterError(_BUSY_SECONDS, "other messages are being looked for")
        self._waiting += 1
        try:
            async with self._lock:
                yield
        finally:
            self._waiting -= 1

    async def call(self, method: Callable[[], Awaitable[T]]) -> T:
        """Call a method that may be repeated; a flood limit is waited out, as far as it is short.

        Raises LookLaterError, or what Telegram definitely refuses.
        """
        waited = 0.0
        while True:
            if self._turn:
                await self._turn()
            try:
                return await method()
            except (TelegramBadRequest, TelegramForbiddenError, TelegramMigrateToChat):
                raise
            except AiogramError as error:
                pause = _flood_pause(error)
                problem = self._explain(error)
                if pause is None:
                    raise LookLaterError(_AWAY_SECONDS, problem) from error
                if waited + pause > _LONGEST_FLOOD:
                    raise LookLaterError(pause, problem) from error
                await asyncio.sleep(pause)
                waited += pause

    def explain(self, error: AiogramError) -> str:
        """Return what happened, without the token."""
        return self._explain(error)

    def now(self) -> datetime:
        """Return the present."""
        return self._clock()

    def is_claimed(self, message: Message, claim: MessageClaimed, part: Part) -> bool:
        """Tell whether `message` is the one that was claimed."""
        return carries(addresses(message), claim, self._signer, part)

    @property
    def bot(self) -> Bot:
        """The bot that looks."""
        return self._bot


class _Look:
    """One look, with the copies that it made."""

    def __init__(
        self,
        witness: Witness,
        claim: MessageClaimed,
        chat: Place,
        audit: str,
        *,
        protected: bool,
        since: datetime | None = None,
        part: Part = "message",
    ) -> None:
        """Begin a look; `since` is when the claim was made, by the clock of this process."""
        self._since = since
        self._part = part
        self._witness = witness
        self._bot = witness.bot
        self._claim = claim
        self._chat = chat
        self._audit = audit
        self._protected = protected
        self._copies: list[int] = []

    async def run(self, search: Search | Finding) -> Finding:
        probes = 0
        try:
            while isinstance(search, Search):
                probes += 1
                search = search.after(await self._glimpse(search.candidate))
        except (TelegramBadRequest, TelegramForbiddenError, TelegramMigrateToChat) as error:
            search = CannotTell(f"message {probes}: {self._witness.explain(error)}")
        finally:
            PROBES.observe(probes)
            await self._delete_copies()
        search = trusted(search, self._chat)
        found = type(search).__name__.lower()
        LOOKS.labels(found).inc()
        log.info("looked for a message", found=found, probes=probes, channel=self._claim.channel)
        return search

    async def _glimpse(self, number: int) -> Glimpse:
        try:
            message = await self._forward(self._chat, number)
        except TelegramBadRequest as error:
            if "message to forward not found" in error.message.lower():
                return Missing()
            if "can't be forwarded" in error.message.lower():
                return await self._glimpse_by_copy(number)
            raise
        origin = message.forward_origin
        posted_at = origin.date.astimezone(UTC) if origin else self._claim.claimed_at
        if self._witness.is_claimed(message, self._claim, self._part):
            return Ours(await self._chat_id(message), posted_at)
        return Other(self._after_claim(message.date - posted_at) if origin else None)

    def _after_claim(self, age: timedelta) -> timedelta | None:
        """Return how long after the claim something was posted that is so old.

        By Telegram's clock its age, by the log's the claim's: no two clocks are compared.
        """
        return None if self._since is None else self._witness.now() - self._since - age

    async def _glimpse_by_copy(self, number: int) -> Glimpse:
        """Look at what may not be forwarded: protected content, which a bot may copy."""
        try:
            copy = await self._witness.call(
                lambda: self._bot.copy_message(
                    self._audit,
                    self._chat,
                    number,
                    disable_notification=True,
                    request_timeout=_TIMEOUT,  # type: ignore[arg-type] # aiohttp takes it
                )
            )
        except TelegramBadRequest as error:
            text = error.message.lower()
            if "message to copy not found" in text:
                return Missing()
            if "can't be copied" in text and not await self._may_be_protected():
                return Other()  # a service message
            return Unreadable(f"message {number} is protected: {self._witness.explain(error)}")
        self._copies.append(copy.message_id)
        message = await self._forward(self._audit, copy.message_id)
        if self._witness.is_claimed(message, self._claim, self._part):
            # When it was posted is not shown.
            return Ours(await self._chat_id(None), self._claim.claimed_at)
        return Other()

    async def _forward(self, source: Place, number: int) -> Message:
        try:
            message = await self._witness.call(
                lambda: self._bot.forward_message(
                    self._audit,
                    source,
                    number,
                    disable_notification=True,
                    request_timeout=_TIMEOUT,  # type: ignore[arg-type] # aiohttp takes it
                )
            )
        except LookLaterError as error:
            self._remember_unread(error.__cause__)
            raise
        self._copies.append(message.message_id)
        return message

    def _remember_unread(self, cause: BaseException | None) -> None:
        """Keep the id of a copy that was made, though its answer cannot be read."""
        data = cause.data if isinstance(cause, ClientDecodeError) else None
        result = data.get("result") if isinstance(data, dict) else None
        if isinstance(result, dict) and isinstance(result.get("message_id"), int):
            self._copies.append(result["message_id"])

    async def _may_be_protected(self) -> bool:
        if self._protected:
            return True
        chat = await self._witness.call(lambda: self._bot.get_chat(self._chat))
        return bool(chat.has_protected_content)

    async def _chat_id(self, message: Message | None) -> int:
        origin = message.forward_origin if message else None
        if isinstance(origin, MessageOriginChannel):
            return origin.chat.id
        if isinstance(self._chat, int):
            return self._chat
        return (await self._witness.call(lambda: self._bot.get_chat(self._chat))).id

    async def _delete_copies(self) -> None:
        if not self._copies:
            return
        try:
            await self._bot.delete_messages(self._audit, self._copies)
        except AiogramError as error:
            COPIES_LEFT.inc(len(self._copies))
            log.warning(
                "copies in the audit chat were not deleted; delete them by hand",
                audit_chat=self._audit,
                message_ids=self._copies,
                problem=self._witness.explain(error),
            )


def addresses(message: Message) -> list[str]:
    """Return the addresses that `message` links to, in its text and its buttons."""
    entities = [*(message.entities or ()), *(message.caption_entities or ())]
    rows = message.reply_markup.inline_keyboard if message.reply_markup else []
    return [
        *(entity.url for entity in entities if entity.url),
        *(button.url for row in rows for button in row if button.url),
    ]


def _flood_pause(error: AiogramError) -> float | None:
    if isinstance(error, TelegramRetryAfter):
        return float(error.retry_after)
    flood = isinstance(error, TelegramAPIError) and "too many requests" in error.message.lower()
    return _FLOOD_SECONDS if flood else None
