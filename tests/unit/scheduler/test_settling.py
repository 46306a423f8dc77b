"""What is said about each slot: due or missed and why, on time, after an outage, in a pause."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given as any_of
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from contracts.campaign import Expire
from contracts.events import (
    CampaignPaused,
    CampaignResumed,
    CampaignRetired,
    CtaClicked,
    Due,
    Event,
)
from contracts.examples import example
from harness.plans import grid
from harness.stories import (
    FOUR_HOURS,
    HOURLY,
    MARCH,
    A,
    B,
    Story,
    decided,
    defined,
    envelope,
    given,
    guides,
    moment,
    slot_of,
    told,
)
from scheduler.domain.campaigns import HORIZON, evolve
from scheduler.domain.slots import HORIZON_SLOTS

HALF_A_DAY = timedelta(hours=12)
MINUTE = timedelta(minutes=1)
INSTANT = timedelta(microseconds=1)

# --- slots ------------------------------------------------------------------------------------


def test_a_slot_is_due_in_every_channel_at_its_time() -> None:
    given(("00:30", defined(guides(channels=(A, B))))).when("04:00").then(
        "04:00 A due v0", "04:00 B due v0"
    )


def test_nothing_is_said_early() -> None:
    story = given(("00:30", defined(guides())))

    story.when(moment("04:00") - INSTANT).then()


def test_a_slot_is_said_once() -> None:
    story = given(("00:30", defined(guides())))

    story.when("04:00").then("04:00 A due v0")
    story.when("04:00").then()
    story.when("07:59:59").then()


def test_a_due_event_says_how_the_sender_is_to_go_about_it() -> None:
    expire = Expire(after=timedelta(hours=24), action="edit", text="Over.")
    plan = guides(bot="second", expire=expire, delete_previous=True, on_uncertain="resend")

    planned = given(("00:30", defined(plan))).when("04:00").said
    plain = given(("00:30", defined(guides()))).when("04:00").said

    assert [how(event) for event in planned] == [("second", expire, True, "resend")]
    assert [how(event) for event in plain] == [("main", None, False, "hold")]


def how(event: Event) -> tuple[Any, ...]:
    assert isinstance(event, Due)
    return event.bot, event.expire, event.delete_previous, event.on_uncertain


def test_the_moment_of_the_definition_is_no_slot_yet() -> None:
    given(("04:00", defined(guides()))).when("04:00").then()


def test_slots_lie_on_the_epoch_grid_whenever_the_campaign_was_defined() -> None:
    given(("01:17", defined(guides(timedelta(hours=3))))).when("03:00").then("03:00 A due v0")


def test_the_phase_moves_the_grid() -> None:
    story = given(("00:30", defined(guides(phase=timedelta(hours=2)))))

    story.when("02:00").then("02:00 A due v0")
    story.when("04:00").then()
    story.when("06:00").then("06:00 A due v1")


def test_a_cron_schedule_is_due_at_its_wall_time() -> None:
    plan = guides(schedule={"cron": "30 9 * * *"}, zone="Europe/Berlin")
    story = given(("00:30", defined(plan)))

    story.when("08:29:59").then()
    story.when("08:30").then("08:30 A due v0")
    story.when("2 08:30").then("08:30 A due v1")


def test_of_several_schedules_each_has_its_slots_and_one_they_share_counts_once() -> None:
    plan = guides(schedules=[{"cron": "0 4 * * *"}, {"every": HOURLY * 2}], channels=(A,))
    story = given(("00:30", defined(plan)))

    for hour, variant in ((2, "v0"), (4, "v1"), (6, "v2")):
        story.when(f"{hour:02}:00").then(f"{hour:02}:00 A due {variant}")


def test_the_rotation_begins_with_the_first_variant_and_takes_one_after_the_other() -> None:
    story = given(("00:30", defined(guides())))
    variants = []
    for hour in (4, 8, 12, 16, 20):
        story.when(f"{hour:02}:00")
        variants += [told(event)[-2:] for event in story.said]

    assert variants == ["v0", "v1", "v2", "v0", "v1"]


def test_the_rotation_goes_on_after_a_restart() -> None:
    story = given(("00:30", defined(guides())))

    story.when("04:00").then("04:00 A due v0")
    story.restart().when("08:00").then("08:00 A due v1")


def test_a_due_event_says_until_when_it_may_be_posted() -> None:
    [rare] = given(("00:30", defined(guides()))).when("04:00").said
    [often] = given(("00:30", defined(guides(MINUTE)))).when("00:31").said

    assert rare.expires_at == moment("06:00")  # type: ignore[union-attr]
    assert often.expires_at == moment("00:36")  # type: ignore[union-attr]


def test_the_window_of_a_cron_schedule_is_half_of_the_time_to_its_next_slot() -> None:
    plan = guides(schedule={"cron": "0 4,5 * * *"})
    story = given(("00:30", defined(plan)))

    assert story.when("04:00").said[0].expires_at == moment("04:30")  # type: ignore[union-attr]
    assert story.when("05:00").said[0].expires_at == moment("07:00")  # type: ignore[union-attr]


def test_a_promo_is_due_as_a_promo_with_its_whole_content() -> None:
    plan = guides(kind="promo")

    [due] = given(("00:30", defined(plan))).when("04:00").said

    assert due.type == "fingerpost.promo.due.v1"
    assert due.variant == plan.variants[0]  # type: ignore[union-attr]
    assert due.on_uncertain == "drop"  # type: ignore[union-attr]


# --- from when, until when, how often ---------------------------------------------------------


def test_start_and_end_are_slots_of_the_campaign() -> None:
    plan = guides(start=moment("08:00"), end=moment("12:00"))
    story = given(("00:30", defined(plan)))

    story.when("04:00").then()
    story.when("08:00").then("08:00 A due v0")
    story.when("12:00").then("12:00 A due v1")
    story.when("16:00").then()


def test_after_its_limit_a_campaign_has_no_slots() -> None:
    story = given(("00:30", defined(guides(limit=2, channels=(A, B)))))

    story.when("04:00").then("04:00 A due v0", "04:00 B due v0")
    story.restart().when("08:00").then("08:00 A due v1", "08:00 B due v1")
    story.restart().when("12:00").then()


def test_a_raised_limit_goes_on_counting() -> None:
    story = given(("00:30", defined(guides(limit=1)))).when("04:00").then("04:00 A due v0")

    story.hears("05:00", defined(guides(limit=2), 2, first_ordinal=1))
    story.when("08:00").then("08:00 A due v1")
    story.when("12:00").then()


def test_a_campaign_may_begin_at_once() -> None:
    story = given(("00:30", defined(guides(run_now=True))))

    story.when("00:30").then("00:30 A due v0")
    story.restart().when("04:00").then("04:00 A due v1")


def test_a_new_revision_does_not_begin_at_once_again() -> None:
    story = given(("00:30", defined(guides(run_now=True)))).when("00:30")

    story.hears("01:00", defined(guides(run_now=True, title="New"), 2, first_ordinal=1))
    story.when("01:00").then()
    story.restart().when("04:00").then("04:00 A due v1")


def test_a_disabled_campaign_has_no_slots() -> None:
    given(("00:30", defined(guides(enabled=False)))).when("08:00").then()


# --- hours and days without posts -------------------------------------------------------------


def test_in_quiet_hours_a_slot_is_left_out_and_the_rotation_waits() -> None:
    plan = guides(quiet_hours=["22:00-05:00"], zone="Europe/Berlin")  # 21:00-04:00 UTC
    story = given(("00:30", defined(plan)))

    story.when("04:00").then("04:00 A due v0")
    story.when("20:00").said.clear()
    story.when("2 00:00").then("00:00 A missed: quiet_hours")
    story.when("2 04:00").then("04:00 A due v2")


def test_a_variant_is_not_starved_by_quiet_hours() -> None:
    plan = guides(quiet_hours=["00:00-10:00"], variants=6)
    story = given(("00:30", defined(plan)))
    shown = set()
    for day in (1, 2, 3):
        for hour in range(1, 24):
            story.when(f"{day} {hour:02}:00")
            shown |= {told(event)[-2:] for event in story.said if "due" in told(event)}

    assert shown == {f"v{number}" for number in range(6)}


def test_on_a_blackout_date_a_slot_is_left_out() -> None:
    plan = guides(blackouts=["2026-03-02..2026-03-03", "2026-03-05"], zone="Asia/Tokyo")
    story = given(("1 05:00", defined(plan, effective_at=moment("1 05:00"))))

    story.when("1 12:00").said.clear()
    story.when("1 16:00").then("16:00 A missed: blackout")  # the second of March in Tokyo
    story.when("3 12:00").said.clear()
    story.when("3 16:00").then("16:00 A due v2")


def test_what_an_outage_missed_is_not_posted_in_quiet_hours() -> None:
    plan = guides(HOURLY, quiet_hours=["03:10-06:00"], catch_up={"window": "2h"})

    given(("00:30", defined(plan))).when("03:20").then(
        "01:00 A missed: quiet_hours",
        "02:00 A missed: quiet_hours",
        "03:00 A missed: quiet_hours",
    )


# --- jitter and the offset of channels --------------------------------------------------------


def test_jitter_delays_a_slot_by_the_same_for_whoever_asks() -> None:
    plan = guides(HOURLY, jitter=MINUTE * 10)
    delays = set()
    for hour in range(1, 9):
        stories = [given(("00:30", defined(plan))) for _ in range(2)]
        said = [story.when(f"{hour:02}:15").said[-1] for story in stories]
        assert said[0] == said[1]
        delays.add(said[0].planned_at - said[0].scheduled_for)  # type: ignore[union-attr]

    assert len(delays) == 8
    assert all(timedelta(0) <= delay < MINUTE * 10 for delay in delays)


def test_a_delayed_slot_is_due_at_its_delayed_time_and_not_before() -> None:
    story = given(("00:30", defined(guides(jitter=MINUTE * 30))))
    [due] = given(("00:30", defined(guides(jitter=MINUTE * 30)))).when("04:30").said
    at = due.planned_at  # type: ignore[union-attr]

    assert at > moment("04:00")
    story.when(at - INSTANT).then()
    story.when(at).then("04:00 A due v0")
    assert story.said[0].expires_at == at + HOURLY * 2  # type: ignore[union-attr]


def test_channels_are_fired_one_after_the_other() -> None:
    story = given(("00:30", defined(guides(channels=(A, B), channel_offset=MINUTE))))

    story.when("04:00").then("04:00 A due v0")
    story.restart().when("04:00:59").then()
    story.restart().when("04:01").then("04:00 B due v0")


def test_delays_end_before_the_next_slot_comes() -> None:
    plan = guides(MINUTE * 10, channels=(A, B), jitter=HOURLY, channel_offset=HOURLY)
    story = given(("00:30", defined(plan)))

    for minute in range(40, 60, 10):
        story.when(moment(f"00:{minute}") + MINUTE * 10 - INSTANT)
        assert {slot_of(event) for event in story.said} == {
            (moment(f"00:{minute}"), channel) for channel in (A, B)
        }


# --- after an outage --------------------------------------------------------------------------


def test_after_an_outage_the_latest_slot_is_posted_and_the_older_ones_are_superseded() -> None:
    plan = guides(HOURLY, catch_up={"window": "3h"})

    given(("00:30", defined(plan))).when("03:20").then(
        "01:00 A missed: superseded",
        "02:00 A missed: superseded",
        "03:00 A due v2 (catchup)",
    )


def test_a_slot_older_than_the_window_is_missed() -> None:
    given(("00:30", defined(guides(HOURLY)))).when("03:31").then(
        "01:00 A missed: catchup_window",
        "02:00 A missed: catchup_window",
        "03:00 A missed: catchup_window",
    )


def test_a_slot_as_old_as_the_window_is_posted() -> None:
    given(("00:30", defined(guides(HOURLY)))).when("01:30").then("01:00 A due v0 (catchup)")


def test_a_plan_may_skip_what_an_outage_missed() -> None:
    story = given(("00:30", defined(guides(HOURLY, catch_up={"policy": "skip"}))))

    story.when("02:20").then("01:00 A missed: skipped", "02:00 A missed: skipped")
    story.when("03:00:10").then("03:00 A due v2")


def test_a_plan_may_post_all_within_the_window_but_so_many_at_most() -> None:
    catch_up = {"policy": "all", "max": 2, "window": "3h"}

    given(("00:30", defined(guides(HOURLY, catch_up=catch_up)))).when("05:20").then(
        "01:00 A missed: catchup_window",
        "02:00 A missed: catchup_window",
        "03:00 A missed: limit",
        "04:00 A due v0 (catchup)",
        "05:00 A due v1 (catchup)",
    )


def test_a_slot_in_quiet_hours_supersedes_nothing() -> None:
    plan = guides(HOURLY, quiet_hours=["02:00-02:30"], catch_up={"window": "3h"})

    given(("00:30", defined(plan))).when("02:40").then(
        "01:00 A due v0 (catchup)", "02:00 A missed: quiet_hours"
    )


def test_after_a_short_stall_the_latest_slot_counts_as_on_time() -> None:
    story = given(("00:00", defined(guides(timedelta(seconds=2)))))

    story.when("00:00:07").then(
        "00:00 A missed: catchup_window",
        "00:00 A missed: catchup_window",
        "00:00 A due v2",
    )


def test_the_other_channels_of_a_half_said_slot_are_said_after_a_crash() -> None:
    story = given(("00:30", defined(guides(channels=(A, B))))).when("04:00")
    story.log.pop()

    story.restart().when("04:01").then("04:00 B due v0 (catchup)")


def test_a_long_outage_is_told_seven_days_back() -> None:
    story = given(("1 00:30", defined(guides(HOURLY)))).when("20 00:30")

    assert timedelta(days=7) == HORIZON
    assert story.said[0].scheduled_for == moment("13 01:00")
    assert len(story.said) == 7 * 24


def test_a_long_outage_of_a_quick_campaign_is_told_a_thousand_slots_back() -> None:
    story = given(("00:00", defined(guides(timedelta(seconds=1))))).when("20 00:00")

    assert len(story.said) == HORIZON_SLOTS == 1_000
    assert story.said[-1].scheduled_for == moment("20 00:00")


def test_a_process_that_was_frozen_for_long_tells_no_more_than_one_that_starts() -> None:
    story = given(("00:00", defined(guides(timedelta(seconds=1))))).when("00:00:01")

    story.when("20 00:00")

    assert len(story.said) == HORIZON_SLOTS


def test_the_rotation_counts_what_a_long_outage_left_untold() -> None:
    story = given(("1 00:00", defined(guides(HOURLY)))).when("1 01:00").then("01:00 A due v0")

    story.restart().when("20 00:00")

    assert story.said[-1].ordinal == 19 * 24 - 1


# --- pause, resume, retire --------------------------------------------------------------------


def test_a_paused_campaign_says_why_it_does_not_post() -> None:
    story = given(("00:30", defined(guides())), ("03:00", decided(CampaignPaused, "03:00")))

    story.when("04:00").then("04:00 A missed: paused")
    story.hears("07:00", decided(CampaignResumed, "07:00"))
    story.when("08:00").then("08:00 A due v1")


def test_a_pause_with_an_end_ends_by_itself() -> None:
    pause = decided(CampaignPaused, "03:00", until=moment("08:00"))
    story = given(("00:30", defined(guides())), ("03:00", pause))

    story.when("04:00").then("04:00 A missed: paused")
    story.when("08:00").then("08:00 A due v1")


def test_a_pause_that_passed_while_nothing_ran_is_told_as_a_pause() -> None:
    story = given(
        ("00:30", defined(guides(HOURLY, catch_up={"window": "12h"}))),
        ("01:30", decided(CampaignPaused, "01:30")),
        ("03:30", decided(CampaignResumed, "03:30")),
    )

    story.when("04:10").then(
        "01:00 A missed: superseded",
        "02:00 A missed: paused",
        "03:00 A missed: paused",
        "04:00 A due v0 (catchup)",
    )


def test_a_slot_from_before_a_pause_is_not_posted_during_it() -> None:
    pause = ("01:20", decided(CampaignPaused, "01:20"))

    given(("00:30", defined(guides(HOURLY))), pause).when("01:25").then("01:00 A missed: paused")


def test_a_pause_holds_a_slot_that_its_jitter_delays_into_it() -> None:
    plan = guides(jitter=HOURLY)
    at = given(("00:30", defined(plan))).when("05:00").said[0].planned_at  # type: ignore[union-attr]
    story = given(("00:30", defined(plan))).when("04:00").then()

    story.log.append(
        envelope(at, decided(CampaignPaused, "04:00").model_copy(update={"decided_at": at}))
    )
    story.restart().when(at).then("04:00 A missed: paused")


def test_a_retired_campaign_says_nothing() -> None:
    given(("00:30", defined(guides())), ("03:00", decided(CampaignRetired, "03:00"))).when(
        "08:00"
    ).then()


def test_a_slot_that_waits_for_its_jitter_when_the_campaign_retires_is_told() -> None:
    story = given(("00:30", defined(guides(jitter=HOURLY)))).when("04:00").then()

    story.hears("04:00:01", decided(CampaignRetired, "04:00:01"))
    story.when("05:00").then("04:00 A missed: retired")


def test_a_campaign_that_comes_back_does_not_tell_the_time_it_was_away() -> None:
    story = given(
        ("00:30", defined(guides(FOUR_HOURS))),
        ("03:00", decided(CampaignRetired, "03:00")),
        ("09:30", defined(guides(FOUR_HOURS), revision=2)),
    )

    story.when("12:00").then("12:00 A due v0")


@pytest.mark.parametrize(
    "event", [example(CtaClicked), example(CampaignPaused, campaign="stranger")]
)
def test_what_is_said_before_the_definition_changes_nothing(event: Event) -> None:
    assert evolve(None, envelope(moment("05:00"), event), moment("05:00")) is None


# --- what holds for every schedule and every way in which time may pass ------------------------

everys = st.sampled_from([1, 7, 60, 90, 3600, 14_400, 86_400]).map(lambda s: timedelta(seconds=s))
begins = st.integers(0, 10**6).map(lambda seconds: MARCH + timedelta(seconds=seconds))
waits = st.lists(st.floats(0, 12), min_size=1, max_size=8)
Drawn = tuple[Story, timedelta, timedelta, datetime, list[datetime]]


@st.composite
def stories(draw: st.DrawFn) -> Drawn:
    """Return a fresh scheduler, its grid, its begin, and the moments at which it looks."""
    every = draw(everys)
    phase = timedelta(seconds=draw(st.integers(0, int(every.total_seconds()) - 1)))
    fields: dict[str, Any] = {
        "catch_up": {"policy": draw(st.sampled_from(["latest", "skip", "all"]))},
        "jitter": draw(st.sampled_from([timedelta(0), every / 3, min(every * 2, HALF_A_DAY)])),
        "channel_offset": draw(st.sampled_from([timedelta(0), every / 5, min(every, HALF_A_DAY)])),
        "quiet_hours": draw(st.sampled_from([(), ("20:00-06:00",)])),
        "run_now": False,
    }
    plan = guides(every, phase=phase, channels=(A, B), **fields)
    begun = draw(begins)
    looks, now = [], begun
    for wait in draw(waits):
        now += every * wait
        looks.append(now)
    # Shorter than the horizon: nothing may be forgotten.
    looks = [look for look in looks if look - begun < HORIZON] or [begun + every]
    return Story([envelope(begun, defined(plan))]), every, phase, begun, looks


@hypothesis_settings(max_examples=60, deadline=None)
@any_of(story=stories(), restarts=st.sets(st.integers(0, 8)))
def test_every_slot_of_every_channel_is_said_exactly_once_and_never_early(
    story: Drawn, restarts: set[int]
) -> None:
    scheduler, every, phase, begun, looks = story

    # At the last look every delay is over: no delay reaches the next slot.
    for number, look in enumerate([*looks, looks[-1] + every]):
        if number in restarts:
            scheduler.restart()
        scheduler.when(look)
        for event in scheduler.said:
            assert getattr(event, "planned_at", event.scheduled_for) <= look

    said = [slot_of(event) for event in scheduler.slots]
    until = looks[-1] + every
    expected = [(s, channel) for s in grid(every, begun, until, phase) for channel in (A, B)]
    pending = {(s, c) for s, c in expected if s > looks[-1]}
    assert len(set(said)) == len(said)
    assert set(said) <= set(expected)
    assert set(expected) - set(said) <= pending


@hypothesis_settings(max_examples=60, deadline=None)
@any_of(story=stories(), restarts=st.sets(st.integers(0, 8)))
def test_the_numbers_of_the_slots_do_not_depend_on_restarts(
    story: Drawn, restarts: set[int]
) -> None:
    restarting, _, _, _, looks = story
    steady = Story(restarting.log)

    for number, look in enumerate(looks):
        if number in restarts:
            restarting.restart()
        restarting.when(look)
        steady.when(look)

    assert restarting.slots == steady.slots


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


@pytest.mark.parametrize("variants", [1, 2, 3, 5])
def test_every_variant_gets_its_turn(variants: int) -> None:
    story = given(("00:30", defined(guides(HOURLY, variants=variants))))
    shown = []
    for hour in range(1, variants + 1):
        shown += [told(event)[-2:] for event in story.when(f"{hour:02}:00").said]

    assert sorted(shown) == [f"v{number}" for number in range(variants)]
