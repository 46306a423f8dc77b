"""The bot's webhook at Telegram: set, looked at, removed. Each raises CommandError."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from chassis.console import CommandError, RefusedError, UnavailableError
from clicks.console.answers import Deleted, State
from clicks.domain.webhook import Webhook
from clicks.telegram import Telegram, TelegramError


async def put(telegram: Telegram, wanted: Webhook, *, secret: str, now: datetime) -> State:
    """Set the webhook, and look whether Telegram has it so."""
    await _call(telegram, "setWebhook", {**wanted.parameters, "secret_token": secret})
    state = await look(telegram, wanted, now=now)
    if state.differences:
        raise RefusedError(
            f"Telegram has it otherwise: {'; '.join(state.differences)}",
            "see that nobody else sets this bot's webhook, and repeat the command",
        )
    return state


async def look(telegram: Telegram, wanted: Webhook | None, *, now: datetime) -> State:
    """Return what Telegram has; `wanted` is None where the settings want none."""
    info = await _info(telegram)
    url, at = str(info.get("url") or ""), info.get("last_error_date")
    differences = wanted.differences(info) if wanted else _unwanted(url)
    return State(
        url=url,
        pending=int(info.get("pending_update_count") or 0),
        last_error=info.get("last_error_message"),
        last_error_age_seconds=max(0, int(now.timestamp()) - at) if isinstance(at, int) else None,
        allowed_updates=tuple(info.get("allowed_updates") or ()),
        differences=differences,
        max_connections=info.get("max_connections"),
    )


async def remove(telegram: Telegram, *, set_again: bool) -> Deleted:
    """Remove the webhook; what waits with Telegram goes on waiting."""
    info = await _info(telegram)
    await _call(telegram, "deleteWebhook")
    was, pending = str(info.get("url") or ""), int(info.get("pending_update_count") or 0)
    return Deleted(was, pending, set_again)


def _unwanted(url: str) -> tuple[str, ...]:
    if not url:
        return ()
    return ("a webhook is set, and with FINGERPOST_CLICKS_MODE=polling nothing comes meanwhile",)


async def _info(telegram: Telegram) -> dict[str, Any]:
    info = await _call(telegram, "getWebhookInfo")
    return info if isinstance(info, dict) else {}


async def _call(
    telegram: Telegram, method: str, parameters: Mapping[str, Any] = MappingProxyType({})
) -> Any:
    try:
        return await telegram.call(method, parameters)
    except TelegramError as error:
        raise _failure(method, error) from None


def _failure(method: str, error: TelegramError) -> CommandError:
    if error.is_passing:
        return UnavailableError(
            f"Telegram did not answer {method} ({error})",
            "repeat the command, or see FINGERPOST_TELEGRAM_API",
        )
    return RefusedError(
        f"Telegram refused {method}: {error.explanation()}", "correct it and repeat the command"
    )
