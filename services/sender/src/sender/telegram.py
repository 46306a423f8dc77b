"""Posts to Telegram through aiogram, and says in our words how it ended.

Each answer is definite (Posted, Refused) or it is Unknown; none is repeated here. Sources: aiogram
3.31 `exceptions` and `client.session.aiohttp`, Bot API docs.
"""

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from time import monotonic

import aiohttp
from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import AiogramError
from aiogram.methods import Response
from aiogram.types import Message, User

from chassis.clock import Clock
from chassis.logs import logger
from sender.classification import classify
from sender.domain.channels import Chats
from sender.domain.content import Content
from sender.domain.outcomes import Outcome, Posted, Refused
from sender.posting import FileIds, request

# A time of its own for connecting tells "never connected" from "no answer". The whole may take
# long, as Telegram itself waits out floods of up to 8 s: a short timeout makes uncertainty.
_CONNECT_SECONDS = 5
_LONGEST_DESCRIPTION = 500
_IDLE_SECONDS = 2
_COUNT_TIMEOUT = 2
_COUNT_LIFETIME = timedelta(minutes=10)
_PIN_TIMEOUT = 10
_FOLLOW_UPS = 3
_FOLLOW_UP_PAUSE = timedelta(seconds=5)
_ANSWERS = (Response[Message], Response[list[Message]], Response[bool], Response[int])
"""Held, as pydantic forgets generic models that nobody holds: aiogram would build them anew for
every answer (4 ms each time)."""

log = logger(__name__)


class _Session(AiohttpSession):
    """Never sends on a connection that idled: the server may be closing it at that moment.

    A send that meets the closing would have an unknown outcome for no reason.
    """

    def __init__(self, api: TelegramAPIServer) -> None:
        super().__init__(api=api)
        self._connector_init["keepalive_timeout"] = _IDLE_SECONDS


