"""What must be said so that the log's plan is the owner's."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from contracts.campaign import Campaign
from contracts.events import CampaignDefined, CampaignRetired
from contracts.ids import CampaignId
from scheduler.domain.campaigns import CampaignState

PlanChange = CampaignDefined | CampaignRetired


def differing(
    campaigns: Mapping[CampaignId, CampaignState], plan: Iterable[Campaign]
) -> list[CampaignId]:
    """Return the campaigns that the log does not hold as `plan` has them, or holds beside it."""
    wanted = {definition.id: definition for definition in plan}
    return [
        *(name for name, definition in wanted.items() if not _holds(campaigns, definition)),
        *(name for name, known in campaigns.items() if name not in wanted and not known.retired),
    ]


def changes(
    campaigns: Mapping[CampaignId, CampaignState],
    plan: Iterable[Campaign],
    now: datetime,
    *,
    actor: str,
) -> list[PlanChange]:
    """Return what must be said so that the log's plan is `plan`; nothing where it already is."""
    wanted = {definition.id: definition for definition in plan}
    return [
        _defined(campaigns.get(name), wanted[name], now, actor)
        if name in wanted
        else _retired(campaigns[name], now, actor)
        for name in differing(campaigns, wanted.values())
    ]


def _holds(campaigns: Mapping[CampaignId, CampaignState], definition: Campaign) -> bool:
    known = campaigns.get(definition.id)
    return known is not None and not known.retired and known.definition == definition


def _defined(
    known: CampaignState | None, definition: Campaign, now: datetime, actor: str
) -> CampaignDefined:
    return CampaignDefined(
        campaign=definition.id,
        revision=known.revision + 1 if known else 1,
        definition=definition,
        effective_at=now,
        first_ordinal=known.ordinal_after(now) if known else 0,
        actor=actor,
    )


def _retired(known: CampaignState, now: datetime, actor: str) -> CampaignRetired:
    return CampaignRetired(
        campaign=known.definition.id,
        revision=known.revision,
        note="no longer in the campaign file",
        actor=actor,
        decided_at=now,
    )
