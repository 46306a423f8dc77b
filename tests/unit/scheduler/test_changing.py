"""What a changed plan does: nothing that passed is fired again, nothing that waits is dropped."""

from datetime import timedelta

import pytest

from contracts.campaign import Campaign
from contracts.envelope import Envelope
from contracts.events import CampaignPaused, CampaignResumed, CampaignRetired
from harness.plans import campaign
from harness.stories import (
    HOURLY,
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
from scheduler.domain.campaigns import HORIZON
from scheduler.domain.plan import changes, differing

LATE = {"window": "4h"}


def test_a_new_channel_gets_no_slot_from_before_it_was_there() -> None:
    story = given(("00:30", defined(guides(catch_up=LATE)))).hears(
        "05:00", defined(guides(channels=(A, B), catch_up=LATE), revision=2, first_ordinal=1)
    )

    story.when("06:00").then("04:00 A due v0 (catchup)")
    story.when("08:00").then("08:00 A due v1", "08:00 B due v1")


def test_a_removed_channel_gets_no_more_slots() -> None:
    story = given(("00:30", defined(guides(channels=(A, B)))))

    story.hears("03:00", defined(guides(channels=(B,)), revision=2)).when("04:00").then(
        "04:00 B due v0"
    )


def test_a_slot_that_a_removed_channel_still_had_is_told() -> None:
    story = given(("00:30", defined(guides(channels=(A, B), catch_up=LATE))))

    story.hears("05:00", defined(guides(channels=(B,), catch_up=LATE), revision=2))
    story.when("05:01").then("04:00 A missed: retired", "04:00 B due v0 (catchup)")


def test_a_changed_schedule_does_not_fire_the_slots_it_would_have_had() -> None:
    story = given(("00:30", defined(guides()))).when("04:00").then("04:00 A due v0")

    story.hears("06:30", defined(guides(HOURLY), revision=2, first_ordinal=1))
    story.when("07:00").then("07:00 A due v1")


def test_a_slot_of_the_old_schedule_that_nobody_said_yet_is_told() -> None:
    story = given(("00:30", defined(guides(catch_up=LATE))))

    story.hears("06:30", defined(guides(HOURLY, catch_up=LATE), revision=2, first_ordinal=1))
    story.when("06:40").then("04:00 A due v0 (catchup)")


def test_a_changed_text_keeps_the_cursor() -> None:
    story = given(("00:30", defined(guides(catch_up=LATE))))
    story.hears("05:00", defined(guides(title="New", catch_up=LATE), revision=2, first_ordinal=1))

    story.when("05:01").then("04:00 A due v0 (catchup)")
    assert story.said[0].revision == 2


def test_a_slot_that_waits_for_its_jitter_survives_a_new_revision_and_keeps_its_moment() -> None:
    plan = guides(jitter=HOURLY)
    [due] = given(("00:30", defined(plan))).when("05:00").said
    at = due.planned_at  # type: ignore[union-attr]
    story = given(("00:30", defined(plan))).when("04:00").then()

    story.hears("04:00:01", defined(guides(HOURLY), revision=2, first_ordinal=1))
    story.when(at - timedelta(microseconds=1)).then()
    story.when(at).then("04:00 A due v0")


def test_a_revision_may_take_effect_later_than_it_is_said() -> None:
    story = given(("00:30", defined(guides())))

    story.hears(
        "04:00:05", defined(guides(HOURLY), 2, effective_at=moment("05:30"), first_ordinal=1)
    )
    story.when("04:00:06").then("04:00 A due v0")
    story.when("05:00").then()
    story.when("06:00").then("06:00 A due v1")


def test_a_revision_takes_effect_no_earlier_than_the_log_took_it() -> None:
    story = given(("00:30", defined(guides()))).when("04:00").then("04:00 A due v0")

    story.hears("05:30", defined(guides(HOURLY), 2, effective_at=moment("01:30"), first_ordinal=1))
    story.restart().when("05:40").then()
    story.when("06:00").then("06:00 A due v1")


def test_a_slot_that_waits_does_not_hold_up_the_new_plan() -> None:
    plan = guides(channels=(A, B), channel_offset=HOURLY)
    story = given(("00:30", defined(plan))).when("04:00").then("04:00 A due v0")

    story.hears("04:01", defined(guides(HOURLY / 6, channels=(A, B)), 2, first_ordinal=1))
    story.when("04:10").then("04:10 A due v1", "04:10 B due v1")
    story.restart().when("05:00").said.clear()
    said = {told(event) for event in story.slots}
    assert {"04:00 B due v0", "05:00 A due v0", "04:50 B missed: catchup_window"} <= said


def test_a_further_revision_loses_nothing_of_what_waits_and_what_came_meanwhile() -> None:
    offset = {"channels": (A, B), "channel_offset": HOURLY}
    story = given(("00:30", defined(guides(**offset)))).when("04:00")
    story.hears("04:01", defined(guides(HOURLY / 3, **offset), 2, first_ordinal=1)).when("04:30")
    story.hears("04:31", defined(guides(HOURLY / 3, title="New", **offset), 3, first_ordinal=2))

    for at in ("04:45", "05:00", "05:20", "05:50"):
        story.when(at)

    expected = {(moment(at), c) for at in ("04:00", "04:20", "04:40", "05:00") for c in (A, B)}
    assert expected <= {slot_of(event) for event in story.slots}


def test_a_revision_at_the_very_moment_of_a_slot_leaves_it_with_the_old_plan() -> None:
    story = given(("00:30", defined(guides(channels=(A,)))))

    story.hears("04:00", defined(guides(channels=(A, B)), revision=2, first_ordinal=1))
    story.when("04:00").then("04:00 A due v0")


def test_clocks_that_differ_cannot_make_an_era_end_before_it_begins() -> None:
    story = given(("05:30", defined(guides(HOURLY))))
    story.hears("05:31", defined(guides(), 2, effective_at=moment("01:00")))

    story.when("08:00").then("08:00 A due v0")


def test_what_is_older_than_the_horizon_is_forgotten() -> None:
    story = given(("00:30", defined(guides())))
    for day in range(1, 29):
        story.hears(f"{day} 01:00", decided(CampaignPaused, f"{day} 01:00"))
        story.hears(f"{day} 02:00", defined(guides(title=str(day)), revision=day + 1))

    assert len(story.state.eras) <= HORIZON.days + 2
    assert len(story.state.pauses) <= HORIZON.days + 2


# --- the file against the log -----------------------------------------------------------------


def said(story: Story | None, *plan: Campaign) -> list[tuple[str, str, int]]:
    known = {"guides": story.state} if story else {}
    found = changes(known, plan, moment("12:00"), actor="file")
    return [(type(change).__name__, change.campaign, change.revision) for change in found]


def test_a_new_campaign_is_defined_as_revision_one() -> None:
    assert said(None, guides()) == [("CampaignDefined", "guides", 1)]


def test_a_plan_that_stands_in_the_log_changes_nothing() -> None:
    story = Story([Envelope.parse(envelope(moment("00:30"), defined(guides())).document())])

    assert said(story, guides()) == []
    assert differing({"guides": story.state}, [guides()]) == []


def test_a_changed_campaign_gets_the_next_revision() -> None:
    story = given(("00:30", defined(guides(), revision=4)))

    assert said(story, guides(title="New")) == [("CampaignDefined", "guides", 5)]


def test_a_campaign_that_left_the_file_is_retired_once() -> None:
    story = given(("00:30", defined(guides())))

    assert said(story, campaign("other")) == [
        ("CampaignDefined", "other", 1),
        ("CampaignRetired", "guides", 1),
    ]
    assert said(story.hears("03:00", decided(CampaignRetired, "03:00"))) == []


def test_a_retired_campaign_that_comes_back_gets_the_next_revision() -> None:
    story = given(("00:30", defined(guides())), ("03:00", decided(CampaignRetired, "03:00")))

    assert said(story, guides()) == [("CampaignDefined", "guides", 2)]


def test_a_new_revision_goes_on_counting_where_the_old_one_stops() -> None:
    story = given(("00:30", defined(guides(HOURLY, run_now=True))))

    [change] = changes({"guides": story.state}, [guides()], moment("03:30"), actor="file")

    # At 00:30, 01:00, 02:00 and 03:00: the numbers 0 to 3.
    assert change.first_ordinal == 4  # type: ignore[union-attr]
    assert change.effective_at == moment("03:30")  # type: ignore[union-attr]
    assert change.actor == "file"  # type: ignore[union-attr]


def test_a_campaign_that_comes_back_goes_on_counting_from_where_it_retired() -> None:
    story = given(("00:30", defined(guides(HOURLY))), ("02:30", decided(CampaignRetired, "02:30")))

    [change] = changes({"guides": story.state}, [guides()], moment("9 03:30"), actor="file")

    assert change.first_ordinal == 2  # type: ignore[union-attr]


def test_a_campaign_without_channels_says_nothing_and_takes_no_time() -> None:
    story = given(("00:30", defined(guides(channels=()))))

    story.when("20 00:30").then()
    story.hears("20 00:31", defined(guides(), revision=2)).when("20 04:00").then("04:00 A due v0")


def test_a_raised_limit_goes_on_however_long_ago_the_old_one_was_reached() -> None:
    story = given(("00:30", defined(guides(HOURLY, limit=2)))).when("02:00")

    [change] = changes(
        {"guides": story.state}, [guides(HOURLY, limit=5)], moment("20:30"), actor="file"
    )

    assert change.first_ordinal == 2  # type: ignore[union-attr]


def test_what_begins_at_once_counts_only_where_it_is_a_slot() -> None:
    outside = guides(HOURLY, run_now=True, start=moment("03:00"), limit=2)
    quiet = guides(HOURLY, run_now=True, quiet_hours=["00:00-00:45"], limit=2)
    for plan, hours in ((outside, (3, 4)), (quiet, (1, 2))):
        for restarts in (False, True):
            story = given(("00:30", defined(plan)))
            for hour in range(8):
                story.when(f"{hour:02}:30")
                if restarts:
                    story.restart()
            due = [told(event) for event in story.slots if "due" in told(event)]

            assert due == [f"{h:02}:00 A due v{n} (catchup)" for n, h in enumerate(hours)]


STOPPED = {
    "retired": decided(CampaignRetired, "04:30"),
    "disabled": defined(guides(enabled=False), 2),
    "ended": defined(guides(end=moment("03:00")), 2),
    "paused": decided(CampaignPaused, "04:30"),
}


@pytest.mark.parametrize("how", STOPPED)
def test_what_the_owner_stopped_is_not_posted_any_more(how: str) -> None:
    story = given(("00:30", defined(guides())), ("04:30", STOPPED[how]))

    story.when("04:31").then(f"04:00 A missed: {'paused' if how == 'paused' else 'retired'}")


def test_a_pause_by_a_clock_that_is_ahead_ends_all_the_same() -> None:
    story = given(("00:30", defined(guides())), ("01:00", decided(CampaignPaused, "01:10")))

    story.hears("01:05", decided(CampaignResumed, "01:05")).when("04:00").then("04:00 A due v0")
