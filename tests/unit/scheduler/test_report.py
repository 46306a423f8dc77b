"""Answers as text: aligned, in the campaign's zone, nothing that a terminal would obey."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chassis.console import UsageError
from contracts.campaign import Campaign
from contracts.envelope import Envelope
from contracts.events import CampaignPaused, Event
from contracts.ids import DeliveryId
from harness.plans import campaign
from scheduler.catalogue import Catalogue
from scheduler.console import words
from scheduler.console.answers import (
    Backfilled,
    CampaignChange,
    Decided,
    Description,
    Difference,
    FieldChange,
    Outlook,
    PauseReport,
    Preview,
    RequestedDelivery,
    Triggered,
)
from scheduler.console.inquiries import preview_plan, summary
from scheduler.console.orders import difference, moment_or_duration
from scheduler.console.report import table, text
from scheduler.domain.campaigns import CampaignState, evolve
from scheduler.domain.outlook import ahead, behind, instants, status
from scheduler.domain.plan import changes

NOW = datetime(2026, 11, 23, 4, 26, tzinfo=UTC)
HOUR = timedelta(hours=1)


def state_of(*events: Event, plan: Campaign, since: datetime = NOW) -> CampaignState:
    [defined] = changes({}, [plan], since, actor="")
    state = None
    for event in (defined, *events):
        state = evolve(state, Envelope.of(event, source="t", now=since, cause=None), since)
    assert state
    return state


def paused(until: datetime | None) -> CampaignPaused:
    return CampaignPaused(campaign="guides", revision=1, until=until, actor="me", decided_at=NOW)


def test_columns_are_aligned_and_empty_ones_left_out() -> None:
    assert table([("a", "", "bcd"), ("efg", "", "h")]) == ["a    bcd", "efg  h  "]
    assert table([]) == []


@pytest.mark.parametrize(
    ("schedule", "told"),
    [
        ({"every": "90m"}, "every 1 h 30 min"),
        ({"every": "4h", "phase": "2h"}, "every 4 h, shifted by 2 h"),
        ({"cron": "30 9,18 * * *"}, "daily at 09:30, 18:30 (Europe/Berlin)"),
        ({"cron": "@daily", "zone": "UTC"}, "daily at 00:00 (UTC)"),
        ({"cron": "0 9 * * mon-fri"}, "mon-fri at 09:00 (Europe/Berlin)"),
        ({"cron": "*/5 9 1 * *"}, "cron */5 9 1 * * (Europe/Berlin)"),
    ],
)
def test_schedules_read_as_words(schedule: dict[str, str], told: str) -> None:
    fields = campaign(every=HOUR).model_dump() | {"zone": "Europe/Berlin", "schedule": schedule}

    assert words.timing(Campaign.model_validate(fields)) == told


def test_a_preview_shows_zone_variant_channel_and_fire_time() -> None:
    plan = campaign(every=4 * HOUR, zone="Europe/Berlin", channel_offset=timedelta(minutes=3))

    outlooks = preview_plan([plan], NOW, 2, None)

    assert text(Preview(outlooks)).splitlines() == [
        "guides  guide, every 4 h",
        "  SLOT                         FIRED          VARIANT  CHANNELS",
        "  Mon 2026-11-23 09:00 +01:00  09:00 … 09:03  v0       -1001, -1002",
        "  Mon 2026-11-23 13:00 +01:00  13:00 … 13:03  v1       -1001, -1002",
    ]


def test_slots_that_are_left_out_stand_in_one_line() -> None:
    plan = campaign(every=HOUR, quiet_hours="06:00-09:00")

    [outlook] = preview_plan([plan], NOW, 2, None)

    assert [slot.left_out for slot in outlook.slots] == [None, "quiet_hours", None]
    line = text(Preview((outlook,))).splitlines()[3]
    assert line.split("  ")[-1] == "left out: 3 slots until Mon 2026-11-23 08:00 +00:00"


def test_a_blackout_without_end_does_not_go_on_for_ever() -> None:
    plan = campaign(every=timedelta(seconds=1), blackouts="2026-01-01..9990-01-01")

    [slot] = ahead(state_of(plan=plan), NOW, 5)

    assert slot.slots == 10_000
    assert slot.left_out == "blackout"


def test_slots_within_a_pause_are_marked() -> None:
    plan = campaign(every=HOUR)
    state = state_of(paused(NOW + HOUR), plan=plan)

    slots = ahead(state, NOW, 2)

    assert [slot.paused for slot in slots] == [True, False]
    assert status(state, NOW) == "paused"
    outlook = Outlook("guides", "guide", "paused", "every 1 h", "UTC", tuple(slots))
    assert "paused" in text(Preview((outlook,))).splitlines()[2]


def test_a_campaign_without_channels_has_no_slots_to_come() -> None:
    state = state_of(plan=campaign(every=HOUR, channels=()))

    assert ahead(state, NOW, 3) == []
    assert status(state, NOW) == "active"


@pytest.mark.parametrize(
    ("fields", "told"),
    [({"enabled": False}, "disabled"), ({"end": NOW - HOUR}, "finished"), ({}, "active")],
)
def test_the_status_is_one_word(fields: dict[str, Any], told: str) -> None:
    assert status(state_of(plan=campaign(every=HOUR, **fields)), NOW) == told


def test_the_last_slots_come_newest_first_and_end_where_the_limit_does() -> None:
    begin = NOW - 10 * HOUR
    plain = state_of(plan=campaign(every=HOUR), since=begin)
    limited = state_of(plan=campaign(every=HOUR, limit=3), since=begin)

    assert [slot.at.hour for slot in behind(plain, NOW, 3)] == [4, 3, 2]
    assert [slot.at.hour for slot in behind(limited, NOW, 5)] == [21, 20, 19]


def test_counting_a_range_is_bounded() -> None:
    state = state_of(plan=campaign(every=timedelta(seconds=1)))
    year_1 = datetime(1, 1, 2, tzinfo=UTC)

    assert instants(state, NOW - HOUR, NOW) == 3601
    assert instants(state, year_1, NOW) == 20_001


def test_a_difference_names_fields_and_variants() -> None:
    catalogue = Catalogue()
    old = campaign(every=HOUR)
    catalogue.campaigns["guides"] = state_of(plan=old)
    catalogue.campaigns["old"] = state_of(plan=old.model_copy(update={"id": "old"}))
    new = campaign(
        every=2 * HOUR,
        variants=4,
        channels=("-1001", "-1003"),
        title="All guides",
        zone="Europe/Berlin",
        start=NOW,
    )

    lines = text(difference(catalogue, [new], NOW)).splitlines()

    assert lines[:-1] == [
        "~ changed  guides  revision 2",
        '    title: guides → "All guides"',
        "    zone: UTC → Europe/Berlin",
        "    schedule.every: 1 h → 2 h",
        "    start: none → Mon 2026-11-23 05:26 +01:00",
        "    channels: added -1003; removed -1002",
        "    variants.v3: added",
        "- retired  old     revision 1",
        "2 changes, 0 campaigns as before",
    ]
    assert lines[-1].startswith("Note: ")


def test_long_texts_are_shown_where_they_differ() -> None:
    begin = "It is the same for a long time, " * 10
    field = FieldChange("text", f"{begin} and then old", f"{begin} and then new")
    change = CampaignChange("guides", "changed", 2, fields=(field,))

    line = text(Difference((change,), 0)).splitlines()[1]

    assert line == '    text: "… a long time, and then old" → "… a long time, and then new"'


def test_nothing_to_change_is_said_in_a_line() -> None:
    assert text(Difference((), 2)) == (
        "nothing to change: the log holds just this plan (2 campaigns)"
    )


def test_a_note_cannot_move_the_cursor() -> None:
    report = PauseReport(NOW, None, "\x1b[2J gone\n\rover", "me")

    told = text(Decided("guides", changed=True, status="paused", zone="UTC", pause=report))

    assert told.isprintable()
    assert told.startswith("guides is paused: since Mon 2026-11-23 04:26 +00:00, until it is")


def test_a_request_that_nobody_answered_says_until_when_it_stands() -> None:
    delivery = RequestedDelivery(DeliveryId("d1"), "-1001", "v0", "not said", "")
    answer = Triggered("guides", "k1", True, NOW, "UTC", "me", NOW + 2 * HOUR, False, (delivery,))

    first = text(answer).splitlines()
    again = text(replace(answer, new=False)).splitlines()

    assert first[-1].endswith("before Mon 2026-11-23 06:26 +00:00 will post it")
    assert again[0].startswith("guides: nothing new, the key k1 asked for a slot at")


@pytest.mark.parametrize(
    ("said_due", "told"),
    [(10, "all 10 deliveries"), (3, "3 of 10 deliveries"), (None, "too many to be looked up")],
)
def test_a_backfill_says_what_was_said_of_it(said_due: int | None, told: str) -> None:
    bounds = {"since": NOW - HOUR, "until": NOW, "first": NOW - HOUR, "last": NOW}
    plan = Backfilled("guides", "k1", **bounds, zone="UTC", slots=5, deliveries=10, already_due=0)

    done = replace(plan, asked=True, new=True, void_after=NOW + 2 * HOUR, said_due=said_due)

    assert told in text(done).splitlines()[-1]


def test_until_is_a_moment_in_the_zone_or_a_duration() -> None:
    read = moment_or_duration

    assert read("2h", "UTC", NOW) == NOW + 2 * HOUR
    assert read("2026-12-01T09:00", "Europe/Berlin", NOW) == datetime(2026, 12, 1, 8, tzinfo=UTC)
    for bad in ("soon", "2", "", "99999999d"):
        with pytest.raises(UsageError, match="neither a moment nor a duration"):
            read(bad, "UTC", NOW)
    with pytest.raises(UsageError, match="correct the date"):
        read("2026-02-30", "UTC", NOW)
    with pytest.raises(UsageError, match="outside the years"):
        read("9999-12-31T23:59", "America/New_York", NOW)


def test_a_preview_of_a_file_begins_with_the_slot_that_is_fired_at_once() -> None:
    plan = campaign(every=HOUR, run_now=True, limit=2)

    [outlook] = preview_plan([plan], NOW, 5, None)

    assert [slot.at for slot in outlook.slots] == [NOW, NOW.replace(hour=5, minute=0)]


@pytest.mark.parametrize(("kind", "told"), [("guide", "hold"), ("promo", "drop")])
def test_a_description_says_what_is_in_force(kind: Any, told: str) -> None:
    plan = campaign(every=HOUR, kind=kind, jitter=timedelta(minutes=5))
    state = state_of(plan=plan)
    answer = Description(summary(state, NOW), NOW, None, plan, (), ())

    lines = text(answer).splitlines()

    assert f"  if uncertain   {told}" in lines
    assert "  jitter         5 min" in lines
