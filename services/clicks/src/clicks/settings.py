"""What clicks is told by its environment."""

import re
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from chassis.settings import CtaKeysMixin, ServiceSettings

_BOT_TOKEN = re.compile(r"[0-9]+:[A-Za-z0-9_-]+")
_SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}")


class Settings(CtaKeysMixin, ServiceSettings):
    """The names and defaults stand in the README."""

    bot_token: SecretStr = Field(
        validation_alias="TELEGRAM_BOT_TOKEN", description="the bot's token from @BotFather"
    )
    telegram_api: str = Field(
        "https://api.telegram.org", description="base URL of the Bot API server"
    )
    clicks_mode: Literal["webhook", "polling"] = Field(
        "polling", description="how updates arrive: any number of replicas, or exactly one"
    )
    webhook_secret: SecretStr | None = Field(
        None, description="proves that a webhook request is Telegram's: 1-256 of A-Z a-z 0-9 _ -"
    )
    webhook_url: str | None = Field(
        None, description="public base URL of this service, e.g. https://clicks.example.org"
    )

    @field_validator("bot_token")
    @classmethod
    def _token_of_a_bot(cls, token: SecretStr) -> SecretStr:
        if not _BOT_TOKEN.fullmatch(token.get_secret_value()):
            raise ValueError("must look like 123456:ABC-def")
        return token

    @field_validator("webhook_secret")
    @classmethod
    def _secret_that_telegram_takes(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and not _SECRET.fullmatch(secret.get_secret_value()):
            raise ValueError("must be 1 to 256 of A-Z a-z 0-9 _ -")
        return secret

    @field_validator("telegram_api", "webhook_url")
    @classmethod
    def _base_url(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("must be an http(s) address such as https://clicks.example.org")
        return url.rstrip("/")

    @model_validator(mode="after")
    def _webhook_is_complete(self) -> Self:
        if self.clicks_mode == "webhook" and not (self.webhook_secret and self.webhook_url):
            raise ValueError(
                "FINGERPOST_CLICKS_MODE=webhook needs FINGERPOST_WEBHOOK_SECRET"
                " and FINGERPOST_WEBHOOK_URL"
            )
        return self
