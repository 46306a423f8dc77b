"""What becomes of a message after its time, as an owner plans it."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, ValidationInfo, model_validator

from contracts.creative import TEXT_LIMIT, Format, Text, too_much, visible
from contracts.durations import Duration, Unit
from contracts.markup import parse
from contracts.reading import FILE, Plan, Problem, problems

DELETABLE = timedelta(hours=47)
"""How old a message may be and still be deleted: Telegram says 48 h (Bot API docs); one is kept
for a sender that was away."""

LONGEST_LIFE = timedelta(days=30)

ExpireAction = Literal["edit", "delete", "unpin"]


def _lasting(value: timedelta) -> timedelta:
    if not timedelta(minutes=1) <= value <= LONGEST_LIFE or value.microseconds:
        raise ValueError(f"must be whole seconds from 1m to {LONGEST_LIFE.days}d; change it")
    return value


class Expire(Plan):
    """What becomes of a message `after` it was posted.

    `edit` puts `text` in the place of its text and takes its buttons away; without a text it takes
    the buttons only.
    """

    after: Annotated[Duration, AfterValidator(_lasting), Unit]
    action: ExpireAction
    text: Text | None = None
    format: Format = "plain"

    @model_validator(mode="after")
    def _possible(self, info: ValidationInfo) -> Self:
        if info.context is FILE and (found := list(_faults(self))):
            raise problems(*found)
        return self


def _faults(expire: Expire) -> Iterator[Problem]:
    if expire.action == "delete" and expire.after > DELETABLE:
        hours = DELETABLE // timedelta(hours=1)
        remedy = f"Telegram lets bots delete for 48h: at most {hours}h; or write action: edit"
        yield ("after",), remedy
    if expire.text is None:
        return
    if expire.action != "edit":
        yield ("text",), "counts for action: edit only; remove it"
        return
    try:
        formatted = parse(expire.text, expire.format)
        visible(formatted.text)
    except ValueError as error:
        yield ("text",), str(error)
        return
    yield from ((("text",), remedy) for remedy in too_much(formatted, TEXT_LIMIT))
