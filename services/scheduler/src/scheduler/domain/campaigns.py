"""What the log says about each campaign: its definitions in their order, pauses and requests."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from contracts.campaign import Campaign
from contracts.envelope import Envelope
from contracts.events import (
    CampaignBackfilled,
    CampaignDefined,
    CampaignPaused,
    CampaignResumed,
    CampaignRetired,
    CampaignTriggered,
)
from scheduler.domain.timetable import Timetable

HORIZON = timedelta(days=7)
"""How far back slots are settled: a longer outage is not told slot by slot."""

Request = CampaignTriggered | CampaignBackfilled


@dataclass(frozen=True)
class Era:
    """The time in which one definition planned the slots: those after `since`, up to `until`."""

    definition: Campaign
    since: datetime
    timetable: Timetable = field(compare=False, repr=False)
    until: datetime | None = None
    retired: bool = False

    @property
    def begin(self) -> datetime:
        """All its slots are later than this."""
        return self.timetable.begin

    def ended(self, now: datetime) -> datetime:
        """Return until when its slots count, `now` at most."""
        return min(now, self.until or now)


@dataclass(frozen=True)
class Pause:
    """No slot is fired from `since` on, until `until` (None: until it is resumed)."""

    since: datetime
    until: datetime | None
    note: str
    actor: str

    def covers(self, moment: datetime) -> bool:
        """Whether nothing is fired at `moment`."""
        return self.since <= moment and self.open(moment)

    def open(self, moment: datetime) -> bool:
        """Whether it does not end before `moment`."""
        return self.until is None or moment < self.until


@dataclass(frozen=True)
class CampaignState:
    """One campaign as the log tells it; of the past it knows what `HORIZON` needs."""

    revision: int
    eras: tuple[Era, ...]
    pauses: tuple[Pause, ...] = ()
    requests: tuple[Request, ...] = ()

    @property
    def definition(self) -> Campaign:
        """The plan that counts now."""
        return self.eras[-1].definition

    @property
    def retired(self) -> bool:
        """Whether the campaign left the plan."""
        return self.eras[-1].retired

    def pause(self, moment: datetime) -> Pause | None:
        """Return the pause that covers `moment`."""
        return next((pause for pause in self.pauses if pause.covers(moment)), None)

    def era_at(self, moment: datetime) -> Era:
        """Return the era whose plan counted at `moment`, the oldest where that is forgotten."""
        begun = [era for era in self.eras if era.since <= moment]
        return begun[-1] if begun else self.eras[0]

    def ordinal_after(self, moment: datetime) -> int:
        """Return the number of the first slot after `moment`."""
        era = self.era_at(moment)
        return era.timetable.ordinal_after(era.ended(moment))


def evolve(
    known: CampaignState | None, envelope: Envelope, stored_at: datetime
) -> CampaignState | None:
    """Fold one event about the campaign; what is said before it was defined changes nothing.

    `stored_at` is the log's own time of the event. A plan takes effect no earlier than that,
    whatever clock its writer had: what other replicas fired until then was of the plan before.
    """
    match envelope.data:
        case CampaignDefined() as event:
            return _defined(known, event, max(event.effective_at or stored_at, stored_at))
        case (
            CampaignPaused()
            | CampaignResumed()
            | CampaignRetired()
            | CampaignTriggered()
            | CampaignBackfilled()
        ) as event if known:
            return _decided(known, event)
        case _:
            return known


def _defined(known: CampaignState | None, event: CampaignDefined, since: datetime) -> CampaignState:
    if known is None:
        return CampaignState(event.revision, (_era(event, since, run_now=True),))
    before = known.eras[-1]
    # An era never ends before it began.
    since = max(since, before.since, before.until or since)
    closed = replace(before, until=before.until or since)
    kept = _pruned(known, since)
    eras = (*kept.eras[:-1], closed, _era(event, since))
    return replace(kept, revision=event.revision, eras=eras)


def _era(event: CampaignDefined, since: datetime, *, run_now: bool = False) -> Era:
    plan = event.definition
    timetable = Timetable(
        plan, since, first_ordinal=event.first_ordinal, run_now=run_now and plan.run_now
    )
    return Era(plan, since, timetable)


def _decided(
    known: CampaignState, event: CampaignPaused | CampaignResumed | CampaignRetired | Request
) -> CampaignState:
    at = event.decided_at
    known = _pruned(known, at)
    match event:
        case CampaignPaused():
            pause = Pause(at, event.until, event.note, event.actor)
            return replace(known, pauses=(*_ended(known.pauses, at), pause))
        case CampaignResumed():
            # All that were said before, also by a clock that is ahead of this one's.
            ended = (replace(p, until=max(at, p.since)) if p.open(at) else p for p in known.pauses)
            return replace(known, pauses=tuple(ended))
        case CampaignRetired():
            era = known.eras[-1]
            closed = replace(era, until=era.until or max(at, era.since), retired=True)
            return replace(known, eras=(*known.eras[:-1], closed), pauses=_ended(known.pauses, at))
        case _:
            return replace(known, requests=(*known.requests, event))


def _ended(pauses: tuple[Pause, ...], now: datetime) -> tuple[Pause, ...]:
    return tuple(replace(pause, until=now) if pause.covers(now) else pause for pause in pauses)


def _pruned(known: CampaignState, now: datetime) -> CampaignState:
    """Forget what no slot within the horizon asks for."""
    oldest = now - HORIZON
    return replace(
        known,
        eras=(*(e for e in known.eras[:-1] if e.until and e.until > oldest), known.eras[-1]),
        pauses=tuple(p for p in known.pauses if p.until is None or p.until > oldest),
        requests=tuple(r for r in known.requests if r.decided_at > oldest),
    )
