"""Facts about channels and what a bot may do there. The last one of a channel and bot counts."""

from typing import Annotated, ClassVar

from pydantic import StringConstraints

from contracts.events.base import Event
from contracts.ids import Channel, DeliveryId, Instant, subject_token

Username = Annotated[
    str, StringConstraints(to_lower=True, pattern=r"^@[A-Za-z][A-Za-z0-9_]{3,31}$")
]


class _ChannelFact(Event):
    channel: Channel
    bot_id: int
    description: str = ""
    actor: str | None = None
    happened_at: Instant

    @property
    def key(self) -> str:
        return f"{subject_token(self.channel)}.{self.bot_id}"

    @property
    def id(self) -> str:
        return f"{self.subject}.{self.happened_at:%Y%m%dT%H%M%S%f}"

    @property
    def correlation(self) -> str:
        return self.channel


class ChannelDisabled(_ChannelFact):
    """The bot cannot post in `channel`: what is due there is skipped until it is enabled again.

    `delivery` is the one that Telegram refused, None where `actor`, a person, disabled it.
    """

    type: ClassVar[str] = "fingerpost.channel.disabled.v1"
    delivery: DeliveryId | None = None


class ChannelEnabled(_ChannelFact):
    """The bot may post in `channel` again: Telegram said so, or `actor`, a person.

    `username` is the channel's public name, by which a campaign may call it.
    """

    type: ClassVar[str] = "fingerpost.channel.enabled.v1"
    username: Username | None = None


class ChannelMigrated(_ChannelFact):
    """The group `channel` became a supergroup and is `chat_id` now; both names mean one chat."""

    type: ClassVar[str] = "fingerpost.channel.migrated.v1"
    chat_id: int
    delivery: DeliveryId | None = None
