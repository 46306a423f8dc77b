"""Conversions that another system tells us of: what it may say, and what is recorded of it."""

import re
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

from contracts.events import ConversionRecorded
from contracts.events.person import ConversionKind, Currency
from contracts.ids import Instant
from contracts.token import CtaRef, InvalidTokenError, TokenSigner

LARGEST_BATCH = 100
OURS = ("stars", "stripe", "telegram")
"""Sources under which clicks itself records: nobody else may speak for them."""

_AHEAD = timedelta(minutes=5)
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9_]{1,64}", re.ASCII)
_DIFFERS = "it was recorded with another {}, and stays so; correct it by a refund and a new id"


def _number(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("is neither a number nor a text")  # noqa: TRY004  pydantic takes no other
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        raise ValueError("is no plain number")
    return value


def _one_zero(amount: Decimal) -> Decimal:
    """Return the amount; of a zero with an exponent, as 0E+999999, databases cannot make one."""
    return amount or Decimal(0)


def _text(value: object) -> object:
    if value is not None and not isinstance(value, str):
        raise ValueError("is no text")
    return value


def _foreign(source: str) -> str:
    if source in OURS:
        raise ValueError(f"{source!r} is what Fingerpost itself records under")
    return source


FactId = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,255}$")]


class Conversion(BaseModel):
    """One conversion, as the system says it in which it happened."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: FactId = Field(
        description="your own id of it, the same each time you say it: 1 to 255 printable ASCII"
        " characters without spaces",
        examples=["order-1001"],
    )
    source: Annotated[
        str, StringConstraints(pattern=r"^[a-z0-9_-]{1,32}$"), AfterValidator(_foreign)
    ] = Field(
        "api",
        description="name of your system, within which `id` is unique: 1 to 32 of a-z 0-9 _ -,"
        f" and none of {', '.join(OURS)}",
    )
    kind: ConversionKind = Field(
        description="one of payment, subscription, renewal, join, refund", examples=["payment"]
    )
    amount: Annotated[
        Annotated[Decimal, Field(max_digits=20, decimal_places=6), AfterValidator(_one_zero)]
        | None,
        BeforeValidator(_number),
    ] = Field(
        None,
        description='whole units of the currency as text ("9.90") or number, with at most 6'
        " decimal places; below zero for a refund, and only there",
        examples=["9.90"],
    )
    currency: Currency | None = Field(
        None,
        description="ISO 4217 code in capitals; with an amount, and only with one",
        examples=["EUR"],
    )
    occurred_at: Annotated[Instant | None, BeforeValidator(_text)] = Field(
        None,
        description="RFC 3339 with an offset (2026-03-01T12:00:00Z), not in the future; now, where"
        " it is left out",
    )
    token: Annotated[str, StringConstraints(max_length=64)] | None = Field(
        None, description="the CTA token that led to it, exactly as you were given it"
    )
    click_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")] | None = Field(
        None, description="the value of `fp_click` in the address that the person came by"
    )
    user_id: Annotated[int, Field(strict=True, ge=1, lt=2**63)] | None = Field(
        None, description="the person's Telegram user id, a whole number"
    )
    refund_of: FactId | None = Field(None, description="of a refund: the `id` of what is paid back")


class Batch(BaseModel):
    """Several conversions at once; each is answered by itself."""

    conversions: list[Conversion] = Field(min_length=1, max_length=LARGEST_BATCH)


class Result(BaseModel):
    """What became of one conversion.

    `recorded`: it stands in the log now. `duplicate`: it stood there already, as it was said first;
    `differs` names what is said otherwise this time. `refused`: it does not stand there, and will
    not before `field` is corrected.
    """

    id: str | None = None
    status: Literal["recorded", "duplicate", "refused"]
    differs: tuple[str, ...] = ()
    field: str | None = None
    problem: str | None = None
    remedy: str | None = None


class Answer(BaseModel):
    """A result for each conversion, in their order."""

    results: tuple[Result, ...]


def read(item: object, signer: TokenSigner, now: datetime) -> ConversionRecorded | Result:
    """Return what to record of one conversion, or why it is refused."""
    try:
        said = Conversion.model_validate(item)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        return _refused(item, *_explain(first))
    if broken := _broken_rule(said, now):
        return _refused(item, *broken)
    try:
        ref = signer.verify(said.token) if said.token is not None else None
    except InvalidTokenError as error:
        return _refused(item, "token", f"is no CTA token of this installation ({error})")
    return _recorded(said, ref, now)


def recorded(event: ConversionRecorded) -> Result:
    """Say that the log took `event`."""
    return Result(id=event.source_id, status="recorded")


def duplicate(item: object, event: ConversionRecorded, stored: ConversionRecorded) -> Result:
    """Say that the log has it as `stored`, and in what the `item` (read as `event`) differs."""
    differs = tuple(name for name in _fields(item) if getattr(event, name) != getattr(stored, name))
    problem = _DIFFERS.format(", ".join(differs)) if differs else None
    return Result(id=event.source_id, status="duplicate", differs=differs, problem=problem)


def _fields(item: object) -> list[str]:
    """Return the fields of the event that the caller said: what was left out differs in nothing."""
    said = item if isinstance(item, dict) else {}
    names = {"delivery", "cta"} if said.get("token") else set()
    names |= {name for name in said if said[name] is not None}
    return [name for name in ConversionRecorded.model_fields if name in names]


def _broken_rule(said: Conversion, now: datetime) -> tuple[str, str] | None:
    if (said.amount is None) != (said.currency is None):
        missing = "amount" if said.amount is None else "currency"
        return missing, "is missing: an amount and its currency go together"
    if said.amount is not None and (said.amount < 0) != (said.kind == "refund"):
        return "amount", "is below zero if and only if it is a refund"
    if said.kind == "refund" and said.amount is None:
        return "amount", "is missing: a refund pays something back"
    if said.refund_of is not None and said.kind != "refund":
        return "refund_of", f"says what a refund pays back, and this is a {said.kind}"
    if said.occurred_at is not None and said.occurred_at > now + _AHEAD:
        return "occurred_at", "lies in the future"
    return None


def _recorded(said: Conversion, ref: CtaRef | None, now: datetime) -> ConversionRecorded:
    return ConversionRecorded(
        source=said.source,
        source_id=said.id,
        kind=said.kind,
        amount=said.amount,
        currency=said.currency,
        user_id=said.user_id,
        delivery=ref.delivery if ref else None,
        cta=ref.cta if ref else None,
        click_id=said.click_id,
        refund_of=said.refund_of,
        occurred_at=said.occurred_at or now,
    )


def _explain(error: Any) -> tuple[str, str]:
    field = str(error["loc"][0]) if error["loc"] else ""
    return field, error["msg"].removeprefix("Value error, ")


def _refused(item: object, field: str, problem: str) -> Result:
    # Names and ids that come back are short and plain, whatever was sent.
    given = item.get("id") if isinstance(item, dict) else None
    id_ = given if isinstance(given, str) and re.fullmatch(r"[!-~]{1,255}", given) else None
    known = Conversion.model_fields.get(field)
    if known:
        remedy = f"send {known.description}"
    elif field:
        remedy = "leave it out; /v1/openapi.json has the fields that there are"
    else:
        remedy = "send an object with the fields of /v1/openapi.json"
    name = field if _NAME.fullmatch(field) else None
    return Result(id=id_, status="refused", field=name, problem=problem, remedy=remedy)
