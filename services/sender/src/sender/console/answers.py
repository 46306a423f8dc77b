"""What commands answer, as values. Field names are those of `--json`; moments are UTC."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from contracts.campaign import Kind, UncertainPolicy
from contracts.ids import CampaignId, Channel, DeliveryId, VariantId

Resolution = Literal["posted", "drop", "post_again"]
State = Literal["enabled", "disabled"]


@dataclass(frozen=True)
class Uncertain:
    """A delivery of which nobody knows whether it was posted."""

    delivery: DeliveryId
    campaign: CampaignId
    channel: Channel
    variant: VariantId
    kind: Kind
    attempt: int
    policy: UncertainPolicy
    since: datetime
    age_seconds: int
    why: str
    expires_at: datetime | None


@dataclass(frozen=True)
class Uncertainties:
    """`uncertain list`, oldest first."""

    deliveries: tuple[Uncertain, ...]


@dataclass(frozen=True)
class Resolved:
    """`uncertain resolve`: what stands in the log now; `new`: by this very command."""

    delivery: DeliveryId
    resolution: Resolution
    message_id: int | None
    new: bool


@dataclass(frozen=True)
class ChannelState:
    """The last word about one channel and bot; `actor` is the person whose word it is."""

    channel: Channel
    bot: str
    bot_id: int
    state: State
    since: datetime
    why: str
    actor: str | None


@dataclass(frozen=True)
class ChannelList:
    """`channels list`, those that are disabled first."""

    channels: tuple[ChannelState, ...]


@dataclass(frozen=True)
class ChannelChanged:
    """`channels enable` and `channels disable`: what holds now; `new`: by this very command."""

    channel: Channel
    bot_id: int
    state: State
    new: bool


@dataclass(frozen=True)
class Step:
    """One part of a self-test: what was tried, and whether it went as it must."""

    what: str
    good: bool
    detail: str = ""


@dataclass(frozen=True)
class Tested:
    """`selftest`: `proved` in plain words, where everything went well."""

    steps: tuple[Step, ...]
    passed: bool
    proved: str


@dataclass(frozen=True)
class Declared:
    """`uncertain declare`: the deliveries that are looked for before anything is posted for them.

    `strangers` are those of bots that the settings do not name: nothing was said of these.
    """

    deliveries: tuple[DeliveryId, ...]
    strangers: tuple[DeliveryId, ...]


Answer = Uncertainties | Resolved | Declared | ChannelList | ChannelChanged | Tested
