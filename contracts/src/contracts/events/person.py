"""Facts about people: what they tapped, started, paid for, and that they want to be forgotten."""

from decimal import Decimal
from typing import Annotated, ClassVar, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NegativeInt,
    NonNegativeInt,
    PositiveInt,
    StringConstraints,
)

from contracts.events.base import Event
from contracts.ids import CampaignId, Channel, DeliveryId, Instant, person_token, subject_token

Via = Literal["callback", "link"]
Verdict = Literal["human", "robot"]
AGENT_LIMIT = 256
ConversionKind = Literal["payment", "subscription", "renewal", "join", "refund"]
CtaIndex = Annotated[int, Field(ge=0, le=99)]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]


class CtaClicked(Event):
    """Somebody tapped a CTA. Total and unique taps differ on purpose: a repeat is a new fact.

    `source_id` is the callback query's id, or the redirect's own click id. `user_id` is None for
    a link, as a web request does not say who made it. `rule` is the version of the rule that gave
    `verdict`, and a link's `agent` (the user agent, cut) and `ahead` (the request said that nobody
    waits for its page) are all that it went by, so that a replay can judge again.
    """

    type: ClassVar[str] = "fingerpost.cta.clicked.v1"
    source_id: str
    delivery: DeliveryId
    cta: CtaIndex
    user_id: int | None
    via: Via
    message_id: int | None = None
    verdict: Verdict
    rule: NonNegativeInt
    agent: Annotated[str, StringConstraints(max_length=AGENT_LIMIT)] | None = None
    ahead: bool = False
    clicked_at: Instant

    @property
    def key(self) -> str:
        return person_token(self.user_id)

    @property
    def id(self) -> str:
        return f"cta.clicked.{self.via}.{subject_token(self.source_id)}"


class BotStarted(Event):
    """A person came from a CTA into the chat with the bot."""

    type: ClassVar[str] = "fingerpost.bot.started.v1"
    bot_id: int
    update_id: int
    delivery: DeliveryId
    cta: CtaIndex
    user_id: int
    started_at: Instant

    @property
    def key(self) -> str:
        return person_token(self.user_id)

    @property
    def id(self) -> str:
        return f"bot.started.{self.bot_id}.{self.update_id}"


class _Word(Event):
    """What a person told the bot."""

    bot_id: int
    update_id: int
    user_id: int
    said_at: Instant

    @property
    def key(self) -> str:
        return person_token(self.user_id)

    @property
    def id(self) -> str:
        return f"{self.fact()}.{self.bot_id}.{self.update_id}"


class BotStopped(_Word):
    """A person wants no further words of the bot (`/stop`); a later start brings them back."""

    type: ClassVar[str] = "fingerpost.bot.stopped.v1"


class ForgetRequested(_Word):
    """A person wants to be forgotten (`/forget me`); an operator's command carries it out."""

    type: ClassVar[str] = "fingerpost.forget.requested.v1"


class ConversionRecorded(Event):
    """A person paid, subscribed, joined, or was paid back (`amount` is then negative).

    `amount` counts whole units of `currency` (XTR for Telegram Stars). `source` and `source_id`
    name the fact in the system that it came from, and make it count once. What led to it is known
    by `delivery` and `cta`, or by `click_id` (the `source_id` of a followed link), or only as
    `campaign` and `channel`, or not at all. `refund_of` is the `source_id` of what is paid back;
    `paid_until` the end of a period of a subscription.
    """

    type: ClassVar[str] = "fingerpost.conversion.recorded.v1"
    source: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{1,32}$")]
    source_id: str
    kind: ConversionKind
    amount: Decimal | None = None
    currency: Currency | None = None
    user_id: int | None = None
    delivery: DeliveryId | None = None
    cta: CtaIndex | None = None
    click_id: str | None = None
    campaign: CampaignId | None = None
    channel: Channel | None = None
    refund_of: str | None = None
    paid_until: Instant | None = None
    occurred_at: Instant

    @property
    def key(self) -> str:
        return f"{person_token(self.user_id)}.{self.source}.{subject_token(self.source_id)}"

    @property
    def once_over(self) -> str:
        """The subjects among which the conversion may stand once, whoever it is credited to."""
        return f"conversion.recorded.*.{self.source}.{subject_token(self.source_id)}"

    @property
    def id(self) -> str:
        return f"conversion.recorded.{self.source}.{subject_token(self.source_id)}"


class ForgottenCount(BaseModel):
    """What one person had done with one delivery's CTA, without saying who."""

    model_config = ConfigDict(frozen=True)

    delivery: DeliveryId | None
    cta: CtaIndex | None
    clicks: NonNegativeInt
    starts: NonNegativeInt
    conversions: NonNegativeInt
    revenue: dict[Currency, Decimal]


class ForgottenAct(BaseModel):
    """One act that counts on: what it was, with the person's alias in the place of the person.

    `sequence` is where the log held the event that it takes the place of.
    """

    model_config = ConfigDict(frozen=True)

    sequence: PositiveInt
    click: CtaClicked | None = None
    start: BotStarted | None = None
    conversion: ConversionRecorded | None = None

    @property
    def said(self) -> CtaClicked | BotStarted | ConversionRecorded:
        """The act, whichever it is."""
        said = self.click or self.start or self.conversion
        if said is None:
            raise ValueError(f"act {self.sequence} is of a kind that is not known")
        return said


class UserForgotten(Event):
    """A person's events are erased; what counted goes on counting, and nobody is named.

    `acts` take the place of the events at the sequences `replaces`, whether those still stand in
    the log or not. `alias` is a negative number that stands for the person in them and for nobody
    anywhere else, so that people are still told apart. `counts` sums the acts up.
    """

    type: ClassVar[str] = "fingerpost.user.forgotten.v1"
    request_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    forgotten_at: Instant
    counts: tuple[ForgottenCount, ...] = ()
    alias: NegativeInt | None = None
    replaces: tuple[PositiveInt, ...] = ()
    acts: tuple[ForgottenAct, ...] = ()

    @property
    def key(self) -> str:
        return self.request_id
