"""A thin client of the Bot API. It never shows the token: it is cut out of every error text."""

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import httpx

from chassis.logs import logger
from clicks.domain.calls import Bot, Call
from clicks.metrics import CALLS

_SECONDS = 10.0
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 30.0
_CONFLICT_PAUSE = 2.0
_CONFLICT = 409
_TOO_MANY = 429
_SERVER_ERROR = 500
_FLOOD_SECONDS = 30.0
"""How long a message to a person waits for a flood limit; Telegram waits 60 s for us."""
_REMEDIES = {
    401: "check TELEGRAM_BOT_TOKEN",
    404: "check TELEGRAM_BOT_TOKEN and FINGERPOST_TELEGRAM_API",
}
_WEBHOOK_IS_SET = (
    "a webhook is set for this bot, so nothing can be polled: run with"
    " FINGERPOST_CLICKS_MODE=webhook, or remove it with `python -m clicks webhook delete`"
)
_OTHER_POLLER = (
    "another program polls with this bot's token: stop it, or give this one a bot of its own;"
    " replicas of clicks agree by their lease if they share one log (NATS_URL)"
)

log = logger(__name__)


class TelegramError(Exception):
    """The Bot API refused a call (`status`), or did not answer it (`status` is None)."""

    def __init__(
        self, description: str, *, status: int | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(description)
        self.status = status
        self.retry_after = retry_after

    @property
    def is_passing(self) -> bool:
        """Whether the same call may be answered when it is repeated."""
        status = self.status
        return status is None or status == _TOO_MANY or status >= _SERVER_ERROR

    def explanation(self) -> str:
        """Return what happened and, where we know it, the remedy."""
        remedy = _REMEDIES.get(self.status or 0)
        if self.status == _CONFLICT:
            remedy = _WEBHOOK_IS_SET if "webhook" in str(self) else _OTHER_POLLER
        return f"{self}: {remedy}" if remedy else str(self)


class Telegram:
    """Calls the Bot API for one bot, and knows whether Telegram does its part (`check`)."""

    def __init__(self, api: str, token: str) -> None:
        self._token = token
        self._base = f"{api}/bot{token}"
        self._http = httpx.AsyncClient(timeout=_SECONDS)
        self._problem: str | None = "Telegram was not reached yet"
        self._failures = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    async def check(self) -> None:
        """Raise what is wrong between us and Telegram, for readiness."""
        if self._problem:
            raise RuntimeError(self._problem)

    def settled(self) -> None:
        """Say that Telegram does its part now."""
        if self._failures:
            log.info("Telegram answers again")
        self._problem, self._failures = None, 0

    async def trouble(self, method: str, error: TelegramError) -> None:
        """Say that it does not, and wait before the next try: 0.5, 1, 2 … 30 s, or as told."""
        self._problem = error.explanation()
        pause = error.retry_after or self._pause(error)
        self._failures += 1
        log.warning("will repeat", method=method, problem=self._problem, pause_seconds=pause)
        await asyncio.sleep(pause)

    def _pause(self, error: TelegramError) -> float:
        # Two pollers end each other's requests by turns: at a pace that can be read in the logs.
        if error.status == _CONFLICT:
            return _CONFLICT_PAUSE
        return min(_FIRST_PAUSE * 2.0 ** min(self._failures, 10), _LONGEST_PAUSE)

    async def call(
        self, method: str, parameters: Mapping[str, Any], *, seconds: float = _SECONDS
    ) -> Any:
        """Make one call and return its result; raises TelegramError."""
        try:
            response = await self._http.post(
                f"{self._base}/{method}", json=dict(parameters), timeout=seconds
            )
            document = response.json()
        except httpx.HTTPError as error:
            raise self._failure(method, repr(error)) from None
        except ValueError:
            raise self._failure(
                method, f"{response.status_code} without JSON", response.status_code
            ) from None
        if isinstance(document, dict) and document.get("ok") is True:
            CALLS.labels(method, "ok").inc()
            return document.get("result")
        raise self._refusal(method, response.status_code, document)

    async def insist(self, method: str, parameters: Mapping[str, Any]) -> Any:
        """Repeat a call until Telegram does as asked; each failure is a line in the log."""
        while True:
            try:
                return await self.call(method, parameters)
            except TelegramError as error:
                await self.trouble(method, error)

    async def answer(self, call: Call) -> None:
        """Tell a person something; a flood limit is waited out, any other failure is logged."""
        left = _FLOOD_SECONDS
        while True:
            try:
                await self.call(call.method, call.parameters)
            except TelegramError as error:
                pause = error.retry_after
                if pause is None or pause > left or call.is_answer:
                    log.info("a person was not told", method=call.method, problem=str(error))
                    return
                left -= pause
                await asyncio.sleep(pause)
            else:
                return

    async def introduce(self) -> Bot:
        """Return who the bot is; repeats until Telegram says so."""
        while True:
            match await self.insist("getMe", {}):
                case {"id": int(bot_id), "username": str(username)}:
                    return Bot(bot_id, username)
            await self.trouble("getMe", TelegramError("the answer names no bot"))

    def _refusal(self, method: str, status: int, document: object) -> TelegramError:
        fields = document if isinstance(document, dict) else {}
        retry_after = None
        match fields.get("parameters"):
            case {"retry_after": int(seconds)}:
                retry_after = float(seconds)
        return self._failure(method, str(fields.get("description")), status, retry_after)

    def _failure(
        self,
        method: str,
        text: str,
        status: int | None = None,
        retry_after: float | None = None,
    ) -> TelegramError:
        CALLS.labels(method, "refused" if status else "unanswered").inc()
        redacted = text.replace(self._token, "<token>")
        return TelegramError(redacted, status=status, retry_after=retry_after)
