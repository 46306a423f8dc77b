"""Every event that stands in the log, and the registry that finds a model by its type."""

from contracts.events.base import Event
from contracts.events.campaign import (
    CampaignBackfilled,
    CampaignDefined,
    CampaignPaused,
    CampaignResumed,
    CampaignRetired,
    CampaignTriggered,
)
from contracts.events.message import (
    MessageClaimed,
    MessageFailed,
    MessageSent,
    MessageSkipped,
    MessageUncertain,
)
from contracts.events.person import BotStarted, ConversionRecorded, CtaClicked, UserForgotten
from contracts.events.slot import Due, GuideDue, PromoDue, SlotMissed

EVENTS: tuple[type[Event], ...] = (
    CampaignDefined,
    CampaignPaused,
    CampaignResumed,
    CampaignRetired,
    CampaignTriggered,
    CampaignBackfilled,
    GuideDue,
    PromoDue,
    SlotMissed,
    MessageClaimed,
    MessageSent,
    MessageFailed,
    MessageSkipped,
    MessageUncertain,
    CtaClicked,
    BotStarted,
    ConversionRecorded,
    UserForgotten,
)

BY_TYPE: dict[str, type[Event]] = {event.type: event for event in EVENTS}

__all__ = [
    "BY_TYPE",
    "EVENTS",
    "BotStarted",
    "CampaignBackfilled",
    "CampaignDefined",
    "CampaignPaused",
    "CampaignResumed",
    "CampaignRetired",
    "CampaignTriggered",
    "ConversionRecorded",
    "CtaClicked",
    "Due",
    "Event",
    "GuideDue",
    "MessageClaimed",
    "MessageFailed",
    "MessageSent",
    "MessageSkipped",
    "MessageUncertain",
    "PromoDue",
    "SlotMissed",
    "UserForgotten",
]
