"""What commands answer, as values. Field names are those of `--json`; moments are UTC."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from contracts.campaign import Campaign, Kind
from contracts.events.slot import Trigger
from contracts.ids import CampaignId, Channel, DeliveryId, VariantId
from scheduler.domain.outlook import PlannedSlot, Status

Notes = tuple[str, ...]


@dataclass(frozen=True)
class CheckedCampaign:
    """A campaign of a file that can be applied."""

    id: CampaignId
    kind: Kind
    title: str
    schedule: str
    channels: tuple[str, ...]
    variants: tuple[VariantId, ...]


@dataclass(frozen=True)
class Checked:
    """`validate`: a file without errors."""

    file: str
    campaigns: tuple[CheckedCampaign, ...]
    notes: Notes = ()


@dataclass(frozen=True)
class Outlook:
    """The slots that a campaign will have."""

    campaign: CampaignId
    kind: Kind
    status: Status
    schedule: str
    zone: str
    slots: tuple[PlannedSlot, ...]


@dataclass(frozen=True)
class Preview:
    """`preview`."""

    campaigns: tuple[Outlook, ...]
    notes: Notes = ()


@dataclass(frozen=True)
class FieldChange:
    """A field of a campaign that a plan changes; `old` or `new` is None where it is not there."""

    field: str
    old: Any
    new: Any


@dataclass(frozen=True)
class CampaignChange:
    """What a plan does to one campaign: `new`, `changed`, `back` (it was retired) or `retired`.

    `summary` and `zone` are empty where it is retired.
    """

    campaign: CampaignId
    change: str
    revision: int
    summary: str = ""
    zone: str = ""
    fields: tuple[FieldChange, ...] = ()


@dataclass(frozen=True)
class Difference:
    """`apply`: what a plan changes in the log, and whether it was applied."""

    changes: tuple[CampaignChange, ...]
    unchanged: int
    applied: bool = False
    notes: Notes = ()


@dataclass(frozen=True)
class Summary:
    """One campaign in a line."""

    id: CampaignId
    kind: Kind
    title: str
    status: Status
    paused_until: datetime | None
    revision: int
    schedule: str
    zone: str
    channels: tuple[Channel, ...]
    next_slot: datetime | None


@dataclass(frozen=True)
class Listing:
    """`list`."""

    campaigns: tuple[Summary, ...]


@dataclass(frozen=True)
class Tally:
    """How many deliveries of a slot came out in one way."""

    outcome: str
    reason: str
    deliveries: int


@dataclass(frozen=True)
class SlotReport:
    """What became of one slot over all channels."""

    at: datetime
    trigger: Trigger | None
    request: str | None
    variants: tuple[VariantId, ...]
    outcomes: tuple[Tally, ...]


@dataclass(frozen=True)
class PauseReport:
    """Why, by whom and until when a campaign is paused."""

    since: datetime
    until: datetime | None
    note: str
    actor: str


@dataclass(frozen=True)
class Description:
    """`describe`."""

    campaign: Summary
    since: datetime
    pause: PauseReport | None
    definition: Campaign
    next_slots: tuple[PlannedSlot, ...]
    last_slots: tuple[SlotReport, ...]


@dataclass(frozen=True)
class Decided:
    """`pause`, `resume`: whether anything changed, and how it stands now."""

    campaign: CampaignId
    changed: bool
    status: Status
    zone: str
    pause: PauseReport | None


@dataclass(frozen=True)
class RequestedDelivery:
    """One delivery that was asked for, and what the log says of it."""

    delivery: DeliveryId
    channel: Channel
    variant: VariantId | None
    outcome: str
    reason: str


@dataclass(frozen=True)
class Triggered:
    """`trigger`: the request that stands in the log, and what came of it until now.

    `new` is False where the key was used before; `answered`: every delivery was said.
    """

    campaign: CampaignId
    key: str
    new: bool
    at: datetime
    zone: str
    actor: str
    void_after: datetime
    answered: bool
    deliveries: tuple[RequestedDelivery, ...]
    notes: Notes = ()


@dataclass(frozen=True)
class Backfilled:
    """`backfill`: what is asked for, and what came of it until now.

    `slots` and `deliveries` are those that were not due before. `asked`: the request stands in the
    log; `new`: by this very command. `said_due` of the deliveries were said since; None:
    they are too many to be looked up.
    """

    campaign: CampaignId
    key: str
    since: datetime
    until: datetime
    zone: str
    slots: int
    deliveries: int
    already_due: int
    first: datetime | None
    last: datetime | None
    asked: bool = False
    new: bool = False
    void_after: datetime | None = None
    said_due: int | None = 0
    notes: Notes = ()


Answer = Checked | Preview | Difference | Listing | Description | Decided | Triggered | Backfilled
