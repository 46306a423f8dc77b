"""What the scheduler is told by its environment."""

import json
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError
from pydantic_settings import NoDecode

from chassis.settings import ServiceSettings
from contracts.campaign import Interval
from contracts.ids import Channel

_CHANNELS = TypeAdapter(tuple[Channel, ...])
_EXAMPLE = "[-1001234567890, -1009876543210]"


def _chat_ids(text: object) -> object:
    if not isinstance(text, str):
        return text
    try:
        values = json.loads(text)
    except ValueError as error:
        raise ValueError(f"must be a JSON array of chat ids such as {_EXAMPLE}") from error
    if not isinstance(values, list):
        raise ValueError(f"must be a JSON array of chat ids such as {_EXAMPLE}")  # noqa: TRY004
    try:
        return _CHANNELS.validate_python(values)
    except ValidationError as error:
        place = error.errors(include_url=False)[0]["loc"][0]
        raise ValueError(f"entry {place} is no chat id; write {_EXAMPLE}") from error


ChatIds = Annotated[tuple[Channel, ...], NoDecode, BeforeValidator(_chat_ids)]


class Settings(ServiceSettings):
    """Where the plan is, and which channels it is for where it does not say."""

    campaigns: Annotated[Path | None, BeforeValidator(lambda value: value or None)] = Field(
        Path("deploy/campaigns/default.yaml"),
        description="path of the campaign file; empty: the log alone says what the plan is",
    )
    every: Interval | None = Field(
        None, description="overrides every campaign's interval, e.g. 15s, to try out"
    )
    guides_chat_ids: ChatIds = Field(
        (),
        validation_alias="GUIDES_CHAT_IDS_JSON",
        description=f"channels of guides without channels of their own, e.g. {_EXAMPLE}",
    )
    promos_chat_ids: ChatIds = Field(
        (),
        validation_alias="PROMOS_CHAT_IDS_JSON",
        description=f"channels of promos without channels of their own, e.g. {_EXAMPLE}",
    )
