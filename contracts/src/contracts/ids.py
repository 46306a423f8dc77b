"""Names of things. Ids are derived, so that every replica and every retry makes the same one."""

import re
from base64 import b32hexencode
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Annotated, NewType

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, StringConstraints

CampaignId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
VariantId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
DeliveryId = NewType("DeliveryId", str)
BotName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]
"""What the sender's settings call a bot."""
MAIN_BOT = "main"
"""The bot of a campaign that names none: the one of `TELEGRAM_BOT_TOKEN`."""

_SAFE_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ANONYMOUS = "anon"
_CHAT_ID_BITS = 63


def _text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _one_spelling(channel: str) -> str:
    if channel.startswith("@"):
        return channel.lower()
    number = int(channel)
    if number.bit_length() > _CHAT_ID_BITS:
        raise ValueError("is no chat id: it does not fit 64 bits")
    return str(number)


Channel = Annotated[
    str,
    BeforeValidator(_text),
    StringConstraints(pattern=r"^(-?[0-9]{1,19}|@[A-Za-z][A-Za-z0-9_]{3,31})$"),
    AfterValidator(_one_spelling),
]
"""A chat as Telegram addresses it: its 64-bit id in decimal, or a public @username.

One chat has one spelling (usernames know no case), as deliveries are told apart by it.
"""


def _utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("lies outside the years 1 to 9999") from error


Instant = Annotated[AwareDatetime, AfterValidator(_utc)]
"""A moment, always in UTC."""


def delivery_id(campaign: str, channel: str, scheduled_for: datetime) -> DeliveryId:
    """Derive the id of one slot in one channel: 128 bits in 26 characters of `[0-9a-v]`."""
    instant = scheduled_for.astimezone(UTC).isoformat(timespec="microseconds")
    digest = blake2b(f"{campaign}\n{channel}\n{instant}".encode(), digest_size=16).digest()
    return DeliveryId(b32hexencode(digest).decode().rstrip("=").lower())


def subject_token(text: str) -> str:
    """Return `text` where a NATS subject can carry it as one token, else a 128-bit hash of it."""
    if _SAFE_TOKEN.fullmatch(text):
        return text
    return "h-" + blake2b(text.encode(), digest_size=16).hexdigest()


def person_token(user_id: int | None) -> str:
    """Return the subject token of a Telegram user, `anon` where nobody is known."""
    return _ANONYMOUS if user_id is None else str(user_id)
