"""The campaign file: what an owner plans, and every rule that it must keep.

A campaign that validates can be posted: Telegram's limits (Bot API docs, `sendMessage` and
`InlineKeyboardButton`) are checked here, so that a slot cannot fail on its content when it is due.
"""

import unicodedata
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PositiveInt,
    StringConstraints,
    ValidationInfo,
    model_validator,
)

from contracts.durations import Duration
from contracts.ids import CampaignId, Channel, VariantId

Kind = Literal["guide", "promo"]
UncertainPolicy = Literal["hold", "drop", "resend"]

TEXT_LIMIT = 4096
"""Characters of a message's text, counted in UTF-16 code units: the stricter of two ways."""

UNCERTAIN_DEFAULTS: dict[Kind, UncertainPolicy] = {"guide": "hold", "promo": "drop"}
CATCH_UP_LIMIT = timedelta(hours=2)
LONGEST = timedelta(days=366)
"""No interval and no catch-up window is longer: time arithmetic stays within the calendar."""

_HIGHEST_PORT = 65_535
_INVISIBLE_CATEGORIES = {"Cc", "Cf", "Zl", "Zp", "Zs"}
_INVISIBLE_SIGNS = {"\u2800", "\ufffc"}
"""A blank pattern and a placeholder, which Telegram counts as spaces."""


class _Plan(BaseModel):
    """A part of a plan. Read from the log it is open, as events are; `read_plan` closes it."""

    model_config = ConfigDict(frozen=True, extra="ignore")


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(f"{name!r} is not an IANA time zone; write one such as Europe/Berlin")
    return name


def _web_address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be an http(s) address such as https://example.org/offer")
    if any(character.isspace() or not character.isprintable() for character in url):
        raise ValueError("must be an address without spaces and line breaks")
    return url


def _posted_address(url: str) -> str:
    parts = urlsplit(url)
    host = parts.hostname or ""
    name, _, last = host.rpartition(".")
    if not (name and last) and ":" not in host:
        raise ValueError(
            f"Telegram refuses the host {host!r}: write a name with a dot or an IP address,"
            " such as https://example.org/offer"
        )
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise ValueError(f"the port must be a number from 1 to {_HIGHEST_PORT}; correct it")
    return url


def _whole_seconds(value: timedelta) -> timedelta:
    if value < timedelta(seconds=1) or value.microseconds:
        raise ValueError("must be a whole number of seconds, at least 1s")
    return _not_endless(value)


def _not_negative(value: timedelta) -> timedelta:
    if value < timedelta(0):
        raise ValueError("must not be negative")
    return _not_endless(value)


def _not_endless(value: timedelta) -> timedelta:
    if value > LONGEST:
        raise ValueError(f"must be at most {LONGEST.days}d")
    return value


def _fits_message(text: str) -> str:
    length = len(text.encode("utf-16-le")) // 2
    if length > TEXT_LIMIT:
        raise ValueError(f"text is {length} characters long; Telegram takes {TEXT_LIMIT}")
    return text


def _visible(text: str) -> str:
    for character in text:
        unseen = unicodedata.category(character) in _INVISIBLE_CATEGORIES
        if not unseen and character not in _INVISIBLE_SIGNS:
            return text
    raise ValueError("shows nothing, and Telegram refuses it; add a character that people see")


def _of_files(rule: Callable[[str], str]) -> AfterValidator:
    """Keep `rule` in files only: what the log holds from before the rule must still be read."""

    def keep(value: str, info: ValidationInfo) -> str:
        return rule(value) if info.context is _FILE else value

    return AfterValidator(keep)


_FILE = object()

Zone = Annotated[str, AfterValidator(_known_zone)]
Interval = Annotated[Duration, AfterValidator(_whole_seconds)]
WebAddress = Annotated[str, StringConstraints(max_length=2048), AfterValidator(_web_address)]
PostedAddress = Annotated[WebAddress, AfterValidator(_posted_address)]
"""A web address that Telegram takes for a button."""

Label = Annotated[
    str,
    StringConstraints(min_length=1, max_length=64, strip_whitespace=True),
    _of_files(_visible),
]
Greeting = Annotated[
    str,
    StringConstraints(min_length=1, max_length=TEXT_LIMIT, strip_whitespace=True),
    AfterValidator(_fits_message),
    _of_files(_visible),
]
Target = Annotated[WebAddress, _of_files(_posted_address)]


