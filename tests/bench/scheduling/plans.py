"""The campaigns of the bench, and the messages of a finished run moved to a new instant."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from bench.scheduling.stored import Message
from contracts.campaign import Campaign
from contracts.events import CampaignDefined
from harness.plans import campaign

_FIRST_CHANNEL = -1_000_000_001


def defined(
    name: str,
    *,
    every: timedelta,
    at: datetime,
    channels: int,
    offset: timedelta = timedelta(0),
    variants: int = 1,
    end: datetime | None = None,
) -> CampaignDefined:
    """Return a campaign with a slot at `at`, a whole second, and every `every`, not after `end`.

    With an `end` it has none before `at` either.
    """
    phase = timedelta(seconds=int(at.timestamp()) % int(every.total_seconds()))
    plan = campaign(
        name,
        every=every,
        phase=phase,
        channels=tuple(str(_FIRST_CHANNEL - number) for number in range(channels)),
        channel_offset=offset,
        variants=variants,
        start=at if end else None,
        end=end,
    )
    return CampaignDefined(campaign=name, revision=1, definition=plan)


def plan_of(definitions: Sequence[CampaignDefined]) -> list[Campaign]:
    """Return the plan alone, as a campaign file has it."""
    return [event.definition for event in definitions]


def moved(messages: Sequence[Message], first: float) -> list[Message]:
    """Return the messages in their order, planned anew so that the first is due at `first`."""
    ordered = sorted(messages, key=lambda message: message.due)
    shift = first - ordered[0].due
    return [replace(message, due=message.due + shift) for message in ordered]
