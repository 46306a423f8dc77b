"""Bot API methods about the bot itself and how it gets its updates."""

import re

from sandbox.forms import Parameters
from sandbox.records import Bot, Json
from sandbox.refusals import bad_request, conflict
from sandbox.telegram import Call
from sandbox.updates import allowed_updates

_SECRET = re.compile(r"[A-Za-z0-9_-]*")
_LONGEST_SECRET = 256
_DEFAULT_CONNECTIONS = 40
_MOST_CONNECTIONS = 100_000
_POLLING_WITH_WEBHOOK = (
    "can't use getUpdates method while webhook is active;"
    " use deleteWebhook to delete the webhook first"
)


def get_me(call: Call) -> Json:
    """GetMe."""
    return {
        **call.bot.user(),
        "can_join_groups": True,
        "can_read_all_group_messages": False,
        "supports_inline_queries": False,
        "can_connect_to_business": False,
        "has_main_web_app": False,
    }


async def get_updates(call: Call) -> list[Json]:
    """getUpdates: see polling.py; refused while a webhook is set."""
    if call.bot.webhook:
        raise conflict(_POLLING_WITH_WEBHOOK)
    _remember_filter(call)
    parameters = call.parameters
    updates = await call.telegram.polls.read(
        call.bot.id,
        parameters.integer("offset"),
        parameters.integer("limit", 100),
        parameters.integer("timeout"),
    )
    return [update.body for update in updates]


def _remember_filter(call: Call) -> None:
    given = call.parameters.json("allowed_updates")
    call.bot.allowed_updates = allowed_updates(given, call.bot.allowed_updates)
    call.world.bots.save(call.bot)


def set_webhook(call: Call) -> bool:
    """setWebhook: any http(s) address, as a local Bot API server takes it; "" deletes."""
    url = call.parameters.text("url").strip()
    if not url:
        return delete_webhook(call)
    if not url.startswith(("https://", "http://")):
        raise bad_request("bad webhook: An HTTPS URL must be provided for webhook")
    secret = call.parameters.text("secret_token")
    if len(secret) > _LONGEST_SECRET:
        raise bad_request("secret token is too long")
    if not _SECRET.fullmatch(secret):
        raise bad_request("secret token contains unallowed characters")
    _remember_filter(call)
    connections = _connections(call.parameters)
    call.bot.webhook = {"url": url, "secret_token": secret, "max_connections": connections}
    _drop_if_asked(call)
    call.world.bots.save(call.bot)
    call.telegram.polls.end(call.bot.id)
    call.telegram.updates.wake(call.bot.id)
    return True


def _connections(parameters: Parameters) -> int:
    wanted = parameters.integer("max_connections", _DEFAULT_CONNECTIONS)
    return min(max(wanted, 1), _MOST_CONNECTIONS)


def delete_webhook(call: Call) -> bool:
    """DeleteWebhook."""
    call.bot.webhook = None
    _drop_if_asked(call)
    call.world.bots.save(call.bot)
    return True


def _drop_if_asked(call: Call) -> None:
    if call.parameters.boolean("drop_pending_updates"):
        call.telegram.updates.drop_all(call.bot.id)


def get_webhook_info(call: Call) -> Json:
    """GetWebhookInfo."""
    return webhook_info(call.bot, len(call.telegram.updates.pending(call.bot.id)))


def webhook_info(bot: Bot, pending: int) -> Json:
    """The WebhookInfo object; the secret is never shown."""
    hook = {n: v for n, v in (bot.webhook or {"url": ""}).items() if n != "secret_token"}
    info = {**hook, "has_custom_certificate": False, "pending_update_count": pending}
    return info | ({"allowed_updates": bot.allowed_updates} if bot.allowed_updates else {})


def set_my_commands(call: Call) -> bool:
    """setMyCommands; scopes and languages are not told apart."""
    commands = call.parameters.json("commands")
    if not isinstance(commands, list):
        raise bad_request("can't parse commands: expected an Array of BotCommand")
    call.bot.commands = commands
    call.world.bots.save(call.bot)
    return True


def get_my_commands(call: Call) -> list[Json]:
    """GetMyCommands."""
    return call.bot.commands
