"""What the sender does with a delivery, given its ledger."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.events import (
    Event,
    GuideDue,
    MessageClaimed,
    MessageFailed,
    MessageSent,
    MessageSkipped,
    MessageUncertain,
    PromoDue,
)
from contracts.examples import SLOT, example
from sender.domain.deliveries import (
    Claim,
    Decision,
    Done,
    Look,
    Record,
    Wait,
    decide,
    fold,
    looked,
    lost,
    may_still_post,
    pause_before_retry,
    unsaid_attempt,
    without_bot,
    without_claimant,
)
from sender.domain.looking import Absent, CannotTell, Found
from sender.domain.outcomes import Refused

QUARANTINE = timedelta(seconds=30)
NOW = SLOT + timedelta(minutes=1)
DUE = example(PromoDue)
CLAIMED = example(MessageClaimed, claimed_at=SLOT)
FAILED = example(MessageFailed, retry_at=None)
TO_RETRY = example(MessageFailed, retry_at=NOW)
UNCERTAIN = example(MessageUncertain, policy="drop")
SENT = example(MessageSent)
SKIPPED = example(MessageSkipped)


def after(
    *ledger: Event,
    due: PromoDue | GuideDue = DUE,
    now: datetime = NOW,
    said_at: datetime = NOW - QUARANTINE,
) -> Decision:
    return decide(fold((event, said_at) for event in ledger), due, now, QUARANTINE)


def test_a_new_delivery_is_claimed() -> None:
    assert after() == Claim(1)


def test_a_delivery_that_expired_before_it_was_tried_is_skipped() -> None:
    decision = after(now=DUE.expires_at)

    assert isinstance(decision, Record)
    assert decision.event.reason == "expired"


@pytest.mark.parametrize(
    ("ledger", "now", "reason"),
    [
        ((), NOW, "channel_disabled"),
        ((CLAIMED, TO_RETRY), NOW, "channel_disabled"),
        ((), DUE.expires_at, "expired"),
        ((CLAIMED,), NOW, None),
        ((CLAIMED, SENT), NOW, None),
    ],
    ids=["new", "to be tried again", "expired", "under way", "sent"],
)
def test_where_nothing_may_be_posted_no_attempt_is_made(
    ledger: tuple[Event, ...], now: datetime, reason: str | None
) -> None:
    state = fold((event, NOW - QUARANTINE) for event in ledger)

    decision = decide(state, DUE, now, QUARANTINE, disabled=True)

    assert (decision.event.reason if isinstance(decision, Record) else None) == reason
    assert not isinstance(decision, Claim)


@pytest.mark.parametrize(
    "ledger",
    [
        (CLAIMED, SENT),
        (CLAIMED, FAILED),
        (CLAIMED, UNCERTAIN),
        (SKIPPED,),
    ],
    ids=["sent", "refused for good", "uncertain and dropped", "skipped"],
)
def test_what_is_over_stays_over(ledger: tuple[Event, ...]) -> None:
    assert after(*ledger) == Done()
    assert after(*ledger, now=DUE.expires_at + timedelta(days=1)) == Done()


def test_a_refusal_that_may_be_repeated_is_repeated_when_its_time_has_come() -> None:
    later = NOW + timedelta(seconds=5)

    assert after(CLAIMED, example(MessageFailed, retry_at=later)) == Wait(later)
    assert after(CLAIMED, example(MessageFailed, retry_at=later), now=later) == Claim(2)


def test_a_refused_delivery_is_not_repeated_after_it_expired() -> None:
    decision = after(CLAIMED, TO_RETRY, now=DUE.expires_at)

    assert isinstance(decision, Record)
    assert decision.event.reason == "expired"


def test_a_claim_without_an_outcome_is_left_alone_while_its_sender_may_be_at_work() -> None:
    assert after(CLAIMED, now=SLOT + timedelta(seconds=29)) == Wait(SLOT + QUARANTINE)


def test_a_claim_without_an_outcome_is_looked_up_and_not_guessed() -> None:
    assert after(CLAIMED, now=SLOT + QUARANTINE) == Look(CLAIMED)
    assert after(CLAIMED, now=DUE.expires_at + timedelta(days=1)) == Look(CLAIMED)


def test_a_message_that_was_found_is_sent_since_telegram_took_it() -> None:
    found = Found(-100, 43, SLOT + timedelta(seconds=2))

    event = looked(DUE, CLAIMED, found, NOW)

    assert isinstance(event, MessageSent)
    assert (event.message_id, event.reconciled, event.latency_ms) == (43, True, 2_000)
    assert event.sent_at == found.posted_at
    assert after(CLAIMED, event) == Done()


def test_a_message_that_is_not_there_is_sent_again_while_it_has_time() -> None:
    event = looked(DUE, CLAIMED, Absent(), NOW)

    assert isinstance(event, MessageFailed)
    assert (event.failure, event.retry_at) == ("lost", NOW)
    assert after(CLAIMED, event) == Claim(2)
    expired = after(CLAIMED, event, now=DUE.expires_at)
    assert isinstance(expired, Record)
    assert expired.event.reason == "expired"


def test_what_cannot_be_looked_up_is_uncertain_and_says_why() -> None:
    event = looked(DUE, CLAIMED, CannotTell("no audit chat"), NOW)

    assert isinstance(event, MessageUncertain)
    assert (event.policy, event.description) == (DUE.on_uncertain, "no audit chat")


def test_a_held_delivery_is_sent_when_a_person_gives_it_back() -> None:
    held = example(MessageUncertain, policy="hold")
    back = lost(DUE, 1, NOW, "posted again by owner")

    assert after(CLAIMED, held) == Done()
    assert after(CLAIMED, held, back) == Claim(2)


def test_a_send_that_might_end_after_the_quarantine_is_not_begun() -> None:
    assert may_still_post(CLAIMED, SLOT + timedelta(seconds=9), QUARANTINE)
    assert not may_still_post(CLAIMED, SLOT + timedelta(seconds=10), QUARANTINE)


@pytest.mark.parametrize(
    ("policy", "expected"), [("hold", Done()), ("drop", Done()), ("resend", Claim(2))]
)
def test_the_policy_decides_about_an_uncertain_send(policy: str, expected: Decision) -> None:
    unsure = example(MessageUncertain, policy=policy)

    assert after(CLAIMED, unsure) == expected


def test_a_resend_waits_for_a_late_word_of_whoever_was_thought_lost() -> None:
    unsure = example(MessageUncertain, policy="resend")

    assert after(CLAIMED, unsure, said_at=NOW) == Wait(NOW + QUARANTINE)
    assert after(CLAIMED, unsure, SENT, said_at=NOW, now=NOW + QUARANTINE) == Done()


def test_a_message_that_was_found_to_be_sent_stays_sent_whatever_was_uncertain() -> None:
    resend = example(MessageUncertain, policy="resend")

    assert after(CLAIMED, SENT, resend) == Done()
    assert after(CLAIMED, resend, SENT) == Done()


def test_an_outcome_of_an_older_attempt_says_nothing_about_the_present_one() -> None:
    second = example(MessageClaimed, attempt=2, claimed_at=NOW)

    assert after(CLAIMED, TO_RETRY, second, TO_RETRY) == Wait(NOW + QUARANTINE)


@given(st.lists(st.sampled_from([CLAIMED, TO_RETRY, UNCERTAIN, FAILED, SENT, SKIPPED])))
def test_nothing_is_tried_again_once_it_was_sent(ledger: list[Event]) -> None:
    assert after(*ledger, SENT) == Done()


def test_telegrams_own_pause_is_kept_as_it_is() -> None:
    refused = Refused("rate_limited", "", timedelta(seconds=7))

    assert [pause_before_retry(refused, n, 0.9) for n in (1, 5)] == [timedelta(seconds=7)] * 2


def test_a_pause_of_our_own_doubles_up_to_five_minutes() -> None:
    refused = Refused("not_connected", "", timedelta(seconds=2), growing=True)

    pauses = [pause_before_retry(refused, attempt, 0) for attempt in (1, 2, 3, 50)]

    assert pauses == [timedelta(seconds=seconds) for seconds in (2, 4, 8, 300)]
    assert pause_before_retry(refused, 1, 1) == timedelta(seconds=1.5)


def test_what_is_refused_for_good_is_not_tried_again() -> None:
    assert pause_before_retry(Refused("target", ""), 1, 0) is None


def test_a_name_that_no_bot_has_is_said_once_nobody_with_that_bot_takes_over() -> None:
    planned = DUE.planned_at

    assert without_bot(DUE, 1, planned) == Wait(planned + timedelta(minutes=2))
    word = without_bot(DUE, 1, planned + timedelta(minutes=2))

    assert isinstance(word, MessageFailed)
    assert (word.failure, word.attempt, word.retry_at) == ("no_bot", 1, None)
    assert "called main" in word.description
    assert "TELEGRAM_BOT_TOKENS" in word.description


def test_it_is_said_at_once_where_the_delivery_would_not_live_to_see_a_change() -> None:
    soon = DUE.model_copy(update={"expires_at": DUE.planned_at + timedelta(minutes=1)})

    assert isinstance(without_bot(soon, 1, soon.planned_at), MessageFailed)


def test_a_delivery_without_a_bot_is_over_though_nothing_was_claimed() -> None:
    word = without_bot(DUE, 1, NOW + timedelta(minutes=9))
    assert isinstance(word, MessageFailed)

    assert after(word) == Done()
    assert after(CLAIMED, UNCERTAIN, word) == Done()


def test_a_claim_of_a_bot_that_is_gone_cannot_be_looked_up() -> None:
    over = SLOT + QUARANTINE + timedelta(minutes=2)

    assert without_claimant(CLAIMED, SLOT + QUARANTINE, QUARANTINE) == Wait(over)
    finding = without_claimant(CLAIMED, over, QUARANTINE)

    assert isinstance(finding, CannotTell)
    assert str(CLAIMED.bot_id) in finding.why


@pytest.mark.parametrize(
    ("ledger", "attempt"),
    [
        ((), 1),
        ((CLAIMED, TO_RETRY), 2),
        ((CLAIMED, example(MessageUncertain, policy="resend")), 2),
        ((CLAIMED,), None),
        ((CLAIMED, UNCERTAIN), None),
        ((CLAIMED, FAILED), None),
        ((CLAIMED, SENT), None),
        ((SKIPPED,), None),
    ],
    ids=["new", "to retry", "resend", "looked for anyway", "dropped", "refused", "sent", "skipped"],
)
def test_a_restored_log_may_lack_the_next_attempt_where_there_can_be_one(
    ledger: tuple[Event, ...], attempt: int | None
) -> None:
    assert unsaid_attempt(fold((event, NOW) for event in ledger)) == attempt
