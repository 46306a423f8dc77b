"""What clicks is told by its environment."""

import re
from base64 import b64decode
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from chassis.settings import CtaKeysMixin, ServiceSettings
from clicks.domain.webhook import MOST_CONNECTIONS, problem_of

_BOT_TOKEN = re.compile(r"[0-9]+:[A-Za-z0-9_-]+")
SECRET_PREFIX = "whsec_"  # noqa: S105  how a secret begins
_SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}", re.ASCII)


def several(secrets: SecretStr | None) -> list[str]:
    """Return the secrets of a comma-separated setting, none where it is not set."""
    text = secrets.get_secret_value() if secrets else ""
    return [secret.strip() for secret in text.split(",")] if text.strip() else []


def _of_24_to_64_bytes(text: str) -> bool:
    try:
        return 24 <= len(b64decode(text + "=" * (-len(text) % 4), validate=True)) <= 64  # noqa: PLR2004
    except ValueError:
        return False


def _is_base_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none, or half an IPv6 address
        return False


class Settings(CtaKeysMixin, ServiceSettings):
    """The names and defaults stand in the README."""

    bot_token: SecretStr = Field(
        validation_alias="TELEGRAM_BOT_TOKEN",
        description="the bot's token from @BotFather",
        examples=["123456789:AAE..."],
    )
    telegram_api: str = Field(
        "https://api.telegram.org",
        description="base URL of the Bot API server",
        examples=["https://api.telegram.org"],
    )
    clicks_mode: Literal["webhook", "polling"] = Field(
        "polling",
        description="how updates arrive: posted to any replica, or polled by one of them",
        examples=["webhook"],
    )
    webhook_secret: SecretStr | None = Field(
        None,
        description="proves that a webhook request is Telegram's; several while it is changed, the"
        " one that Telegram is told first",
        examples=["<secret>,<older one>"],
    )
    webhook_url: str | None = Field(
        None,
        description="public base URL of this service",
        examples=["https://clicks.example.org"],
    )
    webhook_connections: int = Field(
        MOST_CONNECTIONS,
        ge=1,
        le=MOST_CONNECTIONS,
        description="connections by which Telegram may post at once, over all replicas",
        examples=["100"],
    )

    conversion_secrets: SecretStr | None = Field(
        None,
        description="secrets that sign POST /v1/conversions, comma-separated",
        examples=["whsec_<base64>,whsec_<older one>"],
    )
    stripe_secrets: SecretStr | None = Field(
        None,
        description="signing secrets of Stripe's webhook endpoints, comma-separated",
        examples=["whsec_...,whsec_..."],
    )
    stripe_test_events: bool = Field(
        default=False,
        description="whether to record what is paid in Stripe's test mode as well",
        examples=["true"],
    )
    taps_per_minute: int = Field(
        120,
        ge=1,
        description="taps and starts of one person that are recorded in a minute",
        examples=["120"],
    )
    links_per_minute: int = Field(
        600,
        ge=1,
        description="followed links of one address that are recorded in a minute",
        examples=["600"],
    )
    remembered_deliveries: int = Field(
        10_000,
        ge=1,
        description="deliveries that are kept in memory, those tapped last, at about 2 kB each",
        examples=["10000"],
    )
    trusted_proxies: int = Field(
        0,
        ge=0,
        le=10,
        description="proxies before this service that append to X-Forwarded-For",
        examples=["1"],
    )

    stars_seconds: float = Field(
        600,
        ge=1,
        allow_inf_nan=False,
        description="how often the bot's Star transactions are compared with the log, in seconds",
        examples=["600"],
    )

    @field_validator("conversion_secrets")
    @classmethod
    def _secrets_of_the_convention(cls, secrets: SecretStr | None) -> SecretStr | None:
        for secret in several(secrets):
            if not _of_24_to_64_bytes(secret.removeprefix(SECRET_PREFIX)):
                raise ValueError(
                    "must be whsec_<base64 of 24 to 64 random bytes>, separated by commas;"
                    " `openssl rand -base64 32` makes one"
                )
        return secrets

    @field_validator("stripe_secrets")
    @classmethod
    def _secrets_of_stripe(cls, secrets: SecretStr | None) -> SecretStr | None:
        if not all(secret.startswith(SECRET_PREFIX) for secret in several(secrets)):
            raise ValueError("must be whsec_..., as the endpoint's page at Stripe shows it")
        return secrets

    @field_validator("bot_token")
    @classmethod
    def _token_of_a_bot(cls, token: SecretStr) -> SecretStr:
        if not _BOT_TOKEN.fullmatch(token.get_secret_value()):
            raise ValueError("must be <number>:<letters>, as @BotFather gives it")
        return token

    @field_validator("webhook_secret")
    @classmethod
    def _secrets_that_telegram_takes(cls, secrets: SecretStr | None) -> SecretStr | None:
        if secrets is not None and not all(map(_SECRET.fullmatch, several(secrets) or [""])):
            raise ValueError("must be 1 to 256 of A-Z a-z 0-9 _ -, several separated by commas")
        return secrets

    @field_validator("telegram_api", "webhook_url")
    @classmethod
    def _base_url(cls, url: str | None) -> str | None:
        if url is None:
            return None
        if not _is_base_url(url):
            raise ValueError("must be an http(s) address")
        return url.rstrip("/")

    @model_validator(mode="after")
    def _webhook_is_complete(self) -> Self:
        if self.clicks_mode == "webhook" and not (self.webhook_secret and self.webhook_url):
            raise ValueError(
                "FINGERPOST_CLICKS_MODE=webhook needs FINGERPOST_WEBHOOK_SECRET"
                " and FINGERPOST_WEBHOOK_URL"
            )
        return self

    @model_validator(mode="after")
    def _webhook_that_telegram_takes(self) -> Self:
        if self.clicks_mode == "webhook" and self.webhook_url:
            problem = problem_of(self.webhook_url, self.telegram_api)
            if problem:
                raise ValueError(f"FINGERPOST_WEBHOOK_URL={self.webhook_url}: {problem}")
        return self
