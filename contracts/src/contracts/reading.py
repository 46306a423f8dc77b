"""How a plan is read: from a file strictly, and from the log as it was written then."""

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ValidationError,
    ValidationInfo,
)

FILE: Any = object()
"""The context of a validation that reads a file."""

Place = tuple[str | int, ...]
Problem = tuple[Place, str]
"""The place, from the model on, and what is wrong there with its remedy."""


class Plan(BaseModel):
    """A part of a plan. Read from the log it is open, as events are; `read_plan` closes it."""

    model_config = ConfigDict(frozen=True, extra="ignore")


def only(kind: type, remedy: str) -> BeforeValidator:
    """Keep out of files what pydantic would take for a `kind`: "yes", "3", 3.0, or true for 1."""

    def check(value: object, info: ValidationInfo) -> object:
        if info.context is FILE and type(value) is not kind:
            raise ValueError(remedy)
        return value

    return BeforeValidator(check)


def of_files(rule: Callable[[str], str]) -> AfterValidator:
    """Keep `rule` in files only: what the log holds from before the rule must still be read."""

    def keep(value: str, info: ValidationInfo) -> str:
        return rule(value) if info.context is FILE else value

    return AfterValidator(keep)


YesOrNo = Annotated[bool, only(bool, "must be true or false, without quotes")]
Whole = only(int, "must be a whole number, without quotes")


def problems(*found: Problem) -> ValidationError:
    """Make an error that has all of them: a ValueError could tell one, of the whole model."""
    return ValidationError.from_exception_data(
        "Campaign",
        [
            {"type": "value_error", "loc": place, "input": None, "ctx": {"error": remedy}}
            for place, remedy in found
        ],
    )


def either(schema: dict[str, Any]) -> None:
    """Say `anyOf` where pydantic says `oneOf`: that nothing is both is beyond the check.

    `contracts/generate.py` compares schemas; it could not see that another kind refuses nothing.
    """
    schema["anyOf"] = schema.pop("oneOf")
