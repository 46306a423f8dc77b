"""Keeps the plan of the log that of the campaign file: at the start, and when the file changes."""

import asyncio
from collections.abc import Sequence

from prometheus_client import Gauge

from chassis.cancellation import heed_cancellation
from chassis.log import Publisher, Reader
from chassis.logs import logger
from contracts.campaign import Campaign
from scheduler.catalogue import Catalogue
from scheduler.clock_watch import ClockWatch
from scheduler.domain.plan import differing
from scheduler.plan_file import PlanError, PlanFile
from scheduler.planner import OvertakenError, Planner

_PERIOD = 2.0

DIFFERS = Gauge(
    "fingerpost_scheduler_plan_differs",
    "Campaigns that the log holds otherwise than this replica's campaign file.",
)
BROKEN = Gauge(
    "fingerpost_scheduler_plan_file_broken",
    "1 while the campaign file cannot be read; the plan of before goes on.",
)

log = logger(__name__)


class PlanPendingError(Exception):
    """The log does not say yet what the campaign file says; no slot is emitted meanwhile."""


class Keeper:
    """Applies `plan`, read from `file`, and whatever the file says later.

    Without a file the log alone says what the plan is.
    """

    def __init__(
        self,
        file: PlanFile | None,
        plan: Sequence[Campaign] | None,
        planner: Planner,
        catalogue: Catalogue,
        watch: ClockWatch,
    ) -> None:
        self._file = file
        self._plan = plan
        self._planner = planner
        self._catalogue = catalogue
        self._watch = watch
        self._folded = False
        self._differing: list[str] = []

    async def begin(self, reader: Reader, publisher: Publisher) -> None:
        """Fold the log and apply the plan; until then no slot is to be said."""
        await self._catalogue.catch_up(reader)
        self._folded = True
        log.info("log folded", campaigns=len(self._catalogue.campaigns))
        await self._apply(reader, publisher)

    async def run(self, reader: Reader, publisher: Publisher) -> None:
        """Look at the file every other second, for ever."""
        while True:
            heed_cancellation()
            await asyncio.sleep(_PERIOD)
            if self._file and self._file.changed():
                await self._reload(self._file, reader, publisher)
            self._compare()

    async def check(self) -> None:
        """Check for readiness; raises PlanPendingError, saying why slots are not emitted."""
        problem = self._planner.pending if self._folded else "the log is not folded yet"
        if problem:
            raise PlanPendingError(problem)

    async def _reload(self, file: PlanFile, reader: Reader, publisher: Publisher) -> None:
        try:
            self._plan = await asyncio.to_thread(file.load)
        except PlanError as error:
            BROKEN.set(1)
            for problem in error.problems:
                log.warning("the campaign file is broken; its last plan goes on", problem=problem)
            return
        BROKEN.set(0)
        log.info("the campaign file changed", campaigns=len(self._plan))
        await self._apply(reader, publisher)

    async def _apply(self, reader: Reader, publisher: Publisher) -> None:
        if self._plan is None:
            return
        # A plan takes effect at a time of this clock.
        while self._watch.hindrance():
            heed_cancellation()
            await asyncio.sleep(_PERIOD)
        try:
            await self._planner.apply(reader, publisher, self._plan)
        except OvertakenError as error:
            log.warning("this replica's campaign file is not applied", problem=str(error))

    def _compare(self) -> None:
        if self._plan is None:
            return
        found = differing(self._catalogue.campaigns, self._plan)
        DIFFERS.set(len(found))
        if found and found != self._differing:
            log.warning("the plan in the log is not that of this replica's file", campaigns=found)
        self._differing = found
