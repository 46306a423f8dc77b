"""What the sender is told by its environment."""

from datetime import timedelta

from pydantic import Field, SecretStr

from chassis.settings import CtaKeysMixin, ServiceSettings
from contracts.campaign import WebAddress
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
    public_url: WebAddress | None = Field(
        None, description="public address of clicks, for link buttons; without: through the bot"
    )
    quarantine: Duration = Field(
        timedelta(seconds=30),
        ge=timedelta(seconds=1),
        description="how long a send without an answer may still be under way, e.g. 30s",
    )