class StarsOffer(_Plan):
    """A Telegram Stars invoice that the bot shows to a person who opened it."""

    title: Annotated[str, StringConstraints(min_length=1, max_length=32)]
    description: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    stars: Annotated[int, Field(ge=1, le=10_000)]


class CallbackCta(_Plan):
    """A button that answers with a short text where the person is."""

    kind: Literal["callback"]
    label: Label
    answer: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    alert: bool = False


class BotCta(_Plan):
    """A button that opens the chat with the bot, which greets and makes its offer."""

    kind: Literal["bot"]
    label: Label
    greeting: Greeting
    target: Target | None = None
    offer: StarsOffer | None = None


class LinkCta(_Plan):
    """A button that leads to a web page through Fingerpost's redirect."""

    kind: Literal["link"]
    label: Label
    target: Target


Cta = Annotated[CallbackCta | BotCta | LinkCta, Field(discriminator="kind")]


class Variant(_Plan):
    """One creative of a campaign: a text (plain, as people write it) and its tracked buttons."""

    id: VariantId
    text: Annotated[
        str,
        StringConstraints(min_length=1, strip_whitespace=True),
        AfterValidator(_fits_message),
        _of_files(_visible),
    ]
    ctas: Annotated[tuple[Cta, ...], Field(max_length=8)] = ()


class IntervalSchedule(_Plan):
    """Slots on the UTC epoch grid: every instant t with (t - phase) divisible by `every`."""

    every: Interval = timedelta(hours=4)
    phase: Annotated[Duration, AfterValidator(_not_negative)] = timedelta(0)

    @model_validator(mode="after")
    def _phase_within_interval(self) -> Self:
        if self.phase >= self.every:
            raise ValueError("phase must be shorter than every")
        return self


class CatchUp(_Plan):
    """What becomes of slots that passed while nothing ran: the latest in the window is fired."""

    policy: Literal["skip", "latest"] = "latest"
    window: Annotated[Duration, AfterValidator(_not_negative)] | None = None


class Campaign(_Plan):
    """A plan: kind, schedule, channels, rotation of variants."""

    id: CampaignId
    kind: Kind
    title: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    zone: Zone = "UTC"
    schedule: IntervalSchedule = IntervalSchedule()
    channels: tuple[Channel, ...] = ()
    rotation: Literal["round_robin"] = "round_robin"
    catch_up: CatchUp = CatchUp()
    on_uncertain: UncertainPolicy | None = None
    variants: Annotated[tuple[Variant, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _refuse_duplicates("variant id", [variant.id for variant in self.variants])
        _refuse_duplicates("channel", list(self.channels))
        if self.kind == "promo":
            for variant in self.variants:
                if not variant.ctas:
                    raise ValueError(f"promo variant {variant.id!r} needs at least one CTA")
        return self

    @property
    def uncertain_policy(self) -> UncertainPolicy:
        """What to do with a send whose outcome nobody knows: guides are held, promos dropped."""
        return self.on_uncertain or UNCERTAIN_DEFAULTS[self.kind]

    @property
    def catch_up_window(self) -> timedelta:
        """How old a missed slot may be and still be fired: min(interval / 2, 2 h) by default."""
        if self.catch_up.window is not None:
            return self.catch_up.window
        return min(self.schedule.every / 2, CATCH_UP_LIMIT)


class CampaignFile(_Plan):
    """The whole file."""

    version: Literal[1] = 1
    campaigns: Annotated[tuple[Campaign, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _unique(self) -> Self:
        _refuse_duplicates("campaign id", [campaign.id for campaign in self.campaigns])
        return self


def read_plan(document: object) -> CampaignFile:
    """Read a parsed campaign file, or raise pydantic.ValidationError with every error in it.

    Unknown fields are errors: in a file they are typing errors, not news from a newer version.
    """
    return CampaignFile.model_validate(document, extra="forbid", context=_FILE)


Revision = PositiveInt
"""Counts the definitions of one campaign, from 1."""


def _refuse_duplicates(what: str, values: list[str]) -> None:
    for value in sorted(set(values)):
        if values.count(value) > 1:
            raise ValueError(f"{what} {value!r} stands {values.count(value)} times; keep one")
