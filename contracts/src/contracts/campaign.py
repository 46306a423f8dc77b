"""The campaign file: what an owner plans, and every rule that it must keep.

A campaign that validates can be posted: Telegram's limits (Bot API docs, `sendMessage` and
`InlineKeyboardButton`) are checked here, so that a slot cannot fail on its content when it is due.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Annotated, Any, Literal, Self
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    PositiveInt,
    StringConstraints,
    Tag,
    ValidationInfo,
    model_validator,
)

from contracts import calendar
from contracts.creative import (
    CAPTION_LIMIT,
    TEXT_LIMIT,
    BotCta,
    CallbackCta,
    CopyCta,
    Cta,
    DeepLinkCta,
    JoinCta,
    LinkCta,
    Medium,
    PostedAddress,
    Preview,
    StarsOffer,
    Variant,
    WebAddress,
    faults,
    too_much,
)
from contracts.durations import Duration, Unit
from contracts.expiry import Expire
from contracts.ids import MAIN_BOT, BotName, CampaignId, Channel, Instant
from contracts.markup import parse
from contracts.placeholders import fill
from contracts.reading import FILE, Plan, Problem, Whole, YesOrNo, either, of_files, problems

__all__ = [
    "TEXT_LIMIT",
    "BotCta",
    "CallbackCta",
    "Campaign",
    "CampaignFile",
    "CatchUp",
    "CopyCta",
    "CronSchedule",
    "Cta",
    "DeepLinkCta",
    "Expire",
    "Interval",
    "IntervalSchedule",
    "JoinCta",
    "Kind",
    "LinkCta",
    "Medium",
    "PostedAddress",
    "Preview",
    "Revision",
    "Rotation",
    "RotationScope",
    "Schedule",
    "StarsOffer",
    "UncertainPolicy",
    "Variant",
    "WebAddress",
    "read_plan",
]

Kind = Literal["guide", "promo"]
Rotation = Literal["round_robin", "weighted", "shuffled"]
RotationScope = Literal["shared", "per_channel"]
UncertainPolicy = Literal["hold", "drop", "resend"]

UNCERTAIN_DEFAULTS: dict[Kind, UncertainPolicy] = {"guide": "hold", "promo": "drop"}
CATCH_UP_LIMIT = timedelta(hours=2)
LONGEST_DELAY = timedelta(hours=12)
"""Jitter, or the offset from one channel to the next: more of it is a schedule of its own."""

_SAMPLE = datetime(2000, 12, 31, 12, tzinfo=UTC)

LONGEST = timedelta(days=366)
"""No interval and no catch-up window is longer: time arithmetic stays within the calendar."""

_VAGUE_ZONES = {"localtime", "Factory"}


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
    if info.context is FILE:  # a number would be seconds since 1970
        raise ValueError("write a date such as 2026-12-01, 2026-12-01T09:00 or with +01:00")
    return value


def _on_the_second(value: timedelta, info: ValidationInfo) -> timedelta:
    if info.context is FILE and value.microseconds:
        raise ValueError("must be a whole number of seconds; round it")
    return value


Zone = Annotated[str, AfterValidator(_known_zone), of_files(_same_everywhere)]
Interval = Annotated[Duration, AfterValidator(_whole_seconds)]
Phase = Annotated[Duration, AfterValidator(_not_negative), AfterValidator(_on_the_second), Unit]


class IntervalSchedule(Plan):
    """Slots on the UTC epoch grid: every instant t with (t - phase) divisible by `every`."""

    every: Annotated[Interval, Unit] = timedelta(hours=4)
    phase: Phase = timedelta(0)

    @model_validator(mode="after")
    def _phase_within_interval(self) -> Self:
        if self.phase >= self.every:
            raise problems((("phase",), "phase must be shorter than every; shorten it"))
        return self


class CronSchedule(Plan):
    """Slots at wall times: `cron` has five fields or is a macro, `zone` is the campaign's if None.

    A wall time that the clock shows twice counts once; `repeat_in_overlap` asks for both.
    """

    cron: Annotated[str, of_files(calendar.cron_fields)]
    zone: Zone | None = None
    repeat_in_overlap: YesOrNo = False


def _kind_of_schedule(value: Any) -> str:
    is_cron = "cron" in value if isinstance(value, dict) else isinstance(value, CronSchedule)
    return "by_cron" if is_cron else "by_interval"


Schedule = Annotated[
    Annotated[CronSchedule, Tag("by_cron")] | Annotated[IntervalSchedule, Tag("by_interval")],
    Discriminator(_kind_of_schedule),
    Field(json_schema_extra=either),
]


class CatchUp(Plan):
    """What becomes of slots that passed while nothing ran.

    Of those within the window none is fired (`skip`), the latest, or `all` but `max` at most, the
    newest. `window` None: half of the time until the next slot, 2 h at most.
    """

    policy: Literal["skip", "latest", "all"] = "latest"
    max: Annotated[int, Field(ge=1, le=1000), Whole] = 10
    window: Annotated[Duration, AfterValidator(_not_negative), Unit] | None = None


QuietHours = Annotated[str, _readable(calendar.quiet_hours)]
"""Times of day without posts, in the campaign's zone: `22:00-07:00`."""

