"""What the sender is told by its environment."""

import re
from datetime import timedelta
from typing import Self
from urllib.parse import urlsplit

from pydantic import (
    Field,
    SecretStr,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from chassis.settings import CtaKeysMixin, ServiceSettings
from contracts.campaign import PostedAddress, WebAddress
from contracts.durations import Duration
from contracts.ids import MAIN_BOT, BotName, Channel

_MAIN_TOKEN = re.compile(r"[0-9]+:[A-Za-z0-9_-]+", re.ASCII)
_TOKEN = re.compile(r"[0-9]+:[A-Za-z0-9_-]{30,}", re.ASCII)
_NAME: TypeAdapter[str] = TypeAdapter(BotName)


class Settings(ServiceSettings, CtaKeysMixin):
    """Which bot sends, and where its buttons lead."""

    telegram_bot_token: SecretStr = Field(
        validation_alias="TELEGRAM_BOT_TOKEN",
        description="the bot's token from @BotFather",
        examples=["123456789:AAE..."],
    )
    telegram_bot_tokens: SecretStr | None = Field(
        None,
        validation_alias="TELEGRAM_BOT_TOKENS",
        description="more bots by name, comma-separated",
        examples=["second=123456789:AAE...,third=987654321:AAF..."],
    )
    telegram_api: WebAddress = Field(
        "https://api.telegram.org",
        description="http(s) address of the Bot API server, if you run one yourself",
        examples=["http://bot-api:8081"],
    )
    public_url: PostedAddress | None = Field(
        None,
        description="public address of clicks, for link buttons; without: through the bot",
        examples=["https://clicks.example.org"],
    )
    send_timeout: Duration = Field(
        timedelta(seconds=60),
        ge=timedelta(seconds=5),
        description="how long Telegram may take to answer a send, 5s or more",
        examples=["60s"],
    )
    quarantine: Duration = Field(
        timedelta(seconds=90),
        description="how long a send without an answer may still be under way",
        examples=["90s"],
    )

    audit_chat: Channel | None = Field(
        None,
        description="chat of the bot to forward to when a send was not answered: its id or @name",
        examples=["-1001234567890"],
    )
    rate: float = Field(
        30, gt=0, le=1_000, description="messages a second over all chats, free", examples=["30"]
    )
    chat_rate: float = Field(
        1, gt=0, le=1_000, description="messages a second in one chat", examples=["1"]
    )
    channel_rate: int = Field(
        20,
        ge=1,
        le=60_000,
        description="messages a minute in one channel or group",
        examples=["20"],
    )
    guide_share: float = Field(
        0.6,
        ge=0.05,
        le=0.95,
        description="part of the rate that guides get while promos wait too, 0.05 to 0.95",
        examples=["0.6"],
    )
    paid_rate: float = Field(
        0,
        ge=0,
        le=1_000,
        description="messages a second over all while Stars are paid for it; 0: never pay",
        examples=["100"],
    )
    paid_stars: float = Field(
        0,
        ge=0,
        allow_inf_nan=False,
        description="Stars to spend a day (UTC) at most, at 0.1 a message",
        examples=["500"],
    )

    def tokens(self) -> dict[str, str]:
        """Return the token of each bot by its name, the main one first."""
        more = self.telegram_bot_tokens.get_secret_value() if self.telegram_bot_tokens else ""
        return {MAIN_BOT: self.telegram_bot_token.get_secret_value(), **dict(_pairs(more))}

    @field_validator("telegram_api")
    @classmethod
    def _has_a_port(cls, url: str) -> str:
        try:
            urlsplit(url).port  # noqa: B018  it is read here
        except ValueError:
            raise ValueError("must have a port from 1 to 65535, or none") from None
        return url

    @field_validator("telegram_bot_token")
    @classmethod
    def _token_of_a_bot(cls, token: SecretStr) -> SecretStr:
        if not _MAIN_TOKEN.fullmatch(token.get_secret_value()):
            raise ValueError("must be <number>:<letters>, as @BotFather gives it")
        return token

    @field_validator("telegram_bot_tokens")
    @classmethod
    def _tokens_of_other_bots(
        cls, tokens: SecretStr | None, info: ValidationInfo
    ) -> SecretStr | None:
        main: SecretStr | None = info.data.get("telegram_bot_token")
        names, ids = {MAIN_BOT}, {_id(main.get_secret_value())} if main else set()
        pairs = _pairs(tokens.get_secret_value()) if tokens else []
        for number, (name, token) in enumerate(pairs, start=1):
            if problem := _problem(name, token, names, ids):
                raise ValueError(f"entry {number} {problem}")
            names.add(name)
            ids.add(_id(token))
        return tokens

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


def _pairs(tokens: str) -> list[tuple[str, str]]:
    entries = (entry.strip().partition("=") for entry in tokens.split(",") if tokens.strip())
    return [(name.strip(), token.strip()) for name, _, token in entries]


def _id(token: str) -> int:
    return int(token.partition(":")[0])


def _problem(name: str, token: str, names: set[str], ids: set[int]) -> str | None:
    """Return what is wrong with a bot's name and token, and never show a token."""
    if not token:
        return "must be <name>=<token>"
    try:
        _NAME.validate_python(name)
    except ValidationError:
        return "must begin with a name of at most 32 of a-z 0-9 _ -"
    if name == MAIN_BOT:
        return f"is called {MAIN_BOT}: that is the bot of TELEGRAM_BOT_TOKEN; choose another name"
    if name in names:
        return f"repeats the name {name}; each bot has its own"
    if not _TOKEN.fullmatch(token):
        return f"({name}): its token must look like 123456789:AAE..., as @BotFather gives it"
    if _id(token) in ids:
        return f"({name}) is a bot that has a name already; remove one"
    return None
