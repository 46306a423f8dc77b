"""The checker, on a small run written by hand: all holds, until one thing is broken in it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chaos.checker import Verdict, judge, main
from harness.recorded import (
    BOT,
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
    Recorded,
    claimed,
    due,
    event,
    iso,
    post,
    row_of_sent,
    sent,
    small_run,
    token,
    told,
)

Change = Callable[[Recorded], Any]

CASES: list[tuple[int, Change]] = []


def breaks(invariant: int) -> Callable[[Change], Change]:
    """Note a change after which this invariant, and no other, does not hold."""

    def note(change: Change) -> Change:
        CASES.append((invariant, change))
        return change

    return note


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


# --- 2: each slot once, none early ------------------------------------------------------------


@breaks(2)
def a_slot_is_neither_due_nor_missed(run: Recorded) -> None:
    run.about["horizon"][1] = plan(run, 1)["end"] = T0 + 150


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
    run.data(f"guide.due.{GUIDE_A}")["due_at"] = iso(-5)


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
    run.tables["checkpoint"] = [{"sequence": 36, "identity": "of the future"}]


@breaks(6)
def the_checkpoint_names_another_event(run: Recorded) -> None:
    run.tables["checkpoint"] = [{"sequence": 35, "identity": "another"}]


def truncation(**differs: Any) -> Json:
    halted = {
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
    run.tables["quarantine"].append(
        {"sequence": "2", "subject": "campaign.paused.chaos-garbage-1", "reason": "no event"}
    )


@breaks(7)
def what_the_world_put_in_is_gone(run: Recorded) -> None:
    fault = {"at": T0 + 70, "what": "fault", "number": 1, "kind": "garbage", "target": "log"}
    run.history.append({**fault, "sequence": 3, "subject": "campaign.paused.chaos-garbage-2"})


@breaks(7)
def quarantine_calls_it_by_another_subject(run: Recorded) -> None:
    run.tables["quarantine"][0]["subject"] = "guide.due.x"


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


# --- what is no fault -------------------------------------------------------------------------

ALLOWED: list[Change] = []


def allowed(change: Change) -> Change:
    """Note a change after which all still holds."""
    ALLOWED.append(change)
    return change


@allowed
def a_slot_is_due_early_by_what_comparing_clocks_leaves_in_doubt(run: Recorded) -> None:
    run.said(f"guide.due.{RETRIED}")["time"] = T0 + 58.1
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
def what_nobody_could_see_is_posted_again_as_its_policy_wants(run: Recorded) -> None:
    run.data(f"message.uncertain.{UNSURE}.1")["policy"] = "resend"
    end = run.log.index(run.said(f"message.uncertain.{UNSURE}.1"))
    posted = told("sent", UNSURE, 40, attempt=2, chat_id=int(A), message_id=17, sent_at=iso(130))
    posted["data"]["data"] |= {"latency_ms": 40000, "audience": 100, "reconciled": False}
    run.log[end + 1 : end + 1] = [claimed(UNSURE, 39, attempt=2), posted]
    run.posts.append(post(UNSURE, 17))
    known = {"sent_at": iso(130), "latency_ms": 40000}
    rows = run.tables["deliveries"]
    rows[rows.index(run.row("deliveries", UNSURE))] = row_of_sent(UNSURE, 17, attempts=2, **known)
    run.views["promo_conversion"][0].update(sent=2, audience=200)


@allowed
def a_slot_that_was_missed_is_posted_as_an_operator_wants(run: Recorded) -> None:
    said = due(MISSED)
    said["time"] = T0 + 125
    said["data"]["data"]["trigger"] = "backfill"
    run.log += [said, claimed(MISSED, 65.1), sent(MISSED, 18, 65.5)]
    run.posts.append(post(MISSED, 18))
    rows = run.tables["deliveries"]
    place = rows.index(run.row("deliveries", MISSED))
    rows[place] = row_of_sent(MISSED, 18, 65.5, trigger="backfill")
    run.views["guide_engagement"].append(
        {**run.views["guide_engagement"][1], "variant": "v1", "sent": 1}
    )


@allowed
def a_message_of_a_person_stands_between(run: Recorded) -> None:
    run.posts.append({**post(GUIDE_A, 97), "bot_id": None, "tokens": []})


@allowed
def a_log_that_was_frozen_told_where_it_had_ended(run: Recorded) -> None:
    run.history.append({**sample(155, 34), "log_last": 20})


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

EMPTY: list[tuple[str, Change]] = [
    ("judged by no deliveries", lambda run: run.log.__delitem__(slice(2, None))),
    ("judged by no acts answered OK", lambda run: [r.update(status=503) for r in answers(run)]),
    ("nothing was posted", lambda run: run.posts.clear()),
    ("no fault was done", lambda run: dropped(run, "fault")),
    ("judged by no samples", lambda run: dropped(run, "checkpoint")),
    ("judged by no samples of the lag", lambda run: dropped(run, "lag")),
    ("judged by no requests of strangers", lambda run: dropped(run, "request")),
    (
        "judged by no undecodable messages",
        lambda run: run.said("garbage-1")["headers"].pop("Chaos"),
    ),
    ("the tail of no log was cut off", lambda run: run.about.update(faults=["truncate"])),
    ("campaign promos never came into the log", lambda run: plan(run, 1).update(since=None)),
    ("somebody was forgotten", lambda run: run.log.append(forgetting())),
]


def answers(run: Recorded) -> list[Json]:
    return [record for record in run.history if record["what"] == "answer"]


def dropped(run: Recorded, what: str) -> None:
    run.history = [record for record in run.history if record["what"] != what]


def forgetting() -> Json:
    return event("user.forgotten", "at-1", 139, {"request_id": "at-1", "forgotten_at": iso(139)})


@pytest.mark.parametrize(("reason", "change"), EMPTY, ids=[reason for reason, _ in EMPTY])
def test_a_run_that_proves_nothing_is_refused(reason: str, change: Change, tmp_path: Path) -> None:
    run = small_run()
    change(run)

    verdict = judged(run, tmp_path)

    assert any(reason in refusal for refusal in verdict.refused)
    assert not verdict.passed
    assert "nothing was proved: " in verdict.table()


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
