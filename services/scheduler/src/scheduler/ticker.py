"""Brings the plan into the log, then says each slot when its time has come.

Every replica does all of this: what another one said already is refused by the log, and counts as
done. So there is no leader, and losing a replica loses nothing.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

import nats.errors
from nats.js import JetStreamContext
from nats.js.errors import Error as JetStreamError
from nats.js.errors import NotFoundError
from prometheus_client import Counter, Histogram

from chassis.cancellation import heed_cancellation
from chassis.clock import Clock
from chassis.log import Entry
from chassis.logs import logger
from chassis.service import Connection
from contracts.campaign import Campaign
from contracts.events import CampaignDefined, CampaignRetired, Due, SlotMissed
from contracts.streams import EVENTS
from contracts.subjects import CAMPAIGNS, SLOTS, campaign_of, slot_of
from scheduler.domain import HORIZON, State, evolve, initial, next_slot, plan_changes, settle

_AT_ONCE = 256
_LONGEST_SLEEP = 30.0
_PAUSE = 1.0

SLOTS_SAID = Counter(
    "fingerpost_scheduler_slots_total",
    "Slots said by this replica (outcome due or the reason why not), or said before by another.",
    ["campaign", "outcome"],
)
LATENESS = Histogram(
    "fingerpost_scheduler_lateness_seconds",
    "Time from a slot's planned instant until the log acknowledged its due event.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5, 60, 600, 7200),
)

log = logger(__name__)


class PlanPendingError(Exception):
    """The log does not say yet what the campaign file says; no slot is emitted meanwhile."""


class Ticker:
    """Emits due events for `plan` at their time, for ever."""

    def __init__(self, plan: Sequence[Campaign], clock: Clock) -> None:
        self._plan = plan
        self._clock = clock
        self._state: State = initial
        self._read_up_to = 0
        self._pending: str | None = "the log is not folded yet"
        self._changed = asyncio.Event()
        self._at_once = asyncio.Semaphore(_AT_ONCE)

    async def run(self, connection: Connection) -> None:
        """Fold the log, apply the plan, then tick."""
        await self._fold(connection)
        await self._apply_plan(connection)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow(connection))
            group.create_task(self._tick(connection))

    async def plan_applied(self) -> None:
        """Check for readiness; raises PlanPendingError, saying why slots are not emitted."""
        if self._pending:
            raise PlanPendingError(self._pending)

    async def _fold(self, connection: Connection) -> None:
        await self._catch_up(connection)
        since = self._clock() - HORIZON
        async for entry in connection.reader.follow(SLOTS, since=since, stop_at_end=True):
            self._state = evolve(self._state, entry.envelope)
        log.info("log folded", campaigns=len(self._state.campaigns), up_to=self._read_up_to)

    async def _catch_up(self, connection: Connection) -> None:
        for entry in await connection.reader.replay((CAMPAIGNS,), after=self._read_up_to):
            self._apply(entry)

    async def _apply_plan(self, connection: Connection) -> None:
        """Say what differs; where another replica was faster, look again at what it said."""
        self._pending = "the plan is not applied yet"
        refusals = 0
        while differing := {change.campaign for change in self._changes()}:
            # The order matters: what comes after `newest` was asked for is refused by the log, and
            # what came before is folded, unless it cannot be read.
            newest = {name: await _newest(connection.js, name) for name in differing}
            await self._catch_up(connection)
            changes = [change for change in self._changes() if change.campaign in newest]
            await self._settle(connection, self._clock(), only=differing)
            for change in changes:
                after = newest[change.campaign]
                await self._change(connection, change, after=after, skipping=refusals)
            await self._catch_up(connection)
            if refused := sorted({change.campaign for change in self._changes()} & differing):
                self._pending = f"the log does not take the plan of {', '.join(refused)}"
                log.warning("the plan was refused; will try again", campaigns=refused)
                refusals += 1
                await asyncio.sleep(_PAUSE)
        self._pending = None

    def _changes(self) -> list[CampaignDefined | CampaignRetired]:
        return plan_changes(self._state, self._plan, self._clock())

    async def _change(
        self,
        connection: Connection,
        change: CampaignDefined | CampaignRetired,
        *,
        after: int,
        skipping: int,
    ) -> None:
        if isinstance(change, CampaignDefined) and skipping:
            # An event that cannot be read may have the id that this revision would have.
            change = change.model_copy(update={"revision": change.revision + skipping})
        scope = campaign_of(change.campaign)
        if await connection.publisher.publish_once(change, over=scope, after=after):
            log.info("campaign changed", campaign=change.campaign, change=change.fact())

    async def _follow(self, connection: Connection) -> None:
        async for entry in connection.reader.follow((CAMPAIGNS,), after=self._read_up_to):
            self._apply(entry)
            self._changed.set()

    def _apply(self, entry: Entry) -> None:
        self._state = evolve(self._state, entry.envelope)
        self._read_up_to = entry.sequence

    async def _tick(self, connection: Connection) -> None:
        while True:
            now = self._clock()
            await self._settle(connection, now)
            # After `now`, not after the present: a slot that came while others were said is due.
            upcoming = next_slot(self._state, now)
            delay = (upcoming - self._clock()).total_seconds() if upcoming else _LONGEST_SLEEP
            # Never long, as the wall clock may jump while we sleep by the monotonic one.
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, min(delay, _LONGEST_SLEEP))):
                    await self._changed.wait()
            self._changed.clear()

    async def _settle(
        self, connection: Connection, now: datetime, only: set[str] | None = None
    ) -> None:
        for campaign, state in list(self._state.campaigns.items()):
            if only is not None and campaign not in only:
                continue
            for slot, events in settle(state, now):
                await asyncio.gather(*(self._say(connection, event) for event in events))
                self._state = self._state.settled(campaign, slot.at)

    async def _say(self, connection: Connection, event: Due | SlotMissed) -> None:
        async with self._at_once:
            new = await connection.publisher.publish_once(event, over=slot_of(event.delivery))
        outcome = event.reason if isinstance(event, SlotMissed) else "due"
        SLOTS_SAID.labels(event.campaign, outcome if new else "said_before").inc()
        if not new:
            return
        if isinstance(event, SlotMissed):
            log.warning("slot missed", **_names(event), reason=event.reason)
        else:
            LATENESS.observe((self._clock() - event.scheduled_for).total_seconds())
            log.info("slot due", **_names(event), variant=event.variant.id, trigger=event.trigger)


async def _newest(js: JetStreamContext, campaign: str) -> int:
    """Return the sequence of the newest event about `campaign`, readable or not; 0 for none."""
    while True:
        heed_cancellation()
        try:
            message = await js.get_last_msg(EVENTS.name, campaign_of(campaign))
        except NotFoundError:
            return 0
        except (JetStreamError, nats.errors.Error, TimeoutError, OSError) as error:
            log.warning("asking the log failed; will repeat", problem=repr(error))
            await asyncio.sleep(_PAUSE)
        else:
            return message.seq or 0


def _names(event: Due | SlotMissed) -> dict[str, str]:
    return {
        "correlation_id": event.delivery,
        "campaign": event.campaign,
        "channel": event.channel,
        "scheduled_for": event.scheduled_for.isoformat(),
    }
