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
_NO_ARRAY = "must be a JSON array of chat ids"


def _chat_ids(text: object) -> object:
    if not isinstance(text, str):
        return text
    try:
        values = json.loads(text)
    except ValueError as error:
        raise ValueError(_NO_ARRAY) from error
    if not isinstance(values, list):
        raise ValueError(_NO_ARRAY)  # noqa: TRY004  pydantic explains ValueErrors
    try:
        return _CHANNELS.validate_python(values)
    except ValidationError as error:
        place = error.errors(include_url=False)[0]["loc"][0]
        raise ValueError(f"entry {place} is no chat id") from error


ChatIds = Annotated[tuple[Channel, ...], NoDecode, BeforeValidator(_chat_ids)]


class Settings(ServiceSettings):
    """Where the plan is, and which channels it is for where it does not say."""

    campaigns: Annotated[Path | None, BeforeValidator(lambda value: value or None)] = Field(
        Path("deploy/campaigns/default.yaml"),
        description="path of the campaign file; empty: the log alone says what the plan is",
        examples=["deploy/campaigns/default.yaml"],
    )
    every: Interval | None = Field(
        None, description="overrides every campaign's interval, to try out", examples=["15s"]
    )
    guides_chat_ids: ChatIds = Field(
        (),
        validation_alias="GUIDES_CHAT_IDS_JSON",
        description="channels of guides without channels of their own",
        examples=[_EXAMPLE],
    )
    promos_chat_ids: ChatIds = Field(
        (),
        validation_alias="PROMOS_CHAT_IDS_JSON",
        description="channels of promos without channels of their own",
        examples=[_EXAMPLE],
    )
