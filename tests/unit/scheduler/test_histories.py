"""Random histories: plans that change, retire and come back while time passes and processes die.

Whatever happened, each slot of each plan is said exactly once in each of its channels, never early.
"""

import random
from datetime import datetime, timedelta
from typing import Any

import pytest

from contracts.campaign import Campaign
from contracts.events import CampaignRetired
from harness.stories import (
    FOUR_HOURS,
    HOURLY,
    MARCH,
    A,
    B,
    C,
    Story,
    decided,
    defined,
    envelope,
    guides,
    slot_of,
)

MINUTE = timedelta(minutes=1)
LONGEST_GAP = timedelta(hours=13)
CRONS = ("*/20 * * * *", "5 */2 * * *", "0 3,9 * * *")


def plan(chance: random.Random) -> Campaign:
    """Return a random plan; about every third has any one peculiarity."""
    every = chance.choice([7 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOURLY, FOUR_HOURS])
    peculiarities: dict[str, Any] = {
        "jitter": chance.choice([every / 3, every]),
        "channel_offset": chance.choice([every / 5, MINUTE]),
        "quiet_hours": ("02:00-05:00",),
        "blackouts": ("2026-03-02",),
        "limit": chance.randint(3, 40),
        "run_now": True,
        "start": MARCH + timedelta(hours=chance.randint(0, 20)),
        "end": MARCH + timedelta(hours=chance.randint(10, 40)),
        "enabled": False,
        "schedule": {"cron": chance.choice(CRONS), "zone": "Europe/Berlin"},
    }
    weights = {"enabled": 0.1, "start": 0.15, "end": 0.15}
    fields = {n: v for n, v in peculiarities.items() if chance.random() < weights.get(n, 0.3)}
    channels = tuple(chance.sample([A, B, C], chance.randint(1, 3)))
    policy = {"policy": chance.choice(["latest", "skip", "all"])}
    return guides(every, channels=channels, catch_up=policy, **fields)


class History:
    """One random history, the same for a seed."""

    def __init__(self, seed: int, *, restarts: bool) -> None:
        self.chance = random.Random(seed)
        self.deaths = random.Random(seed)
        self.restarts = restarts
        self.now = MARCH + timedelta(seconds=self.chance.randint(0, 80_000))
        self.revision = 1
        self.story = Story([envelope(self.now, defined(plan(self.chance)))])

    def play(self) -> Story:
        self.look()
        for _ in range(self.chance.randint(5, 40)):
            self.now += timedelta(seconds=self.chance.choice([1, 30, 300, 900, 3600, 9000]))
            dice = self.chance.random()
            if dice < 0.15:
                self.change()
            elif dice < 0.2:
                retired = decided(CampaignRetired, "00:00")
                self.hear(retired.model_copy(update={"decided_at": self.now}))
            if self.restarts and self.deaths.random() < 0.3:
                self.story.restart()
            self.look()
        for _ in range(30):  # all that still waits comes
            self.now += HOURLY
            self.look()
        return self.story

    def change(self) -> None:
        self.revision += 1
        ordinal = self.story.state.ordinal_after(self.now)
        self.hear(defined(plan(self.chance), self.revision, first_ordinal=ordinal))

    def hear(self, event: Any) -> None:
        self.story.log.append(envelope(self.now, event))
        if self.story.lane:
            self.story.lane.changed(self.story.state)

    def look(self) -> None:
        self.story.when(self.now)
        early = [e for e in self.story.said if _fired(e) > self.now]
        assert early == []


def _fired(event: Any) -> datetime:
    fired: datetime = getattr(event, "planned_at", event.scheduled_for)
    return fired


def planned(story: Story, now: datetime) -> set[tuple[datetime, str]]:
    """Return every slot of every plan in each of its channels, but for those still to come."""
    return {
        (slot.at, channel)
        for era in story.state.eras
        for slot in _until(era, min(now, era.until or now))
        for channel in era.definition.channels
    }


def _until(era: Any, until: datetime) -> list[Any]:
    slots = []
    for slot in era.timetable.slots(era.begin):
        if slot.at > until:
            break
        slots.append(slot)
    return slots


@pytest.mark.parametrize("first_seed", range(0, 200, 20))
def test_every_slot_of_every_plan_is_said_once_whatever_happened(first_seed: int) -> None:
    for seed in range(first_seed, first_seed + 20):
        history = History(seed, restarts=True)
        story = history.play()
        said = [slot_of(event) for event in story.slots]

        assert len(said) == len(set(said)), seed
        assert planned(story, history.now - LONGEST_GAP) - set(said) == set(), seed
        assert set(said) - planned(story, history.now) == set(), seed


@pytest.mark.parametrize("first_seed", range(0, 60, 20))
def test_what_is_said_does_not_depend_on_restarts(first_seed: int) -> None:
    for seed in range(first_seed, first_seed + 20):
        dying = History(seed, restarts=True).play()
        living = History(seed, restarts=False).play()

        assert {e.delivery: e for e in dying.slots} == {e.delivery: e for e in living.slots}, seed
