"""The fold of events into rows: precedence, and independence of how the log is cut."""

import dataclasses
from itertools import permutations
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics.domain import rows as made
from analytics.domain.fold import Tables, fold
from analytics.domain.rows import DeliveryRow
from analytics.schema.tables import TABLES
from contracts.envelope import Envelope
from contracts.events import (
    CampaignDefined,
    CampaignPaused,
    CampaignResumed,
    CampaignRetired,
    CtaClicked,
    Event,
    MessageClaimed,
    MessageFailed,
    MessageSent,
    MessageSkipped,
    MessageUncertain,
    MessageWithdrawn,
    PromoDue,
)
from contracts.examples import PROMO_DELIVERY, SLOT, example
from harness.histories import cuts, enveloped, histories, plan
from harness.plain_fold import numbered, tables_of

DUE = example(PromoDue)
CLAIMED = example(MessageClaimed)
UNCERTAIN = example(MessageUncertain)
FAILED = example(MessageFailed, retry_at=None)
WILL_RETRY = example(MessageFailed)
CLAIMED_AGAIN = example(MessageClaimed, attempt=2)
SKIPPED = example(MessageSkipped)
SENT = example(MessageSent)

UNTIMED = settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])


def folded(runs: list[list[Envelope]]) -> Tables:
    """Fold run after run, as the store does: rows of the run replace, an event's row stays."""
    all_rows, place = Tables(), 1
    for run in runs:
        new = fold(all_rows, numbered(run, place))
        place += len(run)
        for name in ("clicks", "starts", "conversions"):
            present = getattr(all_rows, name)
            for key in [k for k, row in present.items() if _forgotten(row, new.replaced)]:
                del present[key]
        for table in dataclasses.fields(Tables):
            present, made = getattr(all_rows, table.name), getattr(new, table.name)
            if table.name == "replaced":
                continue
            changes = table.name in {"campaigns", "variants", "deliveries"}
            setattr(all_rows, table.name, {**present, **made} if changes else {**made, **present})
    return all_rows


def _forgotten(row: Any, replaced: set[int]) -> bool:
    return row.sequence in replaced and (row.user_id or 0) > 0


def rows(tables: Tables) -> dict[str, set[tuple[object, ...]]]:
    return {
        name: {tuple(row) for row in getattr(tables, name).values()}
        for name in ("campaigns", "variants", "deliveries", "clicks", "starts", "conversions")
    }


def delivery_after(*events: Event) -> DeliveryRow:
    return fold(Tables(), numbered(enveloped(list(events)))).deliveries[PROMO_DELIVERY]


@given(histories(), st.lists(st.integers(0, 1_000), max_size=6))
@UNTIMED
def test_any_cut_of_the_log_gives_the_tables_of_the_plain_fold(
    history: list[Envelope], places: list[int]
) -> None:
    expected = tables_of(numbered(history))
    del expected["stretches"]  # the database packs them
    assert rows(folded(cuts(history, places))) == expected


@given(histories(), st.integers(0, 1_000))
@UNTIMED
def test_acts_and_messages_that_come_again_change_nothing(
    history: list[Envelope], place: int
) -> None:
    again = [e for e in history[place % (len(history) + 1) :] if "campaign." not in e.id]

    assert rows(folded([history, again])) == rows(folded([history]))


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ([DUE], "due"),
        ([DUE, CLAIMED], "claimed"),
        ([DUE, CLAIMED, UNCERTAIN], "uncertain"),
        ([DUE, CLAIMED, FAILED], "failed"),
        ([DUE, CLAIMED, WILL_RETRY], "due"),
        ([DUE, CLAIMED, WILL_RETRY, CLAIMED_AGAIN], "claimed"),
        ([DUE, SKIPPED], "skipped"),
        ([DUE, CLAIMED, FAILED, SKIPPED], "skipped"),
        ([DUE, SKIPPED, CLAIMED, SENT], "sent"),
        ([DUE, CLAIMED, UNCERTAIN, SENT], "sent"),
    ],
)
def test_a_delivery_s_state_is_the_same_in_whatever_order_its_facts_come(
    events: list[Event], state: str
) -> None:
    assert {delivery_after(*order).state for order in permutations(events)} == {state}


def test_a_late_uncertainty_does_not_undo_sent() -> None:
    row = delivery_after(DUE, CLAIMED, SENT, UNCERTAIN)

    assert (row.state, row.reason, row.message_id) == ("sent", None, 42)


@pytest.mark.parametrize("action", ["edit", "delete", "unpin"])
def test_a_message_that_is_withdrawn_later_was_sent_all_the_same(action: str) -> None:
    withdrawn = example(MessageWithdrawn, action=action)

    row = delivery_after(DUE, CLAIMED, SENT, withdrawn)

    assert (row.state, row.sent_at) == ("sent", SENT.sent_at)
    assert (row.withdrawal, row.withdrawn_at) == (action, withdrawn.withdrawn_at)


def test_a_failure_that_will_be_retried_says_why_and_when() -> None:
    row = delivery_after(DUE, CLAIMED, WILL_RETRY)

    assert (row.state, row.reason, row.attempts) == ("due", "rate_limited", 1)
    assert row.retry_at == WILL_RETRY.retry_at


def test_the_day_is_told_by_the_campaign_s_zone() -> None:
    defined = example(
        CampaignDefined, campaign="promos", definition=plan("promos", zone="Pacific/Auckland")
    )

    assert delivery_after(DUE).day == SLOT.date()
    assert str(delivery_after(defined, DUE).day) == "2026-03-02"


def test_a_campaign_stays_paused_when_it_is_defined_anew_and_comes_back_when_it_was_retired() -> (
    None
):
    def state(*events: Event) -> str:
        return fold(Tables(), numbered(enveloped(list(events)))).campaigns["guides"].state

    defined = example(CampaignDefined, revision=2)
    assert state(example(CampaignPaused), defined) == "paused"
    assert state(example(CampaignRetired), defined) == "active"
    assert state(example(CampaignPaused), example(CampaignResumed)) == "active"


def test_a_repeated_event_makes_one_row_and_a_repeated_tap_makes_two() -> None:
    tap, other = example(CtaClicked), example(CtaClicked, source_id="another")

    assert len(fold(Tables(), numbered(enveloped([tap, tap, other]))).clicks) == 2


def test_every_row_has_the_columns_of_its_table_in_their_order() -> None:
    kinds = {
        "campaigns": made.CampaignRow,
        "variants": made.VariantRow,
        "deliveries": made.DeliveryRow,
        "clicks": made.ClickRow,
        "starts": made.StartRow,
        "conversions": made.ConversionRow,
        "forgotten": made.ForgottenRow,
        "stretches": made.StretchRow,
        "quarantine": made.QuarantineRow,
    }

    assert {t.name: tuple(c.name for c in t.columns) for t in TABLES} == {
        name: kind._fields for name, kind in kinds.items()
    }
