"""Brings a plan into the log: all of it, or nothing where somebody else changes it meanwhile.

Every event about campaigns is said on condition that none was said since the plan was compared.
So of two plans that are applied at once the one that comes first wins as a whole.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import nats.errors
from nats.js.errors import Error as JetStreamError

from chassis.cancellation import heed_cancellation
from chassis.clock import Clock
from chassis.log import Entry, Publisher, Reader
from chassis.logs import logger
from contracts.campaign import Campaign
from contracts.events import CampaignDefined, CampaignRetired
from contracts.ids import CampaignId
from contracts.subjects import CAMPAIGNS
from scheduler.catalogue import Catalogue
from scheduler.domain.plan import PlanChange, changes, differing

_PAUSE = 1.0

T = TypeVar("T")

log = logger(__name__)


class OvertakenError(Exception):
    """Another plan was applied meanwhile; `campaigns` are those that it defines otherwise."""

    def __init__(self, campaigns: Sequence[CampaignId], actor: str) -> None:
        self.campaigns = tuple(campaigns)
        self.actor = actor
        super().__init__(
            f"another plan was applied at the same time (by {actor or 'somebody'}) and stands:"
            f" it differs in {', '.join(campaigns)}"
        )


class Planner:
    """Applies plans; `actor` is named in the events."""

    def __init__(self, catalogue: Catalogue, clock: Clock, *, actor: str) -> None:
        self._catalogue = catalogue
        self._clock = clock
        self._actor = actor
        self.pending: str | None = None
        """Why the plan is not in the log yet; None where it is, or none was to be applied."""

    async def apply(
        self, reader: Reader, publisher: Publisher, plan: Sequence[Campaign]
    ) -> list[PlanChange]:
        """Say what differs and return it; raises OvertakenError.

        Waits for a log that does not answer. Unreadable events are passed over.
        """
        said: list[PlanChange] = []
        refusals = 0
        self.pending = "the plan is not applied yet"
        while True:
            # The order matters: what comes after `newest` was asked for is refused by the log, and
            # what came before is folded, unless it cannot be read.
            newest = await _patiently(lambda: reader.newest(CAMPAIGNS))
            await self._catalogue.catch_up(reader)
            wanted = changes(self._catalogue.campaigns, plan, self._clock(), actor=self._actor)
            if not wanted:
                self.pending = None
                return said
            taken = await self._say(publisher, wanted, newest, refusals)
            said += taken
            if len(taken) < len(wanted):
                refusals += 1
                await self._give_way(reader, plan)
                self.pending = f"the log refuses the plan of {wanted[len(taken)].campaign}"
                log.info("the log was written to meanwhile; looking again", attempt=refusals)
                await asyncio.sleep(_PAUSE * (refusals > 1))

    async def _say(
        self, publisher: Publisher, wanted: Sequence[PlanChange], newest: int, refusals: int
    ) -> list[PlanChange]:
        """Say the changes one after the other until one is refused; return those taken."""
        for number, change in enumerate(wanted):
            if isinstance(change, CampaignDefined) and refusals:
                # An event that cannot be read may have the id that this revision would have.
                change = change.model_copy(update={"revision": change.revision + refusals})  # noqa: PLW2901
            newest = await publisher.publish_once(change, over=CAMPAIGNS, after=newest)
            if not newest:
                return list(wanted[:number])
            log.info(
                "campaign changed",
                campaign=change.campaign,
                change=change.fact(),
                revision=change.revision,
            )
        return list(wanted)

    async def _give_way(self, reader: Reader, plan: Sequence[Campaign]) -> None:
        """Raise OvertakenError where what came meanwhile is another plan than ours."""
        news = await self._catalogue.catch_up(reader)
        theirs = _definitions(news)
        lost = [name for name in differing(self._catalogue.campaigns, plan) if name in theirs]
        if lost:
            self.pending = None
            raise OvertakenError(lost, theirs[lost[0]].actor)


def _definitions(news: Sequence[Entry]) -> dict[CampaignId, PlanChange]:
    said = [entry.envelope.data for entry in news]
    return {
        event.campaign: event
        for event in said
        if isinstance(event, CampaignDefined | CampaignRetired)
    }


async def _patiently(ask: Callable[[], Awaitable[T]]) -> T:
    while True:
        heed_cancellation()
        try:
            return await ask()
        except (JetStreamError, nats.errors.Error, TimeoutError, OSError) as error:
            log.warning("asking the log failed; will repeat", problem=repr(error))
            await asyncio.sleep(_PAUSE)
