"""The checker, on a small run written by hand: all holds, until one thing is broken in it."""

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from chaos.checker import Verdict, judge, main
from harness.recorded import (
    BOT,
    FORGOTTEN,
    FOUND,
    GUIDE_A,
    GUIDE_B,
    MISSED,
    PROMO,
    RETRIED,
    SKIPPED,
    T0,
    UNSURE,
    A,
    B,
    Json,
    Left,
    Recorded,
    claimed,
    due,
    event,
    forget,
    iso,
    post,
    row_of_sent,
    sent,
    set_aside,
    shown,
    small_run,
    tap,
    token,
    told,
)

Change = Callable[[Recorded], Any]

CASES: list[tuple[int, Change]] = []


def breaks(invariant: int, *words: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Note a change (of each word) after which this invariant, and no other, does not hold."""

    def note(change: Callable[..., Any]) -> Callable[..., Any]:
        for word in words:
            CASES.append((invariant, _of(change, word)))
        if not words:
            CASES.append((invariant, change))
        return change

    return note


def _of(change: Callable[[Recorded, str], Any], word: str) -> Change:
    def changed(run: Recorded) -> None:
        change(run, word)

    changed.__name__ = f"{change.__name__}-{word}"
    return changed


def judged(run: Recorded, folder: Path) -> Verdict:
    return judge(run.write(folder))


def plan(run: Recorded, place: int) -> Json:
    found: Json = run.about["schedule"][place]
    return found


def missed(run: Recorded) -> Json:
    return run.said(f"slot.missed.{MISSED}")


def test_a_run_in_which_all_holds_passes(tmp_path: Path) -> None:
    verdict = judged(small_run(), tmp_path)

    assert [str(case) for case in verdict.broken] == []
    assert verdict.refused == ()
    assert verdict.passed
    assert "BROKEN" not in verdict.table()


# --- 1: what was answered is in the log, once -------------------------------------------------


@breaks(1)
def a_tap_was_answered_and_is_not_in_the_log(run: Recorded) -> None:
    run.answer(4)["status"] = 200


@breaks(1)
def a_start_was_answered_and_is_not_in_the_log(run: Recorded) -> None:
    run.answer(6)["status"] = 200


@breaks(1)
def a_payment_was_answered_and_is_not_in_the_log(run: Recorded) -> None:
    run.answer(8)["status"] = 200


@breaks(1)
def a_link_led_on_and_its_click_is_not_in_the_log(run: Recorded) -> None:
    run.answer(11).update(status=302, click_id="click-9")


@breaks(1)
def a_link_led_on_more_often_than_it_counts(run: Recorded) -> None:
    run.answer(11)["status"] = 302


@breaks(1)
def a_conversion_was_answered_and_is_not_in_the_log(run: Recorded) -> None:
    run.answer(14).update(status=200, body='{"results": [{"status": "recorded"}]}')


@breaks(1)
def a_tap_that_was_cut_off_after_its_answer_is_not_in_the_log(run: Recorded) -> None:
    run.answer(4).update(status=200, told=False)


@breaks(1)
def a_tap_stands_twice(run: Recorded) -> None:
    run.log.append(dict(run.said("cta.clicked.callback.query-1")))


@breaks(1)
def a_tap_is_recorded_as_of_another_button(run: Recorded) -> None:
    for number in (2, 3):
        run.asked(number)["payload"]["callback_query"]["data"] = token(PROMO, 1)


@breaks(1)
def a_tap_is_recorded_as_of_another_person(run: Recorded) -> None:
    run.asked(1)["payload"]["callback_query"]["from"]["id"] = 502


@breaks(1)
def a_payment_is_recorded_with_another_amount(run: Recorded) -> None:
    run.asked(7)["payload"]["message"]["successful_payment"]["total_amount"] = 75


@breaks(1)
def a_conversion_is_recorded_with_another_amount(run: Recorded) -> None:
    run.asked(12)["payload"]["amount"] = "99"


@breaks(1)
def a_person_is_recorded_as_a_robot(run: Recorded) -> None:
    run.data("cta.clicked.callback.query-1")["verdict"] = "robot"
    run.row("clicks", "cta.clicked.callback.query-1")["verdict"] = "robot"
    run.views["promo_conversion"][0].update(clicks=1, robot_clicks=1, repeated_clicks=0)


@breaks(1)
def a_tap_is_recorded_as_of_another_message(run: Recorded) -> None:
    run.asked(1)["payload"]["callback_query"]["message"]["message_id"] = 13


@breaks(1)
def a_conversion_is_recorded_in_another_currency(run: Recorded) -> None:
    run.asked(12)["payload"]["currency"] = "USD"


@breaks(1)
def a_conversion_is_recorded_without_the_link_that_it_is_due_to(run: Recorded) -> None:
    run.asked(12)["payload"]["click_id"] = "click-2"


@breaks(1)
def a_conversion_is_recorded_as_of_somebody_whom_nobody_named(run: Recorded) -> None:
    run.asked(12)["payload"]["user_id"] = 501


@breaks(1)
def a_tap_is_dated_long_before_it_was_made(run: Recorded) -> None:
    run.data("cta.clicked.callback.query-1")["clicked_at"] = iso(30)
    run.row("clicks", "cta.clicked.callback.query-1")["clicked_at"] = iso(30)


@breaks(1)
def a_tap_is_dated_after_the_log_has_it(run: Recorded) -> None:
    run.data("cta.clicked.callback.query-1")["clicked_at"] = iso(38)
    run.row("clicks", "cta.clicked.callback.query-1")["clicked_at"] = iso(38)


@breaks(1)
def a_tap_that_nobody_forged_is_refused(run: Recorded) -> None:
    run.answer(2)["status"] = 403


@breaks(1)
def a_link_that_nobody_forged_is_not_found(run: Recorded) -> None:
    run.answer(11)["status"] = 404


# --- 2: each slot once, none early ------------------------------------------------------------


@breaks(2)
def a_slot_is_neither_due_nor_missed(run: Recorded) -> None:
    run.about["horizon"][1] = plan(run, 1)["end"] = T0 + 150
    run.data("campaign.defined.promos.1")["definition"]["end"] = iso(150)


@breaks(2)
def a_channel_of_a_slot_is_left_out(run: Recorded) -> None:
    plan(run, 1)["channels"].append({"id": B, "chat_id": int(B)})


@breaks(2)
def a_slot_is_said_twice(run: Recorded) -> None:
    said = dict(run.data(f"guide.due.{GUIDE_A}"), kind="guide", reason="superseded")
    cause = "campaign.defined.guides.1"
    run.log.append(event("slot.missed", GUIDE_A, 130, said, cause=cause))


@breaks(2)
def a_slot_is_due_before_its_time(run: Recorded) -> None:
    run.said(f"guide.due.{RETRIED}")["time"] = T0 + 59.5


@breaks(2)
def a_slot_is_due_early_by_a_clock_that_is_ahead(run: Recorded) -> None:
    run.said(f"guide.due.{RETRIED}")["time"] = T0 + 57.9
    run.about["clock_jumps"] = [
        {"target": "scheduler-0", "from": T0 + 40, "to": T0 + 70, "seconds": 30.0}
    ]


@breaks(2)
def a_slot_is_due_by_a_clock_that_nobody_may_believe(run: Recorded) -> None:
    run.said(f"guide.due.{FOUND}")["time"] = T0 + 50
    run.about["clock_jumps"] = [
        {"target": "scheduler-0", "from": T0 + 40, "to": T0 + 90, "seconds": 3600.0}
    ]


@breaks(2)
def a_slot_is_fired_at_another_time_than_planned(run: Recorded) -> None:
    run.data(f"guide.due.{SKIPPED}")["due_at"] = iso(115)


@breaks(2)
def a_slot_is_called_missed_that_was_on_time(run: Recorded) -> None:
    missed(run)["time"] = T0 + 65


@breaks(2)
def a_slot_is_missed_for_a_reason_that_nobody_gave(run: Recorded) -> None:
    run.data(f"slot.missed.{MISSED}")["reason"] = "paused"
    run.row("deliveries", MISSED)["reason"] = "paused"


@breaks(2)
def a_slot_is_skipped_that_the_policy_does_not_skip(run: Recorded) -> None:
    plan(run, 0)["catchup"]["policy"] = "skip"


@breaks(2)
def a_slot_is_said_that_is_in_no_plan(run: Recorded) -> None:
    plan(run, 0)["channels"] = [{"id": A, "chat_id": int(A)}]


@breaks(2)
def a_slot_goes_by_the_name_of_another(run: Recorded) -> None:
    said = {**run.data(f"slot.missed.{MISSED}"), "delivery": "0" * 26}
    cause = "campaign.defined.guides.1"
    run.log.append(event("slot.missed", "0" * 26, 130, said, cause=cause))
    run.tables["deliveries"].append({**run.row("deliveries", MISSED), "delivery": "0" * 26})


@breaks(2)
def the_variants_do_not_take_turns(run: Recorded) -> None:
    plan(run, 0)["variants"] = ["v1", "v0"]


@breaks(2)
def a_slot_is_not_counted(run: Recorded) -> None:
    run.data(f"slot.missed.{MISSED}")["ordinal"] = 0
    run.row("deliveries", MISSED)["ordinal"] = 0


@breaks(2)
def a_campaign_is_defined_twice_by_one_name(run: Recorded) -> None:
    run.log.append(dict(run.said("campaign.defined.promos.1")))


@breaks(2)
def a_campaign_takes_effect_when_it_ends(run: Recorded) -> None:
    run.data("campaign.defined.promos.1")["effective_at"] = iso(140)


@breaks(2)
def a_campaign_is_defined_anew_by_nobody(run: Recorded) -> None:
    said = {**run.data("campaign.defined.promos.1"), "effective_at": iso(139)}
    name = "campaign.defined.promos.again"
    run.log.append(event("campaign.defined", "promos", 139, said, name=name, story="promos"))
    run.row("campaigns", "promos")["defined_at"] = iso(139)


@breaks(2)
def the_log_has_other_channels_than_the_plan(run: Recorded) -> None:
    run.data("campaign.defined.promos.1")["definition"]["channels"] = [B]


@breaks(2)
def every_slot_is_counted_one_too_high(run: Recorded) -> None:
    for fact in (f"promo.due.{PROMO}", f"promo.due.{UNSURE}"):
        run.data(fact)["ordinal"] += 1
    for delivery in (PROMO, UNSURE):
        run.row("deliveries", delivery)["ordinal"] += 1


@breaks(2)
def a_slot_is_due_with_another_button_than_its_variant_has(run: Recorded) -> None:
    run.data(f"promo.due.{PROMO}")["variant"]["ctas"][0]["label"] = "Pay"


@breaks(2, "manual", "backfill")
def a_slot_is_fired_by_an_operator_whom_nobody_saw(run: Recorded, trigger: str) -> None:
    run.data(f"promo.due.{PROMO}")["trigger"] = trigger
    run.row("deliveries", PROMO)["trigger"] = trigger


@breaks(2)
def a_policy_that_skips_catches_up(run: Recorded) -> None:
    plan(run, 1)["catchup"]["policy"] = "skip"
    run.data(f"promo.due.{PROMO}")["trigger"] = "catchup"
    run.row("deliveries", PROMO)["trigger"] = "catchup"


def _missed_as(run: Recorded, policy: str, reason: str, late: float) -> None:
    """Have the slot that is missed be so for another reason, some seconds after its time."""
    plan(run, 0)["catchup"].update(policy=policy, window_seconds=30, max=2)
    missed(run)["time"] = T0 + 60 + late
    run.data(f"slot.missed.{MISSED}")["reason"] = reason
    run.row("deliveries", MISSED)["reason"] = reason


@breaks(2)
def a_slot_is_missed_as_too_late_within_its_window(run: Recorded) -> None:
    _missed_as(run, "all", "catchup_window", 29)


@breaks(2)
def a_slot_is_missed_as_one_of_too_many_and_is_not(run: Recorded) -> None:
    _missed_as(run, "all", "limit", 70)


@breaks(2)
def a_slot_is_superseded_before_the_next_one(run: Recorded) -> None:
    _missed_as(run, "latest", "superseded", 40)


@breaks(2)
def a_slot_expires_sooner_than_planned(run: Recorded) -> None:
    run.data(f"promo.due.{PROMO}")["expires_at"] = iso(31)
    run.row("deliveries", PROMO)["expires_at"] = iso(31)


@breaks(2)
def a_slot_is_due_with_a_policy_that_its_plan_does_not_have(run: Recorded) -> None:
    run.data(f"promo.due.{PROMO}")["on_uncertain"] = "resend"


@breaks(2)
def a_slot_is_said_after_the_end(run: Recorded) -> None:
    run.about["horizon"][1] = plan(run, 0)["end"] = T0 + 110
    run.data("campaign.defined.guides.1")["definition"]["end"] = iso(110)


# --- 3: posted once ---------------------------------------------------------------------------


@breaks(3)
def a_delivery_is_posted_twice(run: Recorded) -> None:
    run.posts.append(post(GUIDE_A, 99))


@breaks(3)
def what_was_said_to_be_sent_does_not_stand(run: Recorded) -> None:
    run.posts.remove(post(GUIDE_B, 11))


@breaks(3)
def what_was_given_up_is_posted(run: Recorded) -> None:
    run.posts.append(post(SKIPPED, 16))


@breaks(3)
def what_was_missed_is_posted(run: Recorded) -> None:
    run.posts.append(post(MISSED, 16))


@breaks(3)
def what_nobody_can_see_is_posted_twice(run: Recorded) -> None:
    run.posts.append(post(UNSURE, 16))


@breaks(3)
def a_delivery_is_called_expired_that_is_not(run: Recorded) -> None:
    run.data(f"message.skipped.{SKIPPED}")["reason"] = "expired"
    run.row("deliveries", SKIPPED)["reason"] = "expired"


@breaks(3)
def a_delivery_is_lost(run: Recorded) -> None:
    run.log.remove(run.said(f"message.skipped.{SKIPPED}"))
    run.row("deliveries", SKIPPED).update(state="due", reason=None)


@breaks(3)
def the_log_does_not_say_what_became_of_a_post(run: Recorded) -> None:
    run.log.remove(run.said(f"message.uncertain.{UNSURE}.1"))
    run.row("deliveries", UNSURE).update(state="claimed", reason=None, description=None)


@breaks(3)
def a_delivery_stands_in_another_channel(run: Recorded) -> None:
    run.posts[-1]["chat_id"] = int(B)


@breaks(3)
def a_message_does_not_tell_whose_it_is(run: Recorded) -> None:
    run.posts.append({**post(GUIDE_A, 98), "tokens": []})


@breaks(3)
def a_message_carries_the_buttons_of_two_deliveries(run: Recorded) -> None:
    run.posts.append({**post(GUIDE_A, 98), "tokens": [token(GUIDE_A), token(GUIDE_B)]})


@breaks(3)
def an_attempt_is_claimed_twice(run: Recorded) -> None:
    place = run.log.index(claimed(GUIDE_A))
    run.log.insert(place + 1, dict(claimed(GUIDE_A), time=T0 + 0.2))


@breaks(3)
def what_was_refused_for_good_is_tried_again(run: Recorded) -> None:
    run.data(f"message.failed.{RETRIED}.1")["retry_at"] = None


@breaks(3)
def a_message_shows_another_text(run: Recorded) -> None:
    run.posts[0]["text"] = "Buy now"


@breaks(3)
def a_message_has_no_button(run: Recorded) -> None:
    run.posts[0]["tokens"] = [token(GUIDE_A, 99)]


@breaks(3)
def a_message_is_not_marked_as_its_claim_says(run: Recorded) -> None:
    run.posts[0]["tokens"] = [token(GUIDE_A, 0)]


@breaks(3)
def a_message_is_deleted_and_nobody_said_so(run: Recorded) -> None:
    run.posts[0]["deleted"] = True


@breaks(3)
def a_message_is_edited_and_nobody_said_so(run: Recorded) -> None:
    run.posts[0]["edited_at"] = T0 + 9.0


@breaks(3)
def a_delivery_is_given_up_for_a_reason_that_is_none(run: Recorded) -> None:
    run.data(f"message.skipped.{SKIPPED}")["reason"] = "whim"
    run.row("deliveries", SKIPPED)["reason"] = "whim"


@breaks(3)
def a_delivery_is_given_up_for_a_channel_that_is_open(run: Recorded) -> None:
    run.log.remove(run.said(f"channel.disabled.{B}.{BOT}.137.5"))


@breaks(3)
def an_attempt_failed_as_telegram_never_says(run: Recorded) -> None:
    run.data(f"message.failed.{RETRIED}.1")["failure"] = "rejected"


@breaks(3)
def an_attempt_failed_though_telegram_never_misbehaved(run: Recorded) -> None:
    run.history = [r for r in run.history if r.get("kind") != "misbehave"]


@breaks(3)
def an_uncertain_delivery_is_sent_again_against_its_policy(run: Recorded) -> None:
    run.data(f"message.uncertain.{UNSURE}.1")["policy"] = "drop"
    run.row("deliveries", UNSURE)["reason"] = "drop"


@breaks(3)
def a_message_is_said_to_be_sent_at_another_time(run: Recorded) -> None:
    run.data(f"message.sent.{PROMO}")["sent_at"] = iso(3630)
    run.row("deliveries", PROMO)["sent_at"] = iso(3630)


@breaks(3, "17003", "-2001")
def a_message_is_said_to_be_later_or_earlier_than_it_was(run: Recorded, late: str) -> None:
    run.data(f"message.sent.{FOUND}")["latency_ms"] = int(late)
    run.row("deliveries", FOUND)["latency_ms"] = int(late)


@breaks(3)
def a_message_is_said_to_be_seen_by_more_than_there_are(run: Recorded) -> None:
    run.data(f"message.sent.{FOUND}")["audience"] = 101
    run.row("deliveries", FOUND)["audience"] = 101
    run.views["guide_engagement"][0]["audience"] = 201


@breaks(3)
def a_message_is_said_to_be_sent_twice_under_two_names(run: Recorded) -> None:
    again = deepcopy(run.said(f"message.sent.{PROMO}"))
    again["headers"]["Nats-Msg-Id"] = again["data"]["id"] = "another"
    run.log.append(again)


@breaks(3)
def a_message_is_found_before_the_quarantine_is_over(run: Recorded) -> None:
    run.said(f"message.sent.{FOUND}")["time"] = T0 + 120 + 15


@breaks(3)
def it_is_called_uncertain_before_the_quarantine_is_over(run: Recorded) -> None:
    run.said(f"message.uncertain.{UNSURE}.1")["time"] = T0 + 90 + 15


@breaks(3)
def a_message_is_called_lost_before_the_quarantine_is_over(run: Recorded) -> None:
    run.data(f"message.failed.{RETRIED}.1")["failure"] = "lost"


# --- 4: causation is closed -------------------------------------------------------------------


@breaks(4)
def a_message_is_sent_before_it_is_claimed(run: Recorded) -> None:
    place = run.log.index(claimed(FOUND))
    run.log[place], run.log[place + 1] = run.log[place + 1], run.log[place]


@breaks(4)
def a_message_is_sent_that_nobody_claimed(run: Recorded) -> None:
    run.log.remove(claimed(GUIDE_B))


@breaks(4)
def a_message_is_claimed_before_it_is_due(run: Recorded) -> None:
    run.log.remove(due(GUIDE_B))
    run.log.insert(run.log.index(claimed(GUIDE_B)) + 1, due(GUIDE_B, late=0.2))


@breaks(4)
def an_attempt_follows_one_that_is_not_ended(run: Recorded) -> None:
    run.log.remove(run.said(f"message.failed.{RETRIED}.1"))


@breaks(4)
def an_event_follows_one_that_is_not_there(run: Recorded) -> None:
    run.said("cta.clicked.callback.query-1")["data"]["causationid"] = "promo.due.nobody"


@breaks(4)
def an_event_follows_a_later_one(run: Recorded) -> None:
    later = run.said(f"guide.due.{FOUND}")["headers"]["Nats-Msg-Id"]
    run.said(f"message.claimed.{PROMO}.1")["data"]["causationid"] = later


@breaks(4)
def a_fact_belongs_to_another_story(run: Recorded) -> None:
    run.said(f"message.sent.{GUIDE_A}")["data"]["correlationid"] = GUIDE_B


@breaks(4)
def a_message_follows_what_is_not_of_its_delivery(run: Recorded) -> None:
    run.said(f"message.sent.{GUIDE_A}")["data"]["causationid"] = "campaign.defined.promos.1"


@breaks(4)
def a_message_follows_from_itself(run: Recorded) -> None:
    run.said(f"message.sent.{GUIDE_A}")["data"]["causationid"] = f"message.sent.{GUIDE_A}"


@breaks(4)
def a_slot_follows_from_no_plan(run: Recorded) -> None:
    run.said(f"guide.due.{GUIDE_A}")["data"]["causationid"] = f"guide.due.{GUIDE_A}"


@breaks(4)
def a_slot_follows_from_the_plan_of_another_campaign(run: Recorded) -> None:
    run.said(f"guide.due.{GUIDE_A}")["data"]["causationid"] = "campaign.defined.promos.1"


@breaks(4)
def a_tap_belongs_to_another_story(run: Recorded) -> None:
    run.said("cta.clicked.callback.query-1")["data"]["correlationid"] = GUIDE_B


@breaks(4)
def the_log_knows_an_event_by_another_name(run: Recorded) -> None:
    run.said(f"guide.due.{GUIDE_A}")["data"]["id"] = "another"
    for line in run.log:
        if line["data"].get("causationid") == f"guide.due.{GUIDE_A}":
            line["data"]["causationid"] = "another"


# --- 5: the tables are the fold ---------------------------------------------------------------


@breaks(5)
def a_row_is_missing(run: Recorded) -> None:
    run.tables["clicks"].pop()


@breaks(5)
def a_row_is_too_many(run: Recorded) -> None:
    run.tables["deliveries"].append({**row_of_sent(FOUND, 17), "delivery": "0" * 26})


@breaks(5)
def a_row_stands_twice(run: Recorded) -> None:
    run.tables["starts"] *= 2


@breaks(5)
def a_delivery_is_in_another_state(run: Recorded) -> None:
    run.row("deliveries", PROMO)["state"] = "claimed"


@breaks(5)
def a_time_differs_by_a_microsecond(run: Recorded) -> None:
    run.row("deliveries", PROMO)["sent_at"] = iso(30.500001)


@breaks(5)
def an_amount_differs_by_a_cent(run: Recorded) -> None:
    run.row("conversions", "conversion.recorded.shop.order-1")["amount"] = 9.91


@breaks(5)
def a_click_is_credited_to_another_event(run: Recorded) -> None:
    run.tables["clicks"][0]["sequence"] = 3


@breaks(5)
def a_campaign_shows_an_old_definition(run: Recorded) -> None:
    run.row("campaigns", "guides")["revision"] = 2


@breaks(5)
def a_variant_shows_another_text(run: Recorded) -> None:
    run.row("variants", "p0")["text"] = "Read off"


@breaks(5)
def a_tap_counts_twice(run: Recorded) -> None:
    run.views["promo_conversion"][0]["clicks"] = 3


@breaks(5)
def a_refund_lowers_nothing(run: Recorded) -> None:
    run.views["guide_engagement"][0]["revenue"] = {"EUR": 9.9}


@breaks(5)
def a_row_of_figures_is_missing(run: Recorded) -> None:
    run.views["guide_engagement"].pop()


@breaks(
    5,
    "campaigns",
    "variants",
    "deliveries",
    "clicks",
    "starts",
    "conversions",
    "stretches",
    "attribution",
    "user_journey",
    "projection_status",
    "schedule_health",
    "funnel",
    "variant_performance",
    "channel_performance",
)
def a_row_of_a_view_is_missing(run: Recorded, view: str) -> None:
    run.views[view] = shown(run.tables)[view][1:]


@breaks(
    5,
    "campaigns",
    "variants",
    "deliveries",
    "clicks",
    "starts",
    "conversions",
    "stretches",
    "attribution",
    "user_journey",
    "projection_status",
    "schedule_health",
    "funnel",
    "variant_performance",
    "channel_performance",
    "promo_conversion",
    "guide_engagement",
)
def a_row_of_a_view_stands_twice(run: Recorded, view: str) -> None:
    rows = run.views.get(view) or shown(run.tables)[view]
    run.views[view] = [*rows, rows[0]]


@breaks(5, "click_through_rate", "conversion_rate", "conversion_rate_low", "conversion_rate_high")
def a_rate_is_wrong(run: Recorded, rate: str) -> None:
    run.views["promo_conversion"][0][rate] += 1e-6


@breaks(5, "first", "last", "linear")
def a_conversion_is_credited_to_another_delivery(run: Recorded, model: str) -> None:
    rows = run.views["attribution"] = shown(run.tables)["attribution"]
    next(row for row in rows if row["model"] == model)["delivery"] = RETRIED


@breaks(5)
def a_model_credits_a_half(run: Recorded) -> None:
    rows = run.views["attribution"] = shown(run.tables)["attribution"]
    next(row for row in rows if row["model"] == "linear")["credit"] = 0.5


@breaks(5)
def somebody_is_forgotten_whom_nobody_forgot(run: Recorded) -> None:
    run.tables["forgotten"].append({"event_id": "x", "request_id": "x", "user_id": -1})


@breaks(5)
def an_event_of_somebody_forgotten_is_still_there(run: Recorded) -> None:
    left = forget(run)
    left.log.insert(10, run.said("cta.clicked.callback.query-1"))


@breaks(5)
def quarantine_names_somebody_forgotten(run: Recorded) -> None:
    forget(run).tables["quarantine"][0]["reason"] = f"what is {FORGOTTEN}?"


@breaks(5)
def a_table_that_was_built_anew_names_somebody_forgotten(run: Recorded) -> None:
    forget(run).rebuilt["quarantine"][0]["reason"] = f"what is {FORGOTTEN}?"


@breaks(5)
def an_event_of_somebody_else_is_erased(run: Recorded) -> None:
    left = forget(run)
    left.log.remove(run.said(f"channel.enabled.{B}.{BOT}.139"))


@breaks(5)
def an_event_of_somebody_else_is_changed(run: Recorded) -> None:
    left = forget(run)
    left.log[left.log.index(run.said(f"channel.enabled.{B}.{BOT}.139"))]["time"] += 1


@breaks(5)
def something_else_is_said_while_somebody_is_forgotten(run: Recorded) -> None:
    said = deepcopy(run.said(f"channel.enabled.{B}.{BOT}.139"))
    said["headers"]["Nats-Msg-Id"] = said["data"]["id"] = "another"
    forget(run).log.append(said)


@breaks(5)
def a_payment_of_somebody_forgotten_may_count_again(run: Recorded) -> None:
    forget(run).log.pop()


def _without_a_tap(left: Left, tables: dict[str, list[Json]]) -> None:
    """Have one tap of who was forgotten count no more, in tables that agree with the log."""
    said = next(line for line in left.log if line["subject"].startswith("user.forgotten."))
    said["data"]["data"]["acts"].pop(1)
    tables["clicks"] = [row for row in tables["clicks"] if not row["event_id"].endswith("ten-2")]


@breaks(5)
def the_totals_do_not_stay(run: Recorded) -> None:
    left = forget(run)
    _without_a_tap(left, left.tables)
    left.rebuilt = left.tables
    fewer = {**run.views["promo_conversion"][0], "clicks": 1, "repeated_clicks": 0}
    left.views["promo_conversion"] = [fewer]


@breaks(5)
def what_counts_on_is_of_another_button(run: Recorded) -> None:
    forget(run).tables["clicks"][0]["cta"] = 1


@breaks(5)
def tables_that_are_built_anew_have_what_counts_on_otherwise(run: Recorded) -> None:
    forget(run).rebuilt["clicks"][0]["cta"] = 1


@breaks(5)
def tables_that_are_built_anew_lack_what_counted_on(run: Recorded) -> None:
    forget(run).rebuilt["starts"].pop()


@breaks(5, "checkpoint", "last_event", "quarantined")
def the_projection_tells_another(run: Recorded, column: str) -> None:
    run.views["projection_status"] = [{**run.status(), column: 0}]


@breaks(5)
def the_dashboard_counts_other_acts(run: Recorded) -> None:
    run.tables["stretches"] = [{"stretch": 0, "kinds": "\\x00"}]


# --- 6: the checkpoint only grows -------------------------------------------------------------


def sample(at: float, value: int) -> Json:
    return {
        "at": T0 + at,
        "what": "checkpoint",
        "version": 1,
        "value": value,
        "log_last": None,
    }


@breaks(6)
def the_checkpoint_goes_back(run: Recorded) -> None:
    run.history.append(sample(155, 29))


@breaks(6)
def the_checkpoint_passes_what_stood_in_the_log_by_then(run: Recorded) -> None:
    run.history.insert(1, sample(-14, 3))


@breaks(6)
def the_tables_are_of_more_than_the_log(run: Recorded) -> None:
    run.tables["checkpoint"] = [{"sequence": 37, "identity": "of the future"}]


@breaks(6)
def the_checkpoint_names_another_event(run: Recorded) -> None:
    run.tables["checkpoint"] = [{"sequence": 36, "identity": "another"}]


def truncation(**differs: Any) -> Json:
    halted = {
        "last_before": 100,
        "last_after_truncation": 60,
        "ready_before": 200,
        "checkpoint_before": 100,
        "checkpoint_after": 100,
        "status_after": 503,
        "said": "halted: its tail was lost",
        "logged": ["folding the log is halted"],
        "rows_before": {"clicks": 3},
        "rows_after": {"clicks": 3},
    }
    return {**halted, **differs}


@breaks(6)
def a_lost_tail_leaves_it_ready(run: Recorded) -> None:
    run.truncation = truncation(status_after=200)


@breaks(6)
def a_lost_tail_is_folded_over(run: Recorded) -> None:
    run.truncation = truncation(checkpoint_after=120)


@breaks(6)
def a_lost_tail_changes_the_tables(run: Recorded) -> None:
    run.truncation = truncation(rows_after={"clicks": 4})


@breaks(6)
def a_lost_tail_is_not_told(run: Recorded) -> None:
    run.truncation = truncation(said="")


@breaks(6)
def a_lost_tail_is_not_logged(run: Recorded) -> None:
    run.truncation = truncation(logged=[])


@breaks(6)
def the_checkpoint_names_no_event(run: Recorded) -> None:
    run.tables["checkpoint"] = [{"sequence": 36, "identity": None}]


@breaks(6)
def the_tables_were_built_anew(run: Recorded) -> None:
    run.history.append({**sample(155, 36), "version": 2})


@breaks(6)
def nothing_was_cut_off(run: Recorded) -> None:
    run.truncation = truncation(last_after_truncation=100)


@breaks(6)
def a_lost_tail_ends_the_projector(run: Recorded) -> None:
    run.truncation = truncation(status_after=None)


@breaks(6)
def the_projector_was_not_ready_before_the_tail_was_lost(run: Recorded) -> None:
    run.truncation = truncation(ready_before=503)


# --- 7: what cannot be decoded is set aside ---------------------------------------------------


@breaks(7)
def an_undecodable_event_is_swallowed(run: Recorded) -> None:
    run.tables["quarantine"].clear()


@breaks(7)
def a_good_event_is_in_quarantine(run: Recorded) -> None:
    kept = {"sequence": 1, "subject": "campaign.defined.guides", "reason": "no idea"}
    run.tables["quarantine"].append(kept)


@breaks(7)
def a_service_wrote_what_cannot_be_read(run: Recorded) -> None:
    del run.said("garbage-1")["headers"]["Chaos"]
    run.tables["quarantine"].clear()
    run.log.append({**run.said("garbage-1"), "headers": {"Nats-Msg-Id": "2", "Chaos": "garbage"}})
    run.tables["quarantine"].append(set_aside(run.log[-1]))


@breaks(7)
def what_the_world_put_in_is_gone(run: Recorded) -> None:
    fault = {"at": T0 + 70, "what": "fault", "number": 1, "kind": "garbage", "target": "log"}
    run.history.append({**fault, "sequence": 3, "subject": "campaign.paused.chaos-garbage-2"})


@breaks(7)
def quarantine_calls_it_by_another_subject(run: Recorded) -> None:
    run.tables["quarantine"][0]["subject"] = "guide.due.x"


@breaks(7)
def an_undecodable_event_is_set_aside_twice(run: Recorded) -> None:
    run.tables["quarantine"].append(set_aside())
    run.views["projection_status"] = [run.status()]


@breaks(7)
def quarantine_has_other_bytes(run: Recorded) -> None:
    run.tables["quarantine"][0]["data"] = "\\x00"


@breaks(7)
def quarantine_has_other_headers(run: Recorded) -> None:
    run.tables["quarantine"][0]["headers"] = {}


@breaks(7)
def what_is_set_aside_is_given_up_by_nobody(run: Recorded) -> None:
    run.tables["quarantine"][0]["dropped_at"] = iso(100)
    run.views["projection_status"] = [{**run.status(), "quarantined": 0}]


@breaks(7)
def what_the_world_put_in_was_never_given_a_place(run: Recorded) -> None:
    fault = {"at": T0 + 70, "what": "fault", "number": 1, "kind": "garbage", "target": "log"}
    run.history.append({**fault, "sequence": None, "subject": "campaign.paused.chaos-garbage-2"})


# --- 8: the lag goes to zero ------------------------------------------------------------------


@breaks(8)
def the_lag_stays(run: Recorded) -> None:
    run.about["drained"] = None


@breaks(8)
def the_lag_stays_for_too_long(run: Recorded) -> None:
    run.about["drained"] = T0 + 151 + 181


@breaks(8)
def events_still_wait_for_the_sender(run: Recorded) -> None:
    run.history[-3]["pending"] = 1


@breaks(8)
def an_event_was_never_acknowledged(run: Recorded) -> None:
    run.history[-1]["unacknowledged"] = 1


@breaks(8)
def the_tables_do_not_have_the_last_event(run: Recorded) -> None:
    run.behind = 1


@breaks(8)
def nobody_looked_at_the_lag_of_the_projection(run: Recorded) -> None:
    run.history = [r for r in run.history if r.get("consumer") != "analytics-v1"]


@breaks(8)
def the_lag_was_looked_at_before_all_was_whole_and_not_after(run: Recorded) -> None:
    for record in run.history:
        if record["what"] == "lag":
            record["at"] = T0 + 140


@breaks(8)
def it_is_called_drained_and_is_not(run: Recorded) -> None:
    run.history.append({"at": T0 + 200, "what": "not_drained", "left": {"updates": 3}})


# --- 9: strangers change nothing --------------------------------------------------------------


@breaks(9)
def a_stranger_left_a_trace(run: Recorded) -> None:
    run.data(f"channel.enabled.{B}.{BOT}.139")["description"] = "sent by stranger-16."


@breaks(9)
def a_stranger_left_a_trace_in_a_header(run: Recorded) -> None:
    run.log[-1]["headers"]["Trace"] = "x.stranger-15"


@breaks(9)
def a_start_counts_that_nobody_asked_for(run: Recorded) -> None:
    run.history.remove(run.asked(5))


@breaks(9)
def a_forged_tap_counts(run: Recorded) -> None:
    query = run.asked(1)["payload"]["callback_query"]
    query["data"] = query["data"][:-2] + ("AA" if not query["data"].endswith("AA") else "BB")


@breaks(9)
def a_tap_by_a_key_that_is_not_ours_counts(run: Recorded) -> None:
    query = run.asked(1)["payload"]["callback_query"]
    query["data"] = query["data"].replace("k1-", "k2-", 1)


@breaks(9)
def a_link_counts_that_nobody_followed(run: Recorded) -> None:
    for number in (10, 11):
        run.history.remove(run.asked(number))


@breaks(9)
def a_conversion_counts_that_nobody_told(run: Recorded) -> None:
    run.history.remove(run.asked(13))


NOBODYS: dict[str, Json] = {
    "campaign.paused.promos": {"campaign": "promos"},
    "campaign.triggered.promos": {"campaign": "promos", "request": "now"},
    "channel.disabled.-1009": {"channel": "-1009"},
    "bot.stopped.501": {"update_id": 99, "user_id": 501},
    "forget.requested.501": {"update_id": 99, "user_id": 501},
    "user.forgotten.at-1": {"request_id": "at-1", "replaces": [], "acts": [], "counts": []},
    "message.unreadable.x": {"delivery": "x", "sequence": 3, "description": "?"},
}


@breaks(9, *NOBODYS)
def something_is_said_that_nobody_caused(run: Recorded, subject: str) -> None:
    kind, _, key = subject.rpartition(".")
    times = ("decided_at", "happened_at", "said_at", "found_at", "forgotten_at")
    said = {"revision": 1, "actor": "nobody", "bot_id": BOT, **dict.fromkeys(times, iso(139))}
    run.log.append(event(kind, key, 139, {**said, **NOBODYS[subject]}))
    if kind == "campaign.paused":
        run.row("campaigns", "promos").update(state="paused", note="", actor="nobody")
    if kind == "user.forgotten":
        row = {**run.data(subject), "event_id": subject, "sequence": subject}
        run.tables["forgotten"].append(row)


@pytest.mark.parametrize(
    ("invariant", "change"), CASES, ids=lambda case: getattr(case, "__name__", "")
)
def test_what_is_broken_is_named_and_nothing_else(
    invariant: int, change: Change, tmp_path: Path
) -> None:
    run = small_run()
    change(run)

    verdict = judged(run, tmp_path)

    assert {case.invariant for case in verdict.broken} == {invariant}, verdict.table()
    assert not verdict.passed
    assert f"BROKEN invariant {invariant}: " in verdict.table()


def test_a_link_that_was_refused_lets_no_click_count(tmp_path: Path) -> None:
    run = small_run()
    for number in (10, 11):
        run.answer(number)["status"] = 404

    verdict = judged(run, tmp_path)

    assert {case.invariant for case in verdict.broken} == {1, 9}
    assert "counts more often than it was followed" in verdict.table()


# --- what is no fault -------------------------------------------------------------------------

ALLOWED: list[Change] = []


def allowed(change: Change) -> Change:
    """Note a change after which all still holds."""
    ALLOWED.append(change)
    return change


@allowed
def a_slot_is_due_early_by_what_comparing_clocks_leaves_in_doubt(run: Recorded) -> None:
    run.said(f"guide.due.{RETRIED}")["time"] = T0 + 58.1
    jump = {"at": T0 + 40, "what": "fault", "number": 2, "kind": "clock", "target": "scheduler-0"}
    run.history.append({**jump, "seconds": 30.0})
    run.about["clock_jumps"] = [
        {"target": "scheduler-0", "from": T0 + 40, "to": T0 + 70, "seconds": 30.0}
    ]


@allowed
def a_tap_that_nobody_was_answered_is_in_the_log(run: Recorded) -> None:
    run.answer(3)["status"] = None


@breaks(3)
def a_delivery_is_called_expired_by_a_sender_whose_clock_is_ahead(run: Recorded) -> None:
    a_delivery_is_called_expired_that_is_not(run)
    jump = {"target": "sender-1", "from": T0 + 130, "to": T0 + 140, "seconds": 400.0}
    run.about["clock_jumps"] = [jump]


@allowed
def who_has_its_claim_too_late_says_at_once_that_it_did_not_post(run: Recorded) -> None:
    claim = run.data(f"message.claimed.{RETRIED}.1")
    run.data(f"message.failed.{RETRIED}.1").update(failure="lost", failed_at=claim["claimed_at"])


@allowed
def a_message_is_found_early_by_what_comparing_clocks_leaves_in_doubt(run: Recorded) -> None:
    run.said(f"message.sent.{FOUND}")["time"] = T0 + 120.1 + 13.1
    run.data(f"message.sent.{FOUND}")["latency_ms"] = 400
    run.row("deliveries", FOUND)["latency_ms"] = 400
    jump = {"at": T0 + 119, "what": "fault", "number": 2, "kind": "clock", "target": "sender-0"}
    run.history.append({**jump, "seconds": 30.0})
    run.about["clock_jumps"] = [
        {"target": "sender-0", "from": T0 + 119, "to": T0 + 125, "seconds": 30.0}
    ]


def _post_again(run: Recorded, late: float) -> None:
    """Have the delivery whose end nobody could see posted again, so long after its time."""
    run.data(f"message.uncertain.{UNSURE}.1")["policy"] = "resend"
    plan(run, 1)["on_uncertain"] = "resend"
    for delivery in (PROMO, UNSURE):
        run.data(f"promo.due.{delivery}")["on_uncertain"] = "resend"
    end = run.log.index(run.said(f"message.uncertain.{UNSURE}.1"))
    posted = told("sent", UNSURE, 40, attempt=2, chat_id=int(A), message_id=17, sent_at=iso(130))
    posted["data"]["data"] |= {"latency_ms": 40000, "audience": 100, "reconciled": False}
    run.log[end + 1 : end + 1] = [claimed(UNSURE, late, attempt=2), posted]
    run.posts.append(post(UNSURE, 17, late=39.9))
    known: Json = {"sent_at": iso(130), "latency_ms": 40000}
    rows = run.tables["deliveries"]
    rows[rows.index(run.row("deliveries", UNSURE))] = row_of_sent(UNSURE, 17, attempts=2, **known)
    run.views["promo_conversion"][0].update(sent=2, audience=200, click_through_rate=1 / 200)


@allowed
def what_nobody_could_see_is_posted_again_as_its_policy_wants(run: Recorded) -> None:
    _post_again(run, 39)


@breaks(3)
def what_nobody_could_see_is_posted_again_while_its_sender_may_yet_speak(run: Recorded) -> None:
    _post_again(run, 34)


@breaks(2)
def a_slot_that_was_missed_is_posted_as_no_operator_wanted(run: Recorded) -> None:
    said = due(MISSED)
    said["time"] = T0 + 125
    said["data"]["data"]["trigger"] = "backfill"
    run.log += [said, claimed(MISSED, 65.1), sent(MISSED, 18, 65.5)]
    run.posts.append(post(MISSED, 18, late=65.4))
    rows = run.tables["deliveries"]
    place = rows.index(run.row("deliveries", MISSED))
    rows[place] = row_of_sent(MISSED, 18, 65.5, trigger="backfill")
    run.views["guide_engagement"].append(
        {**run.views["guide_engagement"][1], "variant": "v1", "sent": 1}
    )


@allowed
def a_clock_that_was_wrong_dates_a_tap_and_refuses_a_signature(run: Recorded) -> None:
    jump = {"at": T0 + 30, "what": "fault", "number": 2, "kind": "clock", "target": "clicks-1"}
    run.history.append({**jump, "seconds": 600.0})
    run.about["clock_jumps"] = [{**JUMP, "target": "clicks-1", "from": T0 + 30, "to": T0 + 60}]
    run.answer(14)["status"] = 401
    run.data("cta.clicked.callback.query-1")["clicked_at"] = iso(35 + 600)
    run.row("clicks", "cta.clicked.callback.query-1")["clicked_at"] = iso(35 + 600)


@allowed
def a_link_that_was_followed_without_an_answer_counts(run: Recorded) -> None:
    run.answer(10)["status"] = 503


@allowed
def a_message_of_a_person_stands_between(run: Recorded) -> None:
    run.posts.append({**post(GUIDE_A, 97), "bot_id": None, "tokens": []})


@allowed
def a_log_that_was_frozen_told_where_it_had_ended(run: Recorded) -> None:
    run.history.append({**sample(155, 34), "log_last": 20})


@allowed
def somebody_was_forgotten(run: Recorded) -> None:
    forget(run)


@allowed
def a_truncated_log_was_noticed(run: Recorded) -> None:
    run.truncation = truncation()


@pytest.mark.parametrize("change", ALLOWED, ids=lambda change: change.__name__)
def test_what_is_allowed_passes(change: Change, tmp_path: Path) -> None:
    run = small_run()
    change(run)

    verdict = judged(run, tmp_path)

    assert [str(case) for case in verdict.broken] == []
    assert verdict.passed


# --- what proves nothing ----------------------------------------------------------------------


JUMP = {"target": "clicks-0", "from": T0, "to": T0 + 9, "seconds": 600.0}


def open_with_garbage(run: Recorded) -> None:
    run.history = [record for record in run.history if record["what"] != "fault"]
    garbage = {"at": T0, "what": "fault", "number": None, "kind": "garbage", "target": "log"}
    run.history.append({**garbage, "sequence": 1})


def ask_in_vain(run: Recorded) -> None:
    for number in range(100, 120):
        run.ask(number, 38, "tap", tap(f"vain-{number}", 502, token(PROMO)), None)


def of_nobody(run: Recorded) -> None:
    forget(run).people = [777]
    run.about.update(faults=["forget"])


EMPTY: list[tuple[str, Change]] = [
    ("judged by no deliveries", lambda run: run.log.__delitem__(slice(2, None))),
    ("judged by no acts answered OK", lambda run: [r.update(status=503) for r in answers(run)]),
    ("nothing was posted", lambda run: run.posts.clear()),
    ("no fault was done", lambda run: dropped(run, "fault")),
    ("judged by one sample", lambda run: only_first(run, "checkpoint")),
    ("no fault was done", open_with_garbage),
    ("no fault of the kind clock", lambda run: run.about.update(faults=["kill", "clock"])),
    ("no fault of the kind net", lambda run: all_kinds(run, "cut")),
    ("requests to start, 0 were answered", lambda run: run.answer(5).update(status=None)),
    ("requests to tap, 2 were answered", ask_in_vain),
    ("nobody set the clock of clicks-0 wrong", lambda run: run.about.update(clock_jumps=[JUMP])),
    ("a stranger has no marker", lambda run: run.asked(15).update(marker=None)),
    ("has no cta_keys", lambda run: run.about.pop("cta_keys")),
    ("judged by no samples", lambda run: dropped(run, "checkpoint")),
    ("judged by no samples of the lag", lambda run: dropped(run, "lag")),
    ("judged by no requests of strangers", lambda run: dropped(run, "request")),
    (
        "judged by no undecodable messages",
        lambda run: run.said("garbage-1")["headers"].pop("Chaos"),
    ),
    ("the tail of no log was cut off", lambda run: run.about.update(faults=["truncate"])),
    ("campaign promos never came into the log", lambda run: plan(run, 1).update(since=None)),
    ("nobody was forgotten", lambda run: run.about.update(faults=["forget"])),
    ("nobody was forgotten", of_nobody),
]


def answers(run: Recorded) -> list[Json]:
    return [record for record in run.history if record["what"] == "answer"]


def dropped(run: Recorded, what: str) -> None:
    run.history = [record for record in run.history if record["what"] != what]


def only_first(run: Recorded, what: str) -> None:
    first = next(record for record in run.history if record["what"] == what)
    run.history = [r for r in run.history if r["what"] != what or r is first]


def all_kinds(run: Recorded, drawn: str) -> None:
    kinds = ["kill", "freeze", "net", "sandbox", "clock", "redeliver", "garbage", "truncate"]
    run.about.update(faults=kinds, plan=[{"kind": drawn}])


@pytest.mark.parametrize(("reason", "change"), EMPTY, ids=[reason for reason, _ in EMPTY])
def test_a_run_that_proves_nothing_is_refused(reason: str, change: Change, tmp_path: Path) -> None:
    run = small_run()
    change(run)

    verdict = judged(run, tmp_path)

    assert any(reason in refusal for refusal in verdict.refused)
    assert not verdict.passed
    assert "nothing was proved: " in verdict.table()


def test_a_kind_that_the_dice_did_not_draw_is_told_and_refuses_nothing(tmp_path: Path) -> None:
    run = small_run()
    all_kinds(run, "kill")
    run.truncation = truncation()

    verdict = judged(run, tmp_path)

    assert verdict.refused == ()
    assert "note: not drawn: freeze, net, clock, redeliver, garbage" in verdict.table()


def test_a_log_with_a_gap_is_refused(tmp_path: Path) -> None:
    folder = small_run().write(tmp_path)
    lines = (folder / "log.jsonl").read_text().splitlines(keepends=True)
    (folder / "log.jsonl").write_text("".join(lines[:-2] + lines[-1:]))

    verdict = judge(folder)

    assert "the log was not written down whole" in verdict.refused


@pytest.mark.parametrize("name", ["run.json", "history.jsonl", "log.jsonl", "posts.jsonl"])
def test_a_folder_that_is_no_run_is_refused(name: str, tmp_path: Path) -> None:
    folder = small_run().write(tmp_path)
    (folder / name).unlink()

    verdict = judge(folder)

    assert not verdict.passed
    assert "cannot be read" in verdict.refused[0]


def test_a_record_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    folder = small_run().write(tmp_path)
    (folder / "history.jsonl").write_text(json.dumps({"at": 1})[:-1])

    assert "cannot be read" in judge(folder).refused[0]


def test_a_folder_is_judged_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = small_run(), small_run()
    bad.posts.append(post(GUIDE_A, 99))
    for name in ("good", "bad"):
        (tmp_path / name).mkdir()

    statuses = [
        main([str(good.write(tmp_path / "good"))]),
        main([str(bad.write(tmp_path / "bad"))]),
    ]

    assert statuses == [0, 1]
    assert f"BROKEN invariant 3: {GUIDE_A} was posted 2 times" in capsys.readouterr().out


def test_the_table_shows_the_figures_and_the_first_cases_only(tmp_path: Path) -> None:
    run = small_run()
    for number in range(20, 29):
        run.posts.append(post(GUIDE_A, number))
        run.posts.append(post(GUIDE_B, number))
        run.posts.append({**post(GUIDE_B, number + 20), "tokens": []})

    verdict = judged(run, tmp_path)

    assert verdict.figures["duplicates"] == 18
    assert verdict.figures["taps answered / asked"] == "2 / 4"
    assert len([line for line in verdict.table().splitlines() if "BROKEN inv" in line]) == 6
    assert "BROKEN invariant 3: 6 more cases" in verdict.table()
