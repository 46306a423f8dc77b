"""What operators ask for beside the schedule, and what comes of it."""

from contracts.campaign import Expire, Variant
from contracts.events import (
    CampaignBackfilled,
    CampaignPaused,
    CampaignRetired,
    CampaignTriggered,
    Event,
    GuideDue,
    SlotMissed,
)
from harness.stories import HOURLY, A, B, decided, defined, given, guides, moment
from scheduler.domain.requests import BACKFILL_SLOTS, REQUEST_WINDOW, backfill


def triggered(at: str, **fields: object) -> Event:
    return decided(CampaignTriggered, at, request="now", **fields)  # type: ignore[no-any-return]


def backfilled(at: str, since: str, until: str, request: str = "again") -> Event:
    return decided(  # type: ignore[no-any-return]
        CampaignBackfilled, at, request=request, since=moment(since), until=moment(until)
    )


def test_a_trigger_makes_a_slot_at_the_moment_of_the_request() -> None:
    story = given(("00:30", defined(guides(channels=(A, B))))).when("01:00")

    story.hears("01:20", triggered("01:20"))
    story.when("01:20:01").then("01:20 A due v0 (manual)", "01:20 B due v0 (manual)")
    [due, _] = story.said

    assert due.cause == "campaign.triggered.guides.now"
    assert due.expires_at == moment("01:20") + REQUEST_WINDOW  # type: ignore[union-attr]


def test_what_is_triggered_or_posted_after_all_is_gone_about_like_what_was_planned() -> None:
    expire = Expire(after=HOURLY, action="delete")
    plan = guides(bot="second", expire=expire, delete_previous=True)
    story = given(("00:30", defined(plan)), ("01:00", decided(CampaignPaused, "01:00")))
    story.when("04:00")

    story.hears("04:10", triggered("04:10")).hears("04:10", backfilled("04:10", "03:59", "04:01"))
    said = [event for event in story.when("04:10:01").said if isinstance(event, GuideDue)]

    assert [event.trigger for event in said] == ["manual", "backfill"]
    assert {(event.bot, event.expire, event.delete_previous) for event in said} == {
        ("second", expire, True)
    }


def test_a_trigger_is_answered_once_whoever_restarts() -> None:
    story = given(("00:30", defined(guides())), ("01:20", triggered("01:20"))).when("01:21")

    story.restart().when("01:22").then()


def test_a_trigger_may_name_a_variant_and_channels() -> None:
    story = given(("00:30", defined(guides(channels=(A, B)))))

    story.hears("01:20", triggered("01:20", variant="v2", channels=(B,)))
    story.when("01:20:01").then("01:20 B due v2 (manual)")


def test_the_texts_are_filled_in_for_each_channel_and_slot_wherever_a_due_event_comes_from() -> (
    None
):
    text = "{campaign} in {channel}, {date} {time}"
    variant = Variant(id="v0", text=text, placeholders=True)
    plan = guides(channels=(A, B), title="News", zone="Asia/Tokyo")
    plan = plan.model_copy(update={"variants": (variant,)})
    story = given(("00:30", defined(plan)))

    [planned, _] = story.when("04:00").said
    [requested, _] = story.hears("16:20", triggered("16:20")).when("16:20:01").said[-2:]
    [again, _] = story.hears("16:30", backfilled("16:30", "00:00", "00:00")).when("16:31").said[-2:]

    assert [event.variant.text for event in (planned, requested, again)] == [  # type: ignore[union-attr]
        f"News in {A}, 2026-03-01 13:00",
        f"News in {A}, 2026-03-02 01:20",
        f"News in {A}, 2026-03-01 09:00",
    ]


def test_a_trigger_does_not_disturb_the_rotation() -> None:
    story = given(("00:30", defined(guides()))).when("04:00").then("04:00 A due v0")

    story.hears("04:20", triggered("04:20")).when("04:21").then("04:20 A due v1 (manual)")
    story.restart().when("08:00").then("08:00 A due v1")


def test_a_trigger_works_in_a_pause() -> None:
    pause = ("01:00", decided(CampaignPaused, "01:00"))
    story = given(("00:30", defined(guides())), pause)

    story.hears("01:20", triggered("01:20")).when("01:21").then("01:20 A due v0 (manual)")


def test_a_trigger_that_nobody_heard_in_time_is_missed() -> None:
    story = given(("00:30", defined(guides())), ("01:20", triggered("01:20")))

    story.when("03:50").then("01:20 A missed: catchup_window")
    assert isinstance(story.said[0], SlotMissed)
    assert story.said[0].cause == "campaign.triggered.guides.now"


