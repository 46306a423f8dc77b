"""Facts about slots. The scheduler says exactly one of them for each slot and channel."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from contracts.campaign import Expire, Kind, Revision, UncertainPolicy, Variant
from contracts.events.base import Event
from contracts.ids import MAIN_BOT, CampaignId, Channel, DeliveryId, Instant

Trigger = Literal["schedule", "catchup", "backfill", "manual"]
MissedReason = Literal[
    "catchup_window",
    "superseded",
    "skipped",
    "paused",
    "blackout",
    "limit",
    "quiet_hours",
    "retired",
]


class _Slot(Event):
    """`ordinal` counts the campaign's slots; `request` is the id of an operator's event, if any."""

    delivery: DeliveryId
    campaign: CampaignId
    revision: Revision
    channel: Channel
    scheduled_for: Instant
    ordinal: Annotated[int, Field(ge=0)]
    request: str | None = None

    @property
    def key(self) -> str:
        return self.delivery

    @property
    def cause(self) -> str:
        return self.request or f"campaign.defined.{self.campaign}.{self.revision}"


class _Due(_Slot):
    kind: ClassVar[Kind]
    variant: Variant
    expires_at: Instant
    trigger: Trigger
    on_uncertain: UncertainPolicy
    due_at: Instant | None = None
    bot: str = MAIN_BOT
    expire: Expire | None = None
    delete_previous: bool = False

    @property
    def planned_at(self) -> Instant:
        """When it was to be fired: its slot, and what jitter and the channel's offset add."""
        return self.due_at or self.scheduled_for


class GuideDue(_Due):
    """A guide is to be posted now, and not after `expires_at`."""

    type: ClassVar[str] = "fingerpost.guide.due.v1"
    kind: ClassVar[Kind] = "guide"


class PromoDue(_Due):
    """A promo is to be posted now, and not after `expires_at`."""

    type: ClassVar[str] = "fingerpost.promo.due.v1"
    kind: ClassVar[Kind] = "promo"


class SlotMissed(_Slot):
    """A slot passed and is not posted; `reason` answers "why did it not post?".

    `catchup_window`: too old when it was found; `superseded`: a later slot was fired in its place;
    `skipped`: the campaign's policy is to skip what an outage missed; `limit`: more were missed
    than the policy fires; `quiet_hours`, `blackout`: the owner wants no posts then; `paused`;
    `retired`: the campaign or the channel had left the plan. A missed slot may still be posted
    later, when an operator asks for it by CampaignBackfilled.
    """

    type: ClassVar[str] = "fingerpost.slot.missed.v1"
    kind: Kind
    reason: MissedReason


Due = GuideDue | PromoDue
