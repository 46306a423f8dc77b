"""What the scheduler says, as a story: given the log, when it is this late, then this is said.

Times are of the first of March 2026 (`2 04:00`: of the second); channels are A and B.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given as any_of
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from contracts.campaign import Campaign
from contracts.envelope import Envelope
from contracts.events import (
    CampaignDefined,
    CampaignPaused,
    CampaignResumed,
    CampaignRetired,
    CtaClicked,
    Due,
    Event,
    SlotMissed,
)
from contracts.examples import example
from harness.plans import campaign, grid
from scheduler.domain import (
    HORIZON,
    HORIZON_SLOTS,
    State,
    evolve,
    initial,
    next_slot,
    plan_changes,
    settle,
)

A, B = "-1001", "-1002"
LETTERS = {A: "A", B: "B", "-1003": "C"}
MARCH = datetime(2026, 3, 1, tzinfo=UTC)
HOURLY = timedelta(hours=1)
FOUR_HOURS = timedelta(hours=4)


def moment(written: str) -> datetime:
    """Return `04:00`, `04:00:30` or `2 04:00` as a time in March 2026."""
    day, _, clock = written.rpartition(" ")
    time = datetime.strptime(clock, "%H:%M:%S" if clock.count(":") == 2 else "%H:%M")  # noqa: DTZ007
    return MARCH.replace(day=int(day or 1), hour=time.hour, minute=time.minute, second=time.second)


def envelope(at: datetime, event: Event) -> Envelope:
    return Envelope.of(event, source="/test", now=at, cause=None)


def told(event: Due | SlotMissed) -> str:
    """Return what an event says in a few words: `04:00 A due v1`."""
    place = f"{event.scheduled_for:%H:%M} {LETTERS[event.channel]}"
    if isinstance(event, SlotMissed):
        return f"{place} missed: {event.reason}"
    trigger = "" if event.trigger == "schedule" else f" ({event.trigger})"
    return f"{place} due {event.variant.id}{trigger}"


class Story:
    """A log, and the scheduler that folded it."""

    def __init__(self, envelopes: Iterable[Envelope]) -> None:
        self.log = list(envelopes)
        self.said: list[Due | SlotMissed] = []
        self.state = initial
        self.restart()

    def restart(self) -> "Story":
        """Fold the log anew, as a scheduler that was just started does."""
        self.state = initial
        for entry in self.log:
            self.state = evolve(self.state, entry)
        return self

    def hears(self, at: str, event: Event) -> "Story":
        """Add an event to the log while the scheduler runs."""
        self.log.append(envelope(moment(at), event))
        self.state = evolve(self.state, self.log[-1])
        return self

    def when(self, now: str | datetime) -> "Story":
        """Let the scheduler look at the clock; the log takes what it says, each delivery once."""
        at = moment(now) if isinstance(now, str) else now
        self.said = []
        known = {getattr(entry.data, "delivery", None) for entry in self.log}
        for name, state in self.state.campaigns.items():
            for slot, events in settle(state, at):
                self.said += events
                self.state = self.state.settled(name, slot.at)
        self.log += [envelope(at, said) for said in self.said if said.delivery not in known]
        return self

    def then(self, *expected: str) -> "Story":
        """Assert what was said just now."""
        assert [told(event) for event in self.said] == list(expected)
        return self


def given(*facts: tuple[str, Event]) -> Story:
    return Story(envelope(moment(at), event) for at, event in facts)


def defined(plan: Campaign, revision: int = 1) -> CampaignDefined:
    return CampaignDefined(campaign=plan.id, revision=revision, definition=plan)


def decided(kind: type[Any], at: str, **fields: Any) -> Any:
    return kind(campaign="guides", revision=1, actor="owner", decided_at=moment(at), **fields)


def guides(every: timedelta = FOUR_HOURS, **fields: Any) -> Campaign:
    return campaign("guides", every=every, channels=fields.pop("channels", (A,)), **fields)


# --- slots ------------------------------------------------------------------------------------


def test_a_slot_is_due_in_every_channel_at_its_time() -> None:
    given(("00:30", defined(guides(channels=(A, B))))).when("04:00").then(
        "04:00 A due v1", "04:00 B due v1"
    )


def test_nothing_is_said_early() -> None:
    story = given(("00:30", defined(guides())))

    story.when(moment("04:00") - timedelta(microseconds=1)).then()


def test_a_slot_is_said_once() -> None:
    story = given(("00:30", defined(guides())))

    story.when("04:00").then("04:00 A due v1")
    story.when("04:00").then()
    story.when("07:59:59").then()


def test_the_moment_of_the_definition_is_no_slot_yet() -> None:
    given(("04:00", defined(guides()))).when("04:00").then()


def test_slots_lie_on_the_epoch_grid_whenever_the_campaign_was_defined() -> None:
    given(("01:17", defined(guides(timedelta(hours=3))))).when("03:00").then("03:00 A due v2")


def test_the_phase_moves_the_grid() -> None:
    story = given(("00:30", defined(guides(phase=timedelta(hours=2)))))

    story.when("02:00").then("02:00 A due v0")
    story.when("04:00").then()
    story.when("06:00").then("06:00 A due v1")


def test_the_rotation_takes_one_variant_after_the_other() -> None:
    story = given(("00:30", defined(guides())))
    variants = []
    for hour in (4, 8, 12, 16, 20):
        story.when(f"{hour:02}:00")
        variants += [event.variant.id for event in story.said]

    assert variants == ["v1", "v2", "v0", "v1", "v2"]


def test_the_rotation_goes_on_after_a_restart() -> None:
    story = given(("00:30", defined(guides())))

    story.when("04:00").then("04:00 A due v1")
    story.restart().when("08:00")

    assert told(story.said[-1]) == "08:00 A due v2"


def test_a_due_event_says_until_when_it_may_be_posted() -> None:
    [rare] = given(("00:30", defined(guides()))).when("04:00").said
    [often] = given(("00:30", defined(guides(timedelta(minutes=1))))).when("00:31").said

    assert rare.expires_at == moment("06:00")
    assert often.expires_at == moment("00:36")


def test_a_promo_is_due_as_a_promo_with_its_whole_content() -> None:
    plan = guides(kind="promo")

    [due] = given(("00:30", defined(plan))).when("04:00").said

    assert due.type == "fingerpost.promo.due.v1"
    assert due.variant == plan.variants[1]
    assert due.on_uncertain == "drop"


# --- after an outage --------------------------------------------------------------------------


def test_after_an_outage_the_latest_slot_is_posted_and_the_older_ones_are_superseded() -> None:
    plan = guides(HOURLY, catch_up={"window": "3h"})

    given(("00:30", defined(plan))).when("03:20").then(
        "01:00 A missed: superseded",
        "02:00 A missed: superseded",
        "03:00 A due v0 (catchup)",
    )


def test_a_slot_older_than_the_window_is_missed() -> None:
    given(("00:30", defined(guides(HOURLY)))).when("03:31").then(
        "01:00 A missed: catchup_window",
        "02:00 A missed: catchup_window",
        "03:00 A missed: catchup_window",
    )


def test_a_slot_as_old_as_the_window_is_posted() -> None:
    given(("00:30", defined(guides(HOURLY)))).when("01:30").then("01:00 A due v1 (catchup)")


def test_a_plan_may_skip_what_an_outage_missed() -> None:
    story = given(("00:30", defined(guides(HOURLY, catch_up={"policy": "skip"}))))

    story.when("02:20").then("01:00 A missed: skipped", "02:00 A missed: skipped")
    story.when("03:00:10").then("03:00 A due v0")


def test_the_other_channels_of_a_half_said_slot_are_said_after_a_crash() -> None:
    story = given(("00:30", defined(guides(channels=(A, B))))).when("04:00")
    story.log.pop()

    story.restart().when("04:01")

    assert {told(event) for event in story.said} == {
        "04:00 A due v1 (catchup)",
        "04:00 B due v1 (catchup)",
    }
    assert len([entry for entry in story.log if not isinstance(entry.data, CampaignDefined)]) == 2


def test_a_long_outage_is_told_seven_days_back() -> None:
    story = given(("1 00:30", defined(guides(HOURLY)))).when("20 00:30")
    oldest = story.said[0].scheduled_for

    assert timedelta(days=7) == HORIZON
    assert oldest == moment("13 01:00")
    assert len(story.said) == 7 * 24


def test_a_long_outage_of_a_quick_campaign_is_told_a_thousand_slots_back() -> None:
    story = given(("00:00", defined(guides(timedelta(seconds=1))))).when("20 00:00")

    assert len(story.said) == HORIZON_SLOTS == 1_000
    assert story.said[-1].scheduled_for == moment("20 00:00")


# --- pause, resume, retire --------------------------------------------------------------------


def test_a_paused_campaign_says_why_it_does_not_post() -> None:
    story = given(("00:30", defined(guides())), ("03:00", decided(CampaignPaused, "03:00")))

    story.when("04:00").then("04:00 A missed: paused")
    story.hears("07:00", decided(CampaignResumed, "07:00"))
    story.when("08:00").then("08:00 A due v2")


def test_a_pause_with_an_end_ends_by_itself() -> None:
    pause = decided(CampaignPaused, "03:00", until=moment("08:00"))
    story = given(("00:30", defined(guides())), ("03:00", pause))

    story.when("04:00").then("04:00 A missed: paused")
    story.when("08:00").then("08:00 A due v2")


def test_a_retired_campaign_says_nothing() -> None:
    given(("00:30", defined(guides())), ("03:00", decided(CampaignRetired, "03:00"))).when(
        "08:00"
    ).then()


def test_a_campaign_that_comes_back_does_not_tell_the_time_it_was_away() -> None:
    story = given(
        ("00:30", defined(guides(HOURLY))),
        ("03:00", decided(CampaignRetired, "03:00")),
        ("09:30", defined(guides(HOURLY), revision=2)),
    )

    story.when("10:00").then("10:00 A due v1")


# --- changes of a plan ------------------------------------------------------------------------


def test_a_new_channel_gets_no_slot_from_before_it_was_there() -> None:
    story = given(("00:30", defined(guides(catch_up={"window": "4h"})))).hears(
        "05:00", defined(guides(channels=(A, B), catch_up={"window": "4h"}), revision=2)
    )

    story.when("06:00").then("04:00 A due v1 (catchup)")
    story.when("08:00").then("08:00 A due v2", "08:00 B due v2")


def test_a_removed_channel_gets_no_more_slots() -> None:
    story = given(("00:30", defined(guides(channels=(A, B)))))

    story.hears("03:00", defined(guides(channels=(B,)), revision=2)).when("04:00").then(
        "04:00 B due v1"
    )


def test_a_changed_schedule_does_not_fire_the_slots_it_would_have_had() -> None:
    story = given(("00:30", defined(guides()))).when("04:00").then("04:00 A due v1")

    story.hears("06:30", defined(guides(HOURLY), revision=2)).when("07:00").then("07:00 A due v1")


def test_a_changed_text_keeps_the_cursor() -> None:
    story = given(("00:30", defined(guides(catch_up={"window": "4h"}))))
    story.hears("05:00", defined(guides(title="New", catch_up={"window": "4h"}), revision=2))

    story.when("05:01").then("04:00 A due v1 (catchup)")
    assert story.said[0].revision == 2


def test_events_of_other_services_and_unknown_campaigns_change_nothing() -> None:
    state = given(("00:30", defined(guides()))).state
    stranger = example(SlotMissed, campaign="stranger")

    for event in (example(CtaClicked), stranger, example(CampaignPaused, campaign="stranger")):
        assert evolve(state, envelope(moment("05:00"), event)) == state


# --- the file against the log -----------------------------------------------------------------


def changes(state: State, *plan: Campaign) -> list[tuple[str, str, int]]:
    found = plan_changes(state, plan, moment("12:00"))
    return [(type(change).__name__, change.campaign, change.revision) for change in found]


def test_a_new_campaign_is_defined_as_revision_one() -> None:
    assert changes(initial, guides()) == [("CampaignDefined", "guides", 1)]


def test_a_plan_that_stands_in_the_log_changes_nothing() -> None:
    said = envelope(moment("00:30"), defined(guides()))
    state = evolve(initial, Envelope.parse(said.document()))

    assert changes(state, guides()) == []


def test_a_changed_campaign_gets_the_next_revision() -> None:
    state = given(("00:30", defined(guides(), revision=4))).state

    assert changes(state, guides(title="New")) == [("CampaignDefined", "guides", 5)]


def test_a_campaign_that_left_the_file_is_retired_once() -> None:
    story = given(("00:30", defined(guides())))
    other = campaign("other", every=HOURLY)

    assert changes(story.state, other) == [
        ("CampaignDefined", "other", 1),
        ("CampaignRetired", "guides", 1),
    ]
    assert changes(story.hears("03:00", decided(CampaignRetired, "03:00")).state) == []


def test_a_retired_campaign_that_comes_back_gets_the_next_revision() -> None:
    story = given(("00:30", defined(guides())), ("03:00", decided(CampaignRetired, "03:00")))

    assert changes(story.state, guides()) == [("CampaignDefined", "guides", 2)]


# --- what holds for every schedule and every way in which time may pass ------------------------

everys = st.sampled_from([1, 7, 60, 90, 3600, 14_400, 86_400]).map(lambda s: timedelta(seconds=s))
begins = st.integers(0, 10**6).map(lambda seconds: MARCH + timedelta(seconds=seconds))
waits = st.lists(st.floats(0, 12), min_size=1, max_size=8)


@st.composite
def stories(draw: st.DrawFn) -> tuple[Story, timedelta, timedelta, datetime, list[datetime]]:
    """Return a fresh scheduler, its grid, its begin, and the moments at which it looks."""
    every = draw(everys)
    phase = timedelta(seconds=draw(st.integers(0, int(every.total_seconds()) - 1)))
    policy = {"policy": draw(st.sampled_from(["latest", "skip"]))}
    plan = guides(every, phase=phase, channels=(A, B), catch_up=policy)
    begun = draw(begins)
    looks, now = [], begun
    for wait in draw(waits):
        now += every * wait
        looks.append(now)
    # Shorter than the horizon: nothing may be forgotten.
    looks = [look for look in looks if look - begun < HORIZON] or [begun + every]
    return Story([envelope(begun, defined(plan))]), every, phase, begun, looks


@hypothesis_settings(max_examples=40, deadline=None)
@any_of(story=stories(), restarts=st.sets(st.integers(0, 7)))
def test_every_slot_of_every_channel_is_said_exactly_once_and_never_early(
    story: tuple[Story, timedelta, timedelta, datetime, list[datetime]], restarts: set[int]
) -> None:
    scheduler, every, phase, begun, looks = story

    for number, look in enumerate(looks):
        if number in restarts:
            scheduler.restart()
        scheduler.when(look)
        assert all(event.scheduled_for <= look for event in scheduler.said)

    said = [entry.data for entry in scheduler.log[1:]]
    assert sorted((event.scheduled_for, event.channel) for event in said) == [
        (slot, channel) for slot in grid(every, begun, looks[-1], phase) for channel in (A, B)
    ]
    assert len({event.delivery for event in said}) == len(said)


@hypothesis_settings(max_examples=40, deadline=None)
@any_of(every=everys, begun=begins, wait=st.floats(0, 100))
def test_the_next_slot_is_the_first_moment_at_which_there_is_something_to_say(
    every: timedelta, begun: datetime, wait: float
) -> None:
    story = Story([envelope(begun, defined(guides(every)))])
    now = begun + every * wait
    story.when(now)

    upcoming = next_slot(story.state, now)

    assert upcoming is not None
    assert now < upcoming <= now + every
    assert story.when(upcoming - timedelta(microseconds=1)).said == []
    assert [told(event)[-2:] for event in story.when(upcoming).said] in (["v0"], ["v1"], ["v2"])


@any_of(begun=begins, late=st.lists(st.floats(0, 9), min_size=2, max_size=5))
def test_every_replica_makes_the_same_deliveries_with_the_same_content(
    begun: datetime, late: list[float]
) -> None:
    [slot, *_] = grid(HOURLY, begun, begun + HOURLY)
    replicas = [Story([envelope(begun, defined(guides(HOURLY)))]) for _ in late]
    for replica, seconds in zip(replicas, late, strict=True):
        replica.when(slot + timedelta(seconds=seconds))

    assert len(replicas[0].said) == 1
    assert all(replica.said == replicas[0].said for replica in replicas)


def test_without_campaigns_there_is_no_next_slot() -> None:
    retired = given(("00:30", defined(guides())), ("03:00", decided(CampaignRetired, "03:00")))

    assert next_slot(initial, moment("04:00")) is None
    assert next_slot(retired.state, moment("04:00")) is None


@pytest.mark.parametrize("variants", [1, 2, 3, 5])
def test_every_variant_gets_its_turn(variants: int) -> None:
    story = given(("00:30", defined(guides(HOURLY, variants=variants))))
    shown = []
    for hour in range(1, variants + 1):
        shown += [event.variant.id for event in story.when(f"{hour:02}:00").said]

    assert sorted(shown) == [f"v{number}" for number in range(variants)]
