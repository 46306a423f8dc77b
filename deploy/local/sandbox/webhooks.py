"""Webhook delivery: one update in flight for each queue, repeated until it is taken or too old.

Behaviour of tdlib/telegram-bot-api WebhookActor.cpp: a failed update goes out again at once, then
after 2, 4, 8… seconds up to a random 60-120; Retry-After is honoured up to an hour.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx

from sandbox.forms import Parameters, read_parameters
from sandbox.records import Bot
from sandbox.refusals import Refusal
from sandbox.telegram import Telegram
from sandbox.updates import Update

_log = logging.getLogger(__name__)
_TIMEOUT = 60.0
_LONGEST_RETRY_AFTER = 3600
_SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - a header's name
_CAP = 60.0
Execute = Callable[[Bot, str, Parameters], Awaitable[Any]]


def pause(failures: int, base: float, spread: float) -> float:
    """Seconds to wait after that many failures; `spread` in 0..1 chooses within 60-120."""
    if failures <= 1:
        return 0.0
    wait = 2.0 ** min(failures - 1, 10)
    return base * (wait if wait < _CAP else _CAP * (1 + spread))


@dataclass(frozen=True)
class _Failure:
    reason: str
    retry_after: float | None = None


class Webhooks:
    """Delivers what is pending to the webhooks of all bots."""

    def __init__(self, telegram: Telegram, execute: Execute, retry_base: float):
        self._telegram = telegram
        self._execute = execute
        self._retry_base = retry_base
        self._client = httpx.AsyncClient(
            timeout=_TIMEOUT, limits=httpx.Limits(max_connections=None)
        )
        self._tasks: dict[int, dict[str, asyncio.Task[None]]] = {}
        telegram.updates.listeners.append(self.kick)

    def kick(self, bot_id: int) -> None:
        """Start a delivery for every queue that has none, within max_connections."""
        bot = self._telegram.world.bots.get(bot_id)
        if bot is None or not bot.webhook:
            return
        running = self._tasks.setdefault(bot_id, {})
        for queue in self._telegram.updates.queues(bot_id):
            if len(running) >= bot.webhook["max_connections"]:
                return
            if queue not in running:
                running[queue] = asyncio.create_task(self._run(bot, queue))

    async def close(self) -> None:
        tasks = [task for running in self._tasks.values() for task in running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.aclose()

    async def _run(self, bot: Bot, queue: str) -> None:
        try:
            await self._drain(bot, queue)
        finally:
            del self._tasks[bot.id][queue]
        self.kick(bot.id)

    async def _drain(self, bot: Bot, queue: str) -> None:
        failures = 0
        while bot.webhook and (update := self._telegram.updates.first_in(bot.id, queue)):
            failure = await self._deliver(bot, update)
            if failure is None:
                failures = 0
                self._telegram.updates.confirm(update)
                self._telegram.world.commit()
                continue
            failures += 1
            self._note(bot, failure)
            await asyncio.sleep(self._wait(failure, failures))

    def _wait(self, failure: _Failure, failures: int) -> float:
        if failure.retry_after is not None:
            return failure.retry_after
        return pause(failures, self._retry_base, random.random())

    def _note(self, bot: Bot, failure: _Failure) -> None:
        _log.warning("webhook failed", extra={"bot_id": bot.id, "reason": failure.reason})
        if bot.webhook:
            bot.webhook["last_error_date"] = int(self._telegram.world.now())
            bot.webhook["last_error_message"] = failure.reason
            self._telegram.world.bots.save(bot)

    async def _deliver(self, bot: Bot, update: Update) -> _Failure | None:
        hook = bot.webhook or {}
        headers = {_SECRET_HEADER: hook["secret_token"]} if hook.get("secret_token") else {}
        try:
            answer = await self._client.post(hook["url"], json=update.body, headers=headers)
        except httpx.TimeoutException:
            return _Failure("Read timeout expired")
        except httpx.TransportError as error:
            return _Failure(f"Connection failed: {error}")
        if not answer.is_success:
            reason = f"Wrong response from the webhook: {answer.status_code} {answer.reason_phrase}"
            return _Failure(reason, _retry_after(answer))
        await self._obey(bot, answer)
        return None

    async def _obey(self, bot: Bot, answer: httpx.Response) -> None:
        """Run the method call a webhook may answer with; its outcome is told to nobody."""
        if not answer.content:
            return
        try:
            kind = answer.headers.get("content-type", "")
            parameters = read_parameters("", kind, answer.content)
            if parameters.has("method"):
                await self._execute(bot, parameters.text("method"), parameters)
        except Refusal as refusal:
            _log.warning("reply refused", extra={"bot_id": bot.id, "reason": refusal.description})


def _retry_after(answer: httpx.Response) -> float | None:
    value = answer.headers.get("retry-after", "")
    return float(min(int(value), _LONGEST_RETRY_AFTER)) if value.isdigit() else None
