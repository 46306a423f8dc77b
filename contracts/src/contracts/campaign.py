"""The campaign file: what an owner plans, and every rule that it must keep.

A campaign that validates can be posted: Telegram's limits (Bot API docs, `sendMessage` and
`InlineKeyboardButton`) are checked here, so that a slot cannot fail on its content when it is due.
"""

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta
from functools import cache
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PositiveInt,
    StringConstraints,
    Tag,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from contracts import calendar
from contracts.durations import Duration
from contracts.ids import CampaignId, Channel, Instant, VariantId

Kind = Literal["guide", "promo"]
Rotation = Literal["round_robin", "weighted", "shuffled"]
RotationScope = Literal["shared", "per_channel"]
UncertainPolicy = Literal["hold", "drop", "resend"]

TEXT_LIMIT = 4096
"""Characters of a message's text, counted in UTF-16 code units: the stricter of two ways."""

UNCERTAIN_DEFAULTS: dict[Kind, UncertainPolicy] = {"guide": "hold", "promo": "drop"}
CATCH_UP_LIMIT = timedelta(hours=2)
LONGEST_DELAY = timedelta(hours=12)
"""Jitter, or the offset from one channel to the next: more of it is a schedule of its own."""

LONGEST = timedelta(days=366)
"""No interval and no catch-up window is longer: time arithmetic stays within the calendar."""

_HIGHEST_PORT = 65_535
_VAGUE_ZONES = {"localtime", "Factory"}
_INVISIBLE_CATEGORIES = {"Cc", "Cf", "Zl", "Zp", "Zs"}
_INVISIBLE_SIGNS = {"\u2800", "\ufffc"}
"""A blank pattern and a placeholder, which Telegram counts as spaces."""


class _Plan(BaseModel):
    """A part of a plan. Read from the log it is open, as events are; `read_plan` closes it."""

    model_config = ConfigDict(frozen=True, extra="ignore")


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _known_zone(name: str) -> str:
    if name not in _zones():
        wanted = name.strip().replace(" ", "_").casefold()
        close = (zone for zone in sorted(_zones()) if f"/{zone}".casefold().endswith(f"/{wanted}"))
        raise ValueError(
            f"{name!r} is not an IANA time zone; write one such as {next(close, 'Europe/Berlin')}"
        )
    return name


def _same_everywhere(zone: str) -> str:
    if zone in _VAGUE_ZONES:
        raise ValueError(f"{zone!r} is another zone on every machine; write one such as UTC")
    return zone


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
        raise ValueError("must be a whole number of seconds, at least 1s; lengthen it")
    return _not_endless(value)


def _not_negative(value: timedelta) -> timedelta:
    if value < timedelta(0):
        raise ValueError("must not be negative; remove the sign")
    return _not_endless(value)


def _not_endless(value: timedelta) -> timedelta:
    if value > LONGEST:
        raise ValueError(f"must be at most {LONGEST.days}d; shorten it")
    return value


def _short(value: timedelta) -> timedelta:
    if value > LONGEST_DELAY:
        raise ValueError(f"must be at most {LONGEST_DELAY // timedelta(hours=1)}h; shorten it")
    return _not_negative(value)


def _readable(read: Callable[[str], object]) -> AfterValidator:
    """Keep a text that `read` takes, as people wrote it."""

    def keep(text: str) -> str:
        read(text)
        return text

    return AfterValidator(keep)


def _as_text(value: object) -> object:
    return value.isoformat() if isinstance(value, date) else value


def _as_list(value: object) -> object:
    single = isinstance(value, str | int | date) and not isinstance(value, bool)
    return [value] if single else value


def _in_the_zone(value: object, info: ValidationInfo) -> object:
    if isinstance(value, datetime) and value.tzinfo:
        return value
    if isinstance(value, str | date):
        text = value if isinstance(value, str) else value.isoformat()
        return calendar.moment(text, info.data.get("zone", "UTC"), ends=info.field_name == "end")
    if info.context is _FILE:  # a number would be seconds since 1970
        raise ValueError("write a date such as 2026-12-01, 2026-12-01T09:00 or with +01:00")
    return value


def _has_unit(value: object, info: ValidationInfo) -> object:
    if info.context is _FILE and isinstance(value, int | float) and value != 0:
        raise ValueError("has no unit; write a duration such as 4h, 1h30m or 45s")
    return value


def _only(kind: type, remedy: str) -> BeforeValidator:
    """Keep out of files what pydantic would take for a `kind`: "yes", "3", 3.0, or true for 1."""

    def check(value: object, info: ValidationInfo) -> object:
        if info.context is _FILE and type(value) is not kind:
            raise ValueError(remedy)
        return value

    return BeforeValidator(check)


def _on_the_second(value: timedelta, info: ValidationInfo) -> timedelta:
    if info.context is _FILE and value.microseconds:
        raise ValueError("must be a whole number of seconds; round it")
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

_YesOrNo = Annotated[bool, _only(bool, "must be true or false, without quotes")]
_Whole = _only(int, "must be a whole number, without quotes")
_Unit = BeforeValidator(_has_unit)

