"""The records the sandbox keeps: bots, people, chats, messages, links and open queries."""

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass
class Bot:
    """A bot account; its webhook and update filter are part of the account, as at Telegram."""

    id: int
    token: str
    username: str
    name: str
    commands: list[Json] = field(default_factory=list)
    webhook: Json | None = None
    allowed_updates: list[str] = field(default_factory=list)

    def user(self) -> Json:
        return {
            "id": self.id,
            "is_bot": True,
            "first_name": self.name,
            "username": self.username,
        }


@dataclass
class Person:
    """A human account; `blocked` and `started` hold bot ids."""

    id: int
    first_name: str
    username: str = ""
    language_code: str = "en"
    blocked: list[int] = field(default_factory=list)
    started: list[int] = field(default_factory=list)

    def user(self) -> Json:
        user = {
            "id": self.id,
            "is_bot": False,
            "first_name": self.first_name,
            "username": self.username,
            "language_code": self.language_code,
        }
        return {name: value for name, value in user.items() if value != ""}


@dataclass
class Chat:
    """A channel or supergroup; `bots` holds each bot's standing where it is not the default.

    `members` counts subscribers nobody plays; `joined` holds those somebody does.
    """

    id: int
    type: str
    title: str
    username: str = ""
    members: int = 1
    linked_chat_id: int | None = None
    bots: dict[str, Json] = field(default_factory=dict)
    joined: dict[str, Json] = field(default_factory=dict)
    migrated_to: int | None = None

    @property
    def key(self) -> str:
        return str(self.id)

    @property
    def is_channel(self) -> bool:
        return self.type == "channel"

    def brief(self) -> Json:
        brief = {"id": self.id, "type": self.type, "title": self.title}
        return brief | ({"username": self.username} if self.username else {})

    def member_count(self) -> int:
        inside = {"member", "administrator", "creator", "restricted"}
        return self.members + sum(m["status"] in inside for m in self.joined.values())


@dataclass(frozen=True)
class Dialogue:
    """The private chat of a person with a bot; seen from the bot its id is the person's."""

    person: Person
    bot: Bot
    type: str = "private"
    is_channel: bool = False

    @property
    def id(self) -> int:
        return self.person.id

    @property
    def key(self) -> str:
        return dialogue_key(self.person.id, self.bot.id)

    def brief(self) -> Json:
        brief = {"id": self.id, "type": "private", "first_name": self.person.first_name}
        return brief | ({"username": self.person.username} if self.person.username else {})


Place = Chat | Dialogue


def dialogue_key(person_id: int, bot_id: int) -> str:
    """The key of a private chat: message ids count for it alone."""
    return f"{person_id}@{bot_id}"


@dataclass
class Message:
    """A message and its fate; `body` is the Message object of the Bot API."""

    chat: str
    id: int
    body: Json
    posted_at: float
    bot_id: int | None = None
    edited_at: float | None = None
    deleted: bool = False
    pinned: bool = False
    protected: bool = False

    @property
    def key(self) -> str:
        return f"{self.chat}/{self.id}"


@dataclass
class Query:
    """Something a bot must answer in time: a tapped button or a payment before its checkout."""

    id: str
    kind: str
    bot_id: int
    user_id: int
    subject: Json
    created_at: float
    answer: Json | None = None
    answered_at: float | None = None


@dataclass
class InviteLink:
    """An invite link of a chat, made by a bot."""

    link: str
    chat_id: int
    bot_id: int
    body: Json
    joined: int = 0


@dataclass
class Invoice:
    """An invoice link; one in a message has the message's key as its link."""

    link: str
    bot_id: int
    title: str
    description: str
    payload: str
    currency: str
    amount: int
    subscription_period: int = 0


@dataclass
class Charge:
    """One payment; its id is also the id of the Star transaction."""

    id: str
    bot_id: int
    user_id: int
    link: str
    payload: str
    amount: int
    paid_at: int
    subscription_until: int = 0
    is_renewal: bool = False
    is_canceled: bool = False
    refunded_at: int = 0