class Telegram:
    """One bot."""

    def __init__(
        self,
        token: str,
        api: str,
        clock: Clock,
        *,
        send_timeout: timedelta,
        chats: Chats | None = None,
    ) -> None:
        """Speak for the bot of `token`; `chats` tells which chats are others by now."""
        self._chats = chats or Chats()
        self._send_seconds = send_timeout.total_seconds()
        self._token = token
        self._bot = Bot(token, session=_Session(api=TelegramAPIServer.from_base(api)))
        self._clock = clock
        self._audiences: dict[str, tuple[datetime, int]] = {}
        self._last_ids: dict[str, int] = {}
        self._files = FileIds()
        self._pinning: set[asyncio.Task[None]] = set()

    async def me(self) -> User:
        """Return the bot itself; raises AiogramError."""
        return await self._bot.get_me()

    def explain(self, error: AiogramError) -> str:
        """Return what happened without the token, which an address in the text may hold."""
        text = str(getattr(error, "message", error)).replace(self._token, "<token>")
        return text[:_LONGEST_DESCRIPTION]

    async def close(self) -> None:
        """Close the connections."""
        if self._pinning:
            await asyncio.wait(self._pinning, timeout=_PIN_TIMEOUT)
        await self._bot.session.close()

    def last_known_message_id(self, channel: str) -> int | None:
        """Return the highest message id that this process saw in `channel`."""
        return self._last_ids.get(self._chats.place(channel))

    def prepared(self, channel: str, content: Content) -> Content:
        """Return `content`, with a fault where no request can be made of it.

        To be asked before the claim: what fails after it, and is no answer, leaves a doubt behind.
        """
        try:
            for part in (content, content.follow_up):
                if part and not part.fault:
                    request(self._chat(channel), part, self._files)
        except Exception as error:  # noqa: BLE001  whatever it is, it would be the same next time
            problem = f"no request can be made of it: {error}"
            return replace(content, fault=problem[:_LONGEST_DESCRIPTION])
        return content

    def fetched_once(self, content: Content) -> AbstractAsyncContextManager[None]:
        """Wait, for seconds at most, where another send has Telegram fetch the same media now.

        To be asked before the turn and the claim: neither is to wait.
        """
        return self._files.fetched_once(content.media)

    async def post(self, channel: str, content: Content, *, paid: bool = False) -> Outcome:
        """Post once, `paid` above the free limit; never raises for what Telegram does.

        The first message alone decides how it ended. What belongs to it (the message below an
        album, the pin) is tried after it, and a failure there is logged.
        """
        if content.fault:
            return Refused("content", content.fault)
        over = monotonic() + self._send_seconds
        outcome = await self._send(channel, content, paid=paid)
        if isinstance(outcome, Refused) and self._files.forget(content.media, outcome.description):
            # Telegram forgot a file, and definitely posted nothing: it may fetch the file again,
            # in what is left of the time after which others may look for the message.
            left = max(1.0, over - monotonic())
            outcome = await self._send(channel, content, paid=paid, seconds=left)
        if isinstance(outcome, Posted):
            if content.follow_up:
                follow_up = await self._follow_up(channel, content.follow_up)
                outcome = replace(outcome, follow_up_id=follow_up)
            if content.pin:
                self._start_pinning(channel, outcome)
        return outcome

    async def _send(
        self, channel: str, content: Content, *, paid: bool = False, seconds: float | None = None
    ) -> Outcome:
        begun = monotonic()
        timeout = aiohttp.ClientTimeout(
            total=seconds or self._send_seconds, sock_connect=_CONNECT_SECONDS
        )
        place = self._chat(channel)
        if content.media:
            files = [self._files.source(medium) for medium in content.media]
            log.info("posting media", channel=channel, files=files)
        try:
            answer = await self._bot(
                request(place, content, self._files, paid=paid),
                request_timeout=timeout,  # type: ignore[arg-type] # aiohttp takes it
            )
        except AiogramError as error:
            lasted = timedelta(seconds=monotonic() - begun)
            outcome = classify(error, self.explain(error), place, self._clock(), lasted)
        else:
            messages: list[Message] = answer if isinstance(answer, list) else [answer]
            self._files.learn(content.media, messages)
            first = messages[0]
            outcome = Posted(first.chat.id, first.message_id, first.date.astimezone(UTC))
            self._saw(channel, messages[-1].message_id)
        if isinstance(outcome, Posted):
            self._saw(channel, outcome.message_id)
        if content.media:
            how = type(outcome).__name__.lower()
            seconds = round(monotonic() - begun, 3)
            log.info("media handled", channel=channel, outcome=how, seconds=seconds)
        return outcome

    def _saw(self, channel: str, message_id: int) -> None:
        place = self._chats.place(channel)  # a chat that moved counts its messages anew
        self._last_ids[place] = max(self._last_ids.get(place, 0), message_id)

    async def _follow_up(self, channel: str, content: Content) -> int | None:
        """Post the message below an album; None where that did not work, or nobody knows."""
        problem = ""
        for _ in range(_FOLLOW_UPS):
            outcome = await self._send(channel, content)
            if isinstance(outcome, Posted):
                return outcome.message_id
            # Only what was certainly not taken may be tried again, and not for long: the album
            # stands already, and the log does not know it yet.
            problem = outcome.description
            pause = outcome.retry_after if isinstance(outcome, Refused) else None
            if pause is None or pause > _FOLLOW_UP_PAUSE:
                break
            await asyncio.sleep(pause.total_seconds())
        log.warning("the buttons below an album are missing", channel=channel, problem=problem)
        return None

    def _start_pinning(self, channel: str, posted: Posted) -> None:
        # Not waited for: the log is to know first that the message stands.
        pinning = asyncio.create_task(self._pin(channel, posted))
        self._pinning.add(pinning)
        pinning.add_done_callback(self._pinning.discard)

    async def _pin(self, channel: str, posted: Posted) -> None:
        try:
            await self._bot.pin_chat_message(
                posted.chat_id,
                posted.message_id,
                disable_notification=True,
                request_timeout=_PIN_TIMEOUT,
            )
        except (AiogramError, TimeoutError) as error:
            problem = self.explain(error) if isinstance(error, AiogramError) else "no answer"
            log.warning(
                "not pinned", channel=channel, message_id=posted.message_id, problem=problem
            )

    async def audience(self, channel: str) -> int | None:
        """Return the channel's member count, at most 10 minutes old; None where it is not known."""
        now, place = self._clock(), self._chats.place(channel)
        known = self._audiences.get(place)
        if known and now - known[0] < _COUNT_LIFETIME:
            return known[1]
        try:
            count = await self._bot.get_chat_member_count(
                self._chat(channel), request_timeout=_COUNT_TIMEOUT
            )
        except (AiogramError, TimeoutError):
            return known[1] if known else None
        self._audiences[place] = (now, count)
        return count

    @property
    def bot(self) -> Bot:
        """The bot, for whoever reads by it."""
        return self._bot

    def place(self, channel: str) -> int | str:
        """Return the chat as it is addressed now."""
        return self._chat(channel)

    def _chat(self, channel: str) -> int | str:
        place = self._chats.place(channel)
        return place if place.startswith("@") else int(place)
