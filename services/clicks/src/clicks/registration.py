"""Tells Telegram where the webhook is, and sees to it that Telegram goes on knowing."""

import asyncio

from chassis.logs import logger
from clicks.domain.webhook import Webhook
from clicks.telegram import Telegram, TelegramError

_PERIOD = 60.0

log = logger(__name__)


async def keep_registered(
    telegram: Telegram, webhook: Webhook, *, secret: str, period: float = _PERIOD
) -> None:
    """Set the webhook, then look every `period` seconds, for ever; repair it where it differs.

    Any number of replicas may do so: they all ask for the same.
    """
    wanted = {**webhook.parameters, "secret_token": secret}
    await telegram.insist("setWebhook", wanted)
    while True:
        found = await telegram.insist("getWebhookInfo", {})
        if differences := webhook.differences(found):
            problem = f"{'; '.join(differences)}: somebody changed it"
            await telegram.trouble("getWebhookInfo", TelegramError(problem))
            await telegram.insist("setWebhook", wanted)
        else:
            telegram.settled()
            await asyncio.sleep(period)
