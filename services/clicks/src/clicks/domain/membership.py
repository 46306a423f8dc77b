"""Where the bot may post again, as Telegram says it, and what to record of that.

Anybody can add a bot to any group: only of a channel where posting failed before anything is said.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

from contracts.events import ChannelDisabled, ChannelEnabled, Event

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{3,31}", re.ASCII)
_CLOCKS = timedelta(minutes=1)
"""By how much our clocks and Telegram's, which tells whole seconds, may differ."""


@dataclass(frozen=True)
class Admitted:
    """The bot may post in a chat from now on."""

    kind: ClassVar[str] = "my_chat_member"
    id: int
    bot_id: int
    chat_id: int
    username: str | None
    status: str
    sent_at: int | None

    @property
    def names(self) -> tuple[str, ...]:
        """How a campaign may call the chat."""
        return (str(self.chat_id), *([self.username] if self.username else []))


def admission(number: int, change: Mapping[str, Any]) -> Admitted | None:
    """Return where a change of the bot's own membership lets it post; None where it does not.

    `number` is the update's.
    """
    match change:
        case {
            "chat": {"id": int(chat_id), "type": str(kind), **chat},
            "new_chat_member": {"status": str(status), "user": {"id": int(bot_id)}, **rights},
        } if _may_post(kind, status, rights):
            sent_at = change.get("date")
            return Admitted(
                number,
                bot_id,
                chat_id,
                _username(chat.get("username")),
                status,
                sent_at if isinstance(sent_at, int) else None,
            )
    return None


def _username(name: object) -> str | None:
    return f"@{name.lower()}" if isinstance(name, str) and _NAME.fullmatch(name) else None


def _may_post(kind: str, status: str, rights: Mapping[Any, Any]) -> bool:
    if kind == "channel":
        return status == "creator" or (
            status == "administrator" and rights.get("can_post_messages") is True
        )
    if status == "restricted":
        return rights.get("can_send_messages") is True
    return status in {"member", "administrator", "creator"}


def enable(
    admitted: Admitted, name: str, last: Event | None, now: datetime
) -> ChannelEnabled | None:
    """Return what to say of the chat by this `name`, given the `last` word about it.

    What a person disabled, a person enables. An update that waited longer than Telegram's last
    refusal is not about it.
    """
    if not isinstance(last, ChannelDisabled) or last.actor is not None:
        return None
    refused_at = (last.happened_at - _CLOCKS).timestamp()
    if admitted.sent_at is not None and admitted.sent_at < refused_at:
        return None
    return ChannelEnabled(
        channel=name,
        bot_id=admitted.bot_id,
        username=admitted.username,
        description=f"Telegram says that the bot is {admitted.status}",
        happened_at=now,
    )
