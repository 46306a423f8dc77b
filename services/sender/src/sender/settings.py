"""What the sender is told by its environment."""

from datetime import timedelta
from typing import Self

from pydantic import Field, SecretStr, model_validator

from chassis.settings import CtaKeysMixin, ServiceSettings
from contracts.campaign import PostedAddress, WebAddress
from contracts.durations import Duration


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

    @model_validator(mode="after")
    def _quarantine_outlasts_a_send(self) -> Self:
        if self.quarantine < self.send_timeout * 1.5:
            raise ValueError(
                "FINGERPOST_QUARANTINE must be at least 1.5 times FINGERPOST_SEND_TIMEOUT: until"
                " then the sender that claimed an attempt may still be at it"
            )
        return self
