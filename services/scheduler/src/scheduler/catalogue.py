"""The campaigns as the log tells them, kept up to date."""

from collections.abc import Callable

from chassis.log import Entry, Reader
from contracts.ids import CampaignId
from contracts.subjects import CAMPAIGNS
from scheduler.domain.campaigns import CampaignState, evolve

Listener = Callable[[CampaignId], None]


class Catalogue:
    """Folds what the log says about campaigns; `campaigns` is the state, by name."""

    def __init__(self) -> None:
        self.campaigns: dict[CampaignId, CampaignState] = {}
        self._read_up_to = 0
        self._listeners: list[Listener] = []

    def tell(self, listener: Listener) -> None:
        """Let `listener` know of each campaign that changes from now on, whoever reads of it."""
        self._listeners.append(listener)

    async def catch_up(self, reader: Reader) -> list[Entry]:
        """Fold what is new until the log's end, and return it."""
        entries = await reader.replay((CAMPAIGNS,), after=self._read_up_to)
        return [entry for entry in entries if self._apply(entry)]

    async def follow(self, reader: Reader) -> None:
        """Fold what comes, for ever."""
        async for entry in reader.follow(CAMPAIGNS, after=self._read_up_to):
            self._apply(entry)

    def _apply(self, entry: Entry) -> bool:
        """Fold an entry; False where it was folded before, or changes no campaign."""
        if entry.sequence <= self._read_up_to:
            return False
        self._read_up_to = entry.sequence
        name = str(getattr(entry.envelope.data, "campaign", ""))
        state = evolve(self.campaigns.get(name), entry.envelope, entry.stored_at)
        if state is None:
            return False
        self.campaigns[name] = state
        for listener in self._listeners:
            listener(name)
        return True
