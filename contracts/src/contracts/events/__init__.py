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
from contracts.events.channel import ChannelDisabled, ChannelEnabled, ChannelMigrated
from contracts.events.invite import InviteLinkCreated
from contracts.events.message import (
    MessageClaimed,
    MessageFailed,
    MessageSent,
    MessageSkipped,
    MessageUncertain,
    MessageUnreadable,
    MessageWithdrawn,
)
from contracts.events.person import (
    BotStarted,
    BotStopped,
    ConversionRecorded,
    CtaClicked,
    ForgetRequested,
    UserForgotten,
)
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
    MessageUnreadable,
    MessageWithdrawn,
    ChannelDisabled,
    ChannelEnabled,
    ChannelMigrated,
    CtaClicked,
    BotStarted,
    BotStopped,
    InviteLinkCreated,
    ConversionRecorded,
    ForgetRequested,
    UserForgotten,
)

BY_TYPE: dict[str, type[Event]] = {event.type: event for event in EVENTS}

__all__ = [
    "BY_TYPE",
    "EVENTS",
    "BotStarted",
    "BotStopped",
    "CampaignBackfilled",
    "CampaignDefined",
    "CampaignPaused",
    "CampaignResumed",
    "CampaignRetired",
    "CampaignTriggered",
    "ChannelDisabled",
    "ChannelEnabled",
    "ChannelMigrated",
    "ConversionRecorded",
    "CtaClicked",
    "Due",
    "Event",
    "ForgetRequested",
    "GuideDue",
    "InviteLinkCreated",
    "MessageClaimed",
    "MessageFailed",
    "MessageSent",
    "MessageSkipped",
    "MessageUncertain",
    "MessageUnreadable",
    "MessageWithdrawn",
    "PromoDue",
    "SlotMissed",
    "UserForgotten",
]
