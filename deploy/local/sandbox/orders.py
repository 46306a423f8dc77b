"""The bodies of the control API's requests."""

from typing import Any, Literal

from pydantic import BaseModel


class BotBody(BaseModel):
    """A bot account to create or change."""

    token: str
    username: str
    name: str = ""


class ChatBody(BaseModel):
    """A channel or group; `bots` maps a bot id to a status and rights, by default all of them."""

    type: Literal["channel", "supergroup"] = "channel"
    title: str
    username: str = ""
    members: int = 1
    linked_chat_id: int | None = None
    bots: dict[str, dict[str, Any]] = {}


class PersonBody(BaseModel):
    """A person to create or change."""

    first_name: str
    username: str = ""
    language_code: str = "en"


class TapBody(BaseModel):
    """A tap on a button, or forged `callback_data`; `bot` names the private chat."""

    chat_id: int
    message_id: int
    row: int = 0
    column: int = 0
    callback_data: str | None = None
    bot: str | None = None
    wait: float = 10.0
    follow: bool = True


class StartBody(BaseModel):
    """Press Start in the chat with a bot."""

    bot: str
    payload: str = ""


class SayBody(BaseModel):
    """Write to a group or to a bot."""

    text: str
    chat_id: int | None = None
    bot: str | None = None


class PayBody(BaseModel):
    """Pay an invoice, by its link or its message in the chat with `bot`."""

    invoice_link: str | None = None
    chat_id: int | None = None
    message_id: int | None = None
    bot: str | None = None
    renew: bool = False


class ChargeBody(BaseModel):
    """Take a payment back."""

    charge_id: str


class LossBody(BaseModel):
    """Kinds of update that are lost from now on."""

    kinds: list[str] = []


class JoinBody(BaseModel):
    """Enter a chat by a link or by itself."""

    invite_link: str | None = None
    chat_id: int | str | None = None


class BlockBody(BaseModel):
    """Block a bot."""

    bot: str


class StandingBody(BaseModel):
    """Promote a bot in a chat, or kick it out; `rights` such as `can_post_messages: false`."""

    chat_id: int | str
    bot: str
    rights: dict[str, bool] = {}


class PostBody(BaseModel):
    """A human administrator's post."""

    text: str


class InjectBody(BaseModel):
    """A raw update."""

    update: dict[str, Any]


class RepeatBody(BaseModel):
    """An update to deliver again."""

    update_id: int


class LimitsBody(BaseModel):
    """What is left out stays; null switches a limit off; `off` switches all floods off."""

    per_second: int | None = None
    chat_burst: int | None = None
    chat_per_second: float = 1.0
    group_per_minute: int | None = None
    callback_window: float = 15.0
    off: bool = False


class ClockBody(BaseModel):
    """Seconds by which the sandbox's clock jumps ahead."""

    advance: float