def test_a_backfill_posts_what_was_missed_and_nothing_that_was_posted() -> None:
    plan = guides(HOURLY, catch_up={"policy": "skip"})
    story = given(("00:30", defined(plan))).when("01:00").then("01:00 A due v0")
    story.when("03:30").then("02:00 A missed: skipped", "03:00 A missed: skipped")

    story.hears("03:40", backfilled("03:40", "00:00", "03:00"))
    story.when("03:41").then(
        "00:00 A due v0 (backfill)",  # before the campaign was defined
        "02:00 A due v1 (backfill)",
        "03:00 A due v2 (backfill)",
    )


def test_the_same_backfill_again_posts_nothing_again() -> None:
    plan = guides(HOURLY, catch_up={"policy": "skip"})
    story = given(("00:30", defined(plan))).when("03:30")

    story.hears("03:40", backfilled("03:40", "01:00", "03:00")).when("03:41")
    story.hears("03:42", backfilled("03:42", "01:00", "03:00", "other")).when("03:43").then()
    story.restart().when("03:44").then()


def test_a_backfill_reaches_back_before_the_campaign_was_defined() -> None:
    story = given(("10:30", defined(guides(HOURLY)))).when("10:31")

    story.hears("10:40", backfilled("10:40", "08:30", "10:00"))
    story.when("10:41").then("09:00 A due v0 (backfill)", "10:00 A due v1 (backfill)")


def test_a_backfill_leaves_out_what_the_plan_leaves_out() -> None:
    plan = guides(HOURLY, quiet_hours=["02:00-03:00"], catch_up={"policy": "skip"})
    story = given(("00:30", defined(plan))).when("03:30")

    story.hears("03:40", backfilled("03:40", "01:00", "03:00"))
    story.when("03:41").then("01:00 A due v0 (backfill)", "03:00 A due v1 (backfill)")


def test_a_backfill_takes_each_slot_from_the_plan_of_its_time() -> None:
    story = given(("00:30", defined(guides(catch_up={"policy": "skip"})))).when("04:30")
    story.hears("05:30", defined(guides(HOURLY, catch_up={"policy": "skip"}), 2, first_ordinal=1))
    story.when("07:30")

    story.hears("07:40", backfilled("07:40", "00:00", "07:00"))
    story.when("07:41").then(
        "00:00 A due v0 (backfill)",
        "04:00 A due v0 (backfill)",
        "06:00 A due v1 (backfill)",
        "07:00 A due v2 (backfill)",
    )


def test_an_endless_backfill_ends() -> None:
    story = given(("00:30", defined(guides(HOURLY / 3600)))).when("00:31")

    story.hears("23:00", backfilled("23:00", "01:00", "22:00")).when("23:00:01")
    asked = [e for e in story.said if isinstance(e, GuideDue) and e.trigger == "backfill"]

    assert len(asked) == BACKFILL_SLOTS


def test_a_backfill_of_years_is_enumerated_lazily() -> None:
    state = given(("00:30", defined(guides(HOURLY / 3600)))).state

    _, first = next(backfill(state, moment("00:31").replace(year=1990), moment("00:32")))

    assert first.at == moment("00:31").replace(year=1990)


def test_a_backfill_that_nobody_heard_in_time_is_not_carried_out() -> None:
    plan = guides(HOURLY, catch_up={"policy": "skip"})
    story = given(("00:30", defined(plan)), ("02:40", backfilled("02:40", "01:00", "02:00")))

    story.when("05:30")

    assert {type(event) for event in story.said} == {SlotMissed}


def test_a_trigger_goes_to_the_channels_of_its_time() -> None:
    story = given(("00:30", defined(guides()))).hears("01:20", triggered("01:20"))
    story.hears("01:21", defined(guides(channels=(A, B)), 2))

    story.when("01:22").then("01:20 A due v0 (manual)")


def test_a_trigger_of_a_campaign_that_retired_meanwhile_is_told() -> None:
    story = given(("00:30", defined(guides()))).hears("01:20", triggered("01:20"))
    story.hears("01:21", decided(CampaignRetired, "01:21"))

    story.when("01:22").then("01:20 A missed: retired")


def test_a_backfill_leaves_a_channel_alone_that_is_still_to_come() -> None:
    plan = guides(HOURLY, channels=(A, B), channel_offset=HOURLY / 2)
    story = given(("00:30", defined(plan))).when("01:10").then("01:00 A due v0 (catchup)")

    story.hears("01:10", backfilled("01:10", "01:00", "01:10")).when("01:10").then()
    story.when("01:30").then("01:00 B due v0")
