"""Tells Telegram where the webhook is, and sees to it that Telegram goes on knowing."""

import asyncio
from typing import Any

from chassis.logs import logger
from clicks.domain.updates import WANTED
from clicks.telegram import Telegram, TelegramError

_PERIOD = 60.0

log = logger(__name__)


async def keep_registered(
    telegram: Telegram, *, url: str, secret: str, period: float = _PERIOD
) -> None:
    """Set the webhook, then look every `period` seconds, for ever; repair it where it differs.

    Any number of replicas may do so: they all ask for the same.
    """
    wanted = {"url": url, "allowed_updates": list(WANTED)}
    await telegram.insist("setWebhook", {**wanted, "secret_token": secret})
    while True:
        found = await telegram.insist("getWebhookInfo", {})
        problem = _difference(found, wanted)
        if problem is None:
            telegram.settled()
            await asyncio.sleep(period)
        else:
            await telegram.trouble("getWebhookInfo", TelegramError(problem))
            await telegram.insist("setWebhook", {**wanted, "secret_token": secret})


def _difference(found: object, wanted: dict[str, Any]) -> str | None:
    info = found if isinstance(found, dict) else {}
    if info.get("url") != wanted["url"]:
        return (
            f"the webhook is {info.get('url')!r} instead of {wanted['url']!r}; somebody changed it"
        )
    if sorted(info.get("allowed_updates") or ()) != sorted(wanted["allowed_updates"]):
        return "the webhook has other allowed_updates; somebody changed them"
    return None