Blackout = Annotated[str, BeforeValidator(_as_text), _readable(calendar.blackout)]
"""Dates without posts, in the campaign's zone: `2026-12-24` or `2026-12-24..2026-12-26`."""

ZonedInstant = Annotated[Instant, BeforeValidator(_in_the_zone)]
"""A moment; without an offset of its own it is in the campaign's zone. A last date is included."""

Delay = Annotated[Duration, AfterValidator(_short), Unit]


class Campaign(Plan):
    """A plan: kind, schedule, channels, rotation of variants.

    `schedules` holds several schedules, and is then used in place of `schedule`. `start` and `end`
    bound the slots, both included; after `limit` slots there are no more. `run_now` adds a slot at
    the moment at which the campaign is first defined. A slot may be fired later than it lies:
    by its jitter (from 0 to `jitter`, the same for whoever asks), and by `channel_offset` for each
    channel that stands before its own in the list; both end before the next slot comes. `bot` names
    one of the sender's bots. `delete_previous`: a new message takes the place of the campaign's
    last one in the channel.
    """

    id: CampaignId
    kind: Kind
    title: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    enabled: YesOrNo = True
    zone: Zone = "UTC"
    schedule: Schedule = IntervalSchedule()
    schedules: Annotated[tuple[Schedule, ...], Field(max_length=20)] = ()
    run_now: YesOrNo = False
    start: ZonedInstant | None = None
    end: ZonedInstant | None = None
    limit: Annotated[PositiveInt, Whole] | None = None
    quiet_hours: Annotated[tuple[QuietHours, ...], BeforeValidator(_as_list)] = ()
    blackouts: Annotated[tuple[Blackout, ...], BeforeValidator(_as_list)] = ()
    jitter: Delay = timedelta(0)
    channel_offset: Delay = timedelta(0)
    channels: Annotated[tuple[Channel, ...], BeforeValidator(_as_list)] = ()
    rotation: Rotation = "round_robin"
    rotation_scope: RotationScope = "shared"
    catch_up: CatchUp = CatchUp()
    on_uncertain: UncertainPolicy | None = None
    bot: BotName = MAIN_BOT
    expire: Expire | None = None
    delete_previous: YesOrNo = False
    variants: Annotated[tuple[Variant, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _consistent(self, info: ValidationInfo) -> Self:
        found = [
            *_repeated("variants", "variant id", [variant.id for variant in self.variants]),
            *_repeated("channels", "channel", self.channels),
            *_dead_ends(self),
            *(_contradictions(self) if info.context is FILE else ()),
        ]
        if found:
            raise problems(*found)
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


class CampaignFile(Plan):
    """The whole file. Editors check it by `contracts/schemas/campaigns.json`."""

    version: Annotated[Literal[1], Whole] = 1
    campaigns: Annotated[tuple[Campaign, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _unique(self) -> Self:
        ids = [campaign.id for campaign in self.campaigns]
        if found := list(_repeated("campaigns", "campaign id", ids)):
            raise problems(*found)
        return self


def read_plan(document: object) -> CampaignFile:
    """Read a parsed campaign file, or raise pydantic.ValidationError with every error in it.

    Unknown fields are errors: in a file they are typing errors, not news from a newer version.
    """
    return CampaignFile.model_validate(document, extra="forbid", context=FILE)


Revision = PositiveInt
"""Counts the definitions of one campaign, from 1."""


def _repeated(field: str, what: str, values: Sequence[str]) -> Iterator[Problem]:
    counts = Counter(values)
    seen: set[str] = set()
    for place, value in enumerate(values):
        if value in seen:
            yield (field, place), f"{what} {value!r} stands {counts[value]} times; keep one"
        seen.add(value)


def _dead_ends(plan: Campaign) -> Iterator[Problem]:
    for place, variant in enumerate(plan.variants):
        if plan.kind == "promo" and not variant.tracked:
            yield (
                ("variants", place),
                f"promo variant {variant.id!r} needs at least one CTA; list one under ctas:",
            )


def _contradictions(plan: Campaign) -> Iterator[Problem]:
    yield from _unclear_timing(plan)
    yield from _endless_quiet(plan)
    yield from _late_channels(plan)
    yield from _filled_badly(plan)
    yield from _lives_badly(plan)
    if "max" in plan.catch_up.model_fields_set and plan.catch_up.policy != "all":
        remedy = "catch_up.max counts for policy all only; remove it, or write policy: all"
        yield ("catch_up", "max"), remedy
    for place, variant in enumerate(plan.variants):
        if variant.weight != 1 and plan.rotation != "weighted":
            remedy = "weights count for rotation weighted only; write rotation: weighted"
            yield ("variants", place, "weight"), remedy


def _unclear_timing(plan: Campaign) -> Iterator[Problem]:
    given = plan.model_fields_set
    if "schedules" in given and "schedule" in given:
        remedy = "give schedule for one, or schedules for several; remove one of the two"
        yield ("schedules",), remedy
    elif "schedules" in given and not plan.schedules:
        yield ("schedules",), "is empty; list at least one schedule, or remove schedules"
    if plan.start and plan.end and plan.end < plan.start:
        remedy = "end lies before start; no slot would ever come: correct one of them"
        yield ("end",), remedy


def _endless_quiet(plan: Campaign) -> Iterator[Problem]:
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


def _late_channels(plan: Campaign) -> Iterator[Problem]:
    delay = plan.jitter + plan.channel_offset * max(0, len(plan.channels) - 1)
    gap = min(_gap(schedule) for schedule in plan.timing) if delay else timedelta.max
    if delay >= gap:
        field = "channel_offset" if plan.channel_offset else "jitter"
        remedy = (
            f"jitter and channel_offset delay the last channel by up to {delay}, which is not"
            f" less than the interval of {gap}; shorten them"
        )
        yield (field,), remedy


def _filled_badly(plan: Campaign) -> Iterator[Problem]:
    """Find what is too long only once its placeholders are filled."""
    channel = max(plan.channels, key=len, default="")
    for place, variant in enumerate(plan.variants):
        if variant.placeholders:
            for where, remedy in faults(fill(variant, plan, channel, _SAMPLE)):
                yield ("variants", place, *where), remedy


def _lives_badly(plan: Campaign) -> Iterator[Problem]:
    expire = plan.expire
    if expire is None:
        return
    if expire.action == "unpin" and not any(variant.pin for variant in plan.variants):
        yield ("expire", "action"), "no variant is pinned; write pin: true in one, or edit"
    if expire.action == "edit" and expire.text is None:
        if not any(variant.ctas for variant in plan.variants):
            yield ("expire", "text"), "no variant has buttons to take away; write what it then says"
    elif expire.text is not None and any(variant.attachments for variant in plan.variants):
        formatted = parse(expire.text, expire.format)
        yield from ((("expire", "text"), why) for why in too_much(formatted, CAPTION_LIMIT))


def _gap(schedule: Schedule) -> timedelta:
    if isinstance(schedule, IntervalSchedule):
        return schedule.every
    return calendar.cron_gap(schedule.cron)
