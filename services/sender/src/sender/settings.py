"""What the sender is told by its environment."""

from datetime import timedelta
from typing import Self

from pydantic import Field, SecretStr, model_validator

from chassis.settings import CtaKeysMixin, ServiceSettings
from contracts.campaign import PostedAddress, WebAddress
from contracts.durations import Duration
from contracts.ids import Channel


class Settings(ServiceSettings, CtaKeysMixin):
    """Which bot sends, and where its buttons lead."""

    telegram_bot_token: SecretStr = Field(
        validation_alias="TELEGRAM_BOT_TOKEN",
        description="the bot's token from @BotFather, e.g. 123456789:AAE...",
    )
    telegram_api: WebAddress = Field(
        "https://api.telegram.org", description="Bot API server, e.g. one that you run yourself"
    )
    public_url: PostedAddress | None = Field(
        None, description="public address of clicks, for link buttons; without: through the bot"
    )
    send_timeout: Duration = Field(
        timedelta(seconds=60),
        ge=timedelta(seconds=5),
        description="how long Telegram may take to answer a send, e.g. 60s",
    )
    quarantine: Duration = Field(
        timedelta(seconds=90),
        description="how long a send without an answer may still be under way, e.g. 90s",
    )

    audit_chat: Channel | None = Field(
        None,
        description="chat of the bot to forward to when a send was not answered, e.g. -1001234567",
    )
    rate: float = Field(30, gt=0, le=1_000, description="messages a second over all chats, free")
    chat_rate: float = Field(1, gt=0, le=1_000, description="messages a second in one chat")
    channel_rate: int = Field(
        20, ge=1, le=60_000, description="messages a minute in one channel or group"
    )
    guide_share: float = Field(
        0.6,
        ge=0.05,
        le=0.95,
        description="part of the rate that guides get while promos wait too, e.g. 0.6",
    )
    paid_rate: float = Field(
        0,
        ge=0,
        le=1_000,
        description="messages a second over all while Stars are paid for it; 0: never pay",
    )
    paid_stars: float = Field(
        0, ge=0, description="Stars to spend a day (UTC) at most, at 0.1 a message"
    )

    @model_validator(mode="after")
    def _paying_is_faster_and_capped(self) -> Self:
        if self.paid_rate and (self.paid_rate <= self.rate or not self.paid_stars):
            raise ValueError(
                "FINGERPOST_PAID_RATE must be more than FINGERPOST_RATE, and"
                " FINGERPOST_PAID_STARS say how much may be spent a day"
            )
        return self

    @model_validator(mode="after")
    def _quarantine_outlasts_a_send(self) -> Self:
        if self.quarantine < self.send_timeout * 1.5:
            raise ValueError(
                "FINGERPOST_QUARANTINE must be at least 1.5 times FINGERPOST_SEND_TIMEOUT: until"
                " then the sender that claimed an attempt may still be at it"
            )
        return self
