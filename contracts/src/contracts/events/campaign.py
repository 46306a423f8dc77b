"""Facts about campaigns. The scheduler says them; the expected sequence keeps them in order."""

from typing import Annotated, ClassVar

from pydantic import NonNegativeInt, StringConstraints

from contracts.campaign import Campaign, Revision
from contracts.events.base import Event
from contracts.ids import CampaignId, Channel, Instant, VariantId

RequestKey = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
"""Names one request of an operator: the same key asks for the same thing, once."""


class _CampaignFact(Event):
    campaign: CampaignId
    revision: Revision

    @property
    def key(self) -> str:
        return self.campaign

    @property
    def correlation(self) -> str:
        return self.campaign


class CampaignDefined(_CampaignFact):
    """An owner's plan took effect, first or anew; `definition` is the whole of it.

    Slots after `effective_at` lie where this revision plans them (None: after the event's time);
    the first of them is number `first_ordinal` of the campaign.
    """

    type: ClassVar[str] = "fingerpost.campaign.defined.v1"
    definition: Campaign
    effective_at: Instant | None = None
    first_ordinal: NonNegativeInt = 0
    actor: str = ""

    @property
    def id(self) -> str:
        return f"{self.subject}.{self.revision}"


class _CampaignDecision(_CampaignFact):
    note: str = ""
    actor: str
    decided_at: Instant

    @property
    def id(self) -> str:
        return f"{self.subject}.{self.decided_at:%Y%m%dT%H%M%S%f}"


class CampaignPaused(_CampaignDecision):
    """No slot of the campaign is fired from `decided_at` until `until`, or until it is resumed."""

    type: ClassVar[str] = "fingerpost.campaign.paused.v1"
    until: Instant | None = None


class CampaignResumed(_CampaignDecision):
    """A paused campaign goes on."""

    type: ClassVar[str] = "fingerpost.campaign.resumed.v1"


class CampaignRetired(_CampaignDecision):
    """The campaign left the plan; a later CampaignDefined brings it back."""

    type: ClassVar[str] = "fingerpost.campaign.retired.v1"


class _Request(_CampaignDecision):
    request: RequestKey

    @property
    def key(self) -> str:
        return f"{self.campaign}.{self.request}"

    @property
    def id(self) -> str:
        return self.subject


class CampaignTriggered(_Request):
    """An operator wants one more slot, at `decided_at`, whatever the schedule says.

    `variant` None: the next one of the rotation; no `channels`: all of the campaign's.
    """

    type: ClassVar[str] = "fingerpost.campaign.triggered.v1"
    variant: VariantId | None = None
    channels: tuple[Channel, ...] = ()


class CampaignBackfilled(_Request):
    """An operator wants those slots from `since` to `until` (both included) that were not due."""

    type: ClassVar[str] = "fingerpost.campaign.backfilled.v1"
    since: Instant
    until: Instant
