"""The campaigns as the log tells them, kept up to date."""

from collections.abc import AsyncIterator

from chassis.log import Entry, Reader
from contracts.ids import CampaignId
from contracts.subjects import CAMPAIGNS
from scheduler.domain.campaigns import CampaignState, evolve


class Catalogue:
    """Folds what the log says about campaigns; `campaigns` is the state, by name."""

    def __init__(self) -> None:
        self.campaigns: dict[CampaignId, CampaignState] = {}
        self._read_up_to = 0

    async def catch_up(self, reader: Reader) -> list[Entry]:
        """Fold what is new until the log's end, and return it."""
        entries = await reader.replay((CAMPAIGNS,), after=self._read_up_to)
        return [entry for entry in entries if self._apply(entry)]

    async def follow(self, reader: Reader) -> AsyncIterator[CampaignId]:
        """Fold what comes, for ever; yield the campaign that each event changed."""
        async for entry in reader.follow((CAMPAIGNS,), after=self._read_up_to):
            if name := self._apply(entry):
                yield name

    def _apply(self, entry: Entry) -> CampaignId | None:
        """Return the campaign that the entry is about, None where it was folded before."""
        if entry.sequence <= self._read_up_to:
            return None
        self._read_up_to = entry.sequence
        name = str(getattr(entry.envelope.data, "campaign", ""))
        state = evolve(self.campaigns.get(name), entry.envelope)
        if state is None:
            return None
        self.campaigns[name] = state
        return name