Zone = Annotated[str, AfterValidator(_known_zone), _of_files(_same_everywhere)]
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
    stars: Annotated[int, Field(ge=1, le=10_000), _Whole]


class CallbackCta(_Plan):
    """A button that answers with a short text where the person is."""

    kind: Literal["callback"]
    label: Label
    answer: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    alert: _YesOrNo = False


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
    weight: Annotated[int, Field(ge=1, le=100), _Whole] = 1


Phase = Annotated[Duration, AfterValidator(_not_negative), AfterValidator(_on_the_second), _Unit]


class IntervalSchedule(_Plan):
    """Slots on the UTC epoch grid: every instant t with (t - phase) divisible by `every`."""

    every: Annotated[Interval, _Unit] = timedelta(hours=4)
    phase: Phase = timedelta(0)

    @model_validator(mode="after")
    def _phase_within_interval(self) -> Self:
        if self.phase >= self.every:
            raise _problems((("phase",), "phase must be shorter than every; shorten it"))
        return self


class CronSchedule(_Plan):
    """Slots at wall times: `cron` has five fields or is a macro, `zone` is the campaign's if None.

    A wall time that the clock shows twice counts once; `repeat_in_overlap` asks for both.
    """

    cron: Annotated[str, _of_files(calendar.cron_fields)]
    zone: Zone | None = None
    repeat_in_overlap: _YesOrNo = False


def _kind_of_schedule(value: Any) -> str:
    is_cron = "cron" in value if isinstance(value, dict) else isinstance(value, CronSchedule)
    return "by_cron" if is_cron else "by_interval"


def _either(schema: dict[str, Any]) -> None:
    # What pydantic says is `oneOf`; that no schedule is both is beyond the compatibility check.
    schema["anyOf"] = schema.pop("oneOf")


Schedule = Annotated[
    Annotated[CronSchedule, Tag("by_cron")] | Annotated[IntervalSchedule, Tag("by_interval")],
    Discriminator(_kind_of_schedule),
    Field(json_schema_extra=_either),
]


class CatchUp(_Plan):
    """What becomes of slots that passed while nothing ran.

    Of those within the window none is fired (`skip`), the latest, or `all` but `max` at most, the
    newest. `window` None: half of the time until the next slot, 2 h at most.
    """

    policy: Literal["skip", "latest", "all"] = "latest"
    max: Annotated[int, Field(ge=1, le=1000), _Whole] = 10
    window: Annotated[Duration, AfterValidator(_not_negative), _Unit] | None = None


QuietHours = Annotated[str, _readable(calendar.quiet_hours)]
"""Times of day without posts, in the campaign's zone: `22:00-07:00`."""

Blackout = Annotated[str, BeforeValidator(_as_text), _readable(calendar.blackout)]
"""Dates without posts, in the campaign's zone: `2026-12-24` or `2026-12-24..2026-12-26`."""

ZonedInstant = Annotated[Instant, BeforeValidator(_in_the_zone)]
"""A moment; without an offset of its own it is in the campaign's zone. A last date is included."""

Delay = Annotated[Duration, AfterValidator(_short), _Unit]


