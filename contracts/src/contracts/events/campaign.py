"""Facts about campaigns. The scheduler says them; the expected sequence keeps them in order."""

from typing import ClassVar

from contracts.campaign import Campaign, Revision
from contracts.events.base import Event
from contracts.ids import CampaignId, Instant


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
    """An owner's plan took effect, first or anew; `definition` is the whole of it."""

    type: ClassVar[str] = "fingerpost.campaign.defined.v1"
    definition: Campaign

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
