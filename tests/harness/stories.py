"""What the scheduler says, as a story: given the log, when it is this late, then this is said.

Times are of March 2026, of the first unless a day is written (`2 04:00`); channels are A, B, C.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from contracts.campaign import Campaign
from contracts.envelope import Envelope
from contracts.events import CampaignDefined, Due, Event, SlotMissed
from harness.plans import campaign
from scheduler.domain.campaigns import CampaignState, evolve
from scheduler.domain.requests import answer
from scheduler.domain.slots import events, first_delivery, first_fired, recent, settle
from scheduler.domain.timetable import INSTANT
from scheduler.lanes import Lane

A, B, C = "-1001", "-1002", "-1003"
LETTERS = {A: "A", B: "B", C: "C"}
MARCH = datetime(2026, 3, 1, tzinfo=UTC)
HOURLY = timedelta(hours=1)
FOUR_HOURS = timedelta(hours=4)
Said = Due | SlotMissed


def moment(written: str) -> datetime:
    """Return `04:00`, `04:00:30` or `2 04:00` as a time in March 2026."""
    day, _, clock = written.rpartition(" ")
    time = datetime.strptime(clock, "%H:%M:%S" if clock.count(":") == 2 else "%H:%M")  # noqa: DTZ007
    return MARCH.replace(day=int(day or 1), hour=time.hour, minute=time.minute, second=time.second)


def envelope(at: datetime, event: Event) -> Envelope:
    """Return `event` as the log has it."""
    return Envelope.of(event, source="/test", now=at, cause=None)


def told(event: Said) -> str:
    """Return what an event says in a few words: `04:00 A due v1`."""
    place = f"{event.scheduled_for:%H:%M} {LETTERS[event.channel]}"
    if isinstance(event, SlotMissed):
        return f"{place} missed: {event.reason}"
    trigger = "" if event.trigger == "schedule" else f" ({event.trigger})"
    return f"{place} due {event.variant.id}{trigger}"


def slot_of(event: Said) -> tuple[datetime, str]:
    """Return where an event belongs: its slot and its channel."""
    return event.scheduled_for, event.channel


class Story:
    """A log about one campaign, and the scheduler that folded it."""

    def __init__(self, envelopes: Iterable[Envelope]) -> None:
        self.log = list(envelopes)
        self.said: list[Said] = []
        self.lane: Lane | None = None

    @property
    def state(self) -> CampaignState:
        """The campaign as the log tells it."""
        state = None
        for entry in self.log:
            state = evolve(state, entry, entry.time)
        assert state is not None
        return state

    @property
    def slots(self) -> list[Said]:
        """What the log says about slots."""
        return [e.data for e in self.log if isinstance(e.data, Due | SlotMissed)]

    def restart(self) -> "Story":
        """Forget everything but the log."""
        self.lane = None
        return self

    def hears(self, at: str, event: Event) -> "Story":
        """Add an event to the log while the scheduler runs."""
        self.log.append(envelope(moment(at), event))
        if self.lane:
            self.lane.changed(self.state)
        return self

    def when(self, now: str | datetime) -> "Story":
        """Let the scheduler look at the clock; the log takes what it says, each delivery once."""
        at = moment(now) if isinstance(now, str) else now
        lane = self.lane = self.lane or self._recovered(at)
        self.said = []
        for verdict in settle(lane.state, lane.passed(at), at):
            self._say(at, events(lane.state, verdict))
            lane.settle(verdict.batch)
        for request in lane.requests():
            self._say(at, answer(lane.state, request, at))
        return self

    def then(self, *expected: str) -> "Story":
        """Assert what the log took just now."""
        assert [told(event) for event in self.said] == list(expected)
        return self

    def _say(self, now: datetime, said: Iterable[Said]) -> None:
        missed = {e.delivery for e in self.slots if isinstance(e, SlotMissed)}
        due = {e.delivery for e in self.slots if isinstance(e, Due)}
        for event in said:
            again = isinstance(event, Due) and event.trigger == "backfill"
            if event.delivery in due or (event.delivery in missed and not again):
                continue
            (due if isinstance(event, Due) else missed).add(event.delivery)
            self.log.append(envelope(now, event))
            self.said.append(event)

    def _recovered(self, now: datetime) -> Lane:
        """Find in the log how far the campaign is settled, looking at one slot after the other."""
        lane = Lane(self.state)
        said = {event.delivery: event for event in self.slots}
        for slot in reversed(recent(lane.state, now)):
            if event := said.get(first_delivery(slot)):
                slot[0].timetable.know(slot[1], event.ordinal)
                lane.recover(first_fired(*slot) - INSTANT)
                break
        return lane


def given(*facts: tuple[str, Event]) -> Story:
    """Begin a story with what the log says."""
    return Story(envelope(moment(at), event) for at, event in facts)


def defined(plan: Campaign, revision: int = 1, **fields: Any) -> CampaignDefined:
    """Return the definition of a plan."""
    return CampaignDefined(campaign=plan.id, revision=revision, definition=plan, **fields)


def decided(kind: type[Any], at: str, **fields: Any) -> Any:
    """Return a decision about the campaign of `guides`."""
    return kind(campaign="guides", revision=1, actor="owner", decided_at=moment(at), **fields)


def guides(every: timedelta = FOUR_HOURS, **fields: Any) -> Campaign:
    """Return a campaign in channel A with variants v0, v1, v2, every four hours."""
    return campaign("guides", every=every, channels=fields.pop("channels", (A,)), **fields)