class Campaign(_Plan):
    """A plan: kind, schedule, channels, rotation of variants.

    `schedules` holds several schedules, and is then used in place of `schedule`. `start` and `end`
    bound the slots, both included; after `limit` slots there are no more. `run_now` adds a slot at
    the moment at which the campaign is first defined. A slot may be fired later than it lies:
    by its jitter (from 0 to `jitter`, the same for whoever asks), and by `channel_offset` for each
    channel that stands before its own in the list; both end before the next slot comes.
    """

    id: CampaignId
    kind: Kind
    title: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    enabled: _YesOrNo = True
    zone: Zone = "UTC"
    schedule: Schedule = IntervalSchedule()
    schedules: Annotated[tuple[Schedule, ...], Field(max_length=20)] = ()
    run_now: _YesOrNo = False
    start: ZonedInstant | None = None
    end: ZonedInstant | None = None
    limit: Annotated[PositiveInt, _Whole] | None = None
    quiet_hours: Annotated[tuple[QuietHours, ...], BeforeValidator(_as_list)] = ()
    blackouts: Annotated[tuple[Blackout, ...], BeforeValidator(_as_list)] = ()
    jitter: Delay = timedelta(0)
    channel_offset: Delay = timedelta(0)
    channels: Annotated[tuple[Channel, ...], BeforeValidator(_as_list)] = ()
    rotation: Rotation = "round_robin"
    rotation_scope: RotationScope = "shared"
    catch_up: CatchUp = CatchUp()
    on_uncertain: UncertainPolicy | None = None
    variants: Annotated[tuple[Variant, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _consistent(self, info: ValidationInfo) -> Self:
        found = [
            *_repeated("variants", "variant id", [variant.id for variant in self.variants]),
            *_repeated("channels", "channel", self.channels),
            *_dead_ends(self),
            *(_contradictions(self) if info.context is _FILE else ()),
        ]
        if found:
            raise _problems(*found)
        return self

    @property
    def timing(self) -> tuple[Schedule, ...]:
        """All schedules: a slot lies wherever one of them has one."""
        return self.schedules or (self.schedule,)

    @property
    def uncertain_policy(self) -> UncertainPolicy:
        """What to do with a send whose outcome nobody knows: guides are held, promos dropped."""
        return self.on_uncertain or UNCERTAIN_DEFAULTS[self.kind]

    def catch_up_window(self, gap: timedelta) -> timedelta:
        """How old a missed slot may be and still be fired, `gap` being the time to the next one."""
        if self.catch_up.window is not None:
            return self.catch_up.window
        return min(gap / 2, CATCH_UP_LIMIT)


class CampaignFile(_Plan):
    """The whole file. Editors check it by `contracts/schemas/campaigns.json`."""

    version: Annotated[Literal[1], _Whole] = 1
    campaigns: Annotated[tuple[Campaign, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _unique(self) -> Self:
        ids = [campaign.id for campaign in self.campaigns]
        if found := list(_repeated("campaigns", "campaign id", ids)):
            raise _problems(*found)
        return self


def read_plan(document: object) -> CampaignFile:
    """Read a parsed campaign file, or raise pydantic.ValidationError with every error in it.

    Unknown fields are errors: in a file they are typing errors, not news from a newer version.
    """
    return CampaignFile.model_validate(document, extra="forbid", context=_FILE)


Revision = PositiveInt
"""Counts the definitions of one campaign, from 1."""


_Problem = tuple[tuple[str | int, ...], str]
"""The place, from the model on, and what is wrong there with its remedy."""


def _problems(*found: _Problem) -> ValidationError:
    """Make an error that has all of them: a ValueError could tell one, of the whole model."""
    return ValidationError.from_exception_data(
        "Campaign",
        [
            {"type": "value_error", "loc": place, "input": None, "ctx": {"error": remedy}}
            for place, remedy in found
        ],
    )


def _repeated(field: str, what: str, values: Sequence[str]) -> Iterator[_Problem]:
    counts = Counter(values)
    seen: set[str] = set()
    for place, value in enumerate(values):
        if value in seen:
            yield (field, place), f"{what} {value!r} stands {counts[value]} times; keep one"
        seen.add(value)


def _dead_ends(plan: Campaign) -> Iterator[_Problem]:
    for place, variant in enumerate(plan.variants):
        if plan.kind == "promo" and not variant.ctas:
            yield (
                ("variants", place),
                f"promo variant {variant.id!r} needs at least one CTA; list one under ctas:",
            )


def _contradictions(plan: Campaign) -> Iterator[_Problem]:
    yield from _unclear_timing(plan)
    yield from _endless_quiet(plan)
    yield from _late_channels(plan)
    if "max" in plan.catch_up.model_fields_set and plan.catch_up.policy != "all":
        remedy = "catch_up.max counts for policy all only; remove it, or write policy: all"
        yield ("catch_up", "max"), remedy
    for place, variant in enumerate(plan.variants):
        if variant.weight != 1 and plan.rotation != "weighted":
            remedy = "weights count for rotation weighted only; write rotation: weighted"
            yield ("variants", place, "weight"), remedy


def _unclear_timing(plan: Campaign) -> Iterator[_Problem]:
    given = plan.model_fields_set
    if "schedules" in given and "schedule" in given:
        remedy = "give schedule for one, or schedules for several; remove one of the two"
        yield ("schedules",), remedy
    elif "schedules" in given and not plan.schedules:
        yield ("schedules",), "is empty; list at least one schedule, or remove schedules"
    if plan.start and plan.end and plan.end < plan.start:
        remedy = "end lies before start; no slot would ever come: correct one of them"
        yield ("end",), remedy


def _endless_quiet(plan: Campaign) -> Iterator[_Problem]:
    quiet = calendar.quiet_minutes(plan.quiet_hours)
    if len(quiet) == timedelta(days=1) // timedelta(minutes=1):
        yield ("quiet_hours",), "leave no minute of the day for a post; shorten or remove one"
        return
    for schedule in plan.timing:
        if isinstance(schedule, IntervalSchedule) or schedule.zone not in {None, plan.zone}:
            continue
        if calendar.cron_minutes(schedule.cron) <= quiet:
            remedy = f"hold every slot of cron {schedule.cron!r}; move it, or shorten them"
            yield ("quiet_hours",), remedy


def _late_channels(plan: Campaign) -> Iterator[_Problem]:
    delay = plan.jitter + plan.channel_offset * max(0, len(plan.channels) - 1)
    gap = min(_gap(schedule) for schedule in plan.timing) if delay else timedelta.max
    if delay >= gap:
        field = "channel_offset" if plan.channel_offset else "jitter"
        remedy = (
            f"jitter and channel_offset delay the last channel by up to {delay}, which is not"
            f" less than the interval of {gap}; shorten them"
        )
        yield (field,), remedy


def _gap(schedule: Schedule) -> timedelta:
    if isinstance(schedule, IntervalSchedule):
        return schedule.every
    return calendar.cron_gap(schedule.cron)
