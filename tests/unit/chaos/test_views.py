"""What the checker makes of the tables of the small run, against what a person counts in them."""

from typing import Any

import pytest

from harness.recorded import FOUND, GUIDE_A, PROMO, A, B, shown, small_run

VIEWS = shown(small_run().tables)


def columns(view: str, *names: str) -> set[tuple[Any, ...]]:
    return {tuple(row[name] for name in names) for row in VIEWS[view]}


def test_people_are_counted_once_over_channels_and_days() -> None:
    names = ("variant", "sent", "audience", "clicks", "unique_clickers", "conversions")

    assert columns("variant_performance", *names) == {
        ("v0", 3, 300, 2, 0, 1),
        ("v1", 1, 100, 0, 0, 0),
        ("p0", 1, 100, 2, 1, 1),
    }


def test_channels_have_what_all_campaigns_brought_there() -> None:
    names = ("channel", "sent", "clicks", "starts", "converters")

    assert columns("channel_performance", *names) == {(A, 4, 4, 1, 1), (B, 1, 0, 0, 0)}


def test_each_step_of_the_funnel_is_a_part_of_the_last() -> None:
    names = ("variant", "sent", "clickers", "starters", "converters")

    assert columns("funnel", *names) == {
        ("p0", 1, 1, 1, 1), ("v0", 3, 0, 0, 0), ("v1", 1, 0, 0, 0)
    }  # fmt: skip


def test_what_was_planned_is_told_by_state() -> None:
    names = ("campaign", "planned", "sent", "missed", "skipped", "uncertain", "late_worst_ms")

    assert columns("schedule_health", *names) == {
        ("guides", 6, 4, 1, 1, 0, 17000),
        ("promos", 2, 1, 0, 0, 1, 500),
    }


def test_a_token_and_a_link_credit_their_delivery_and_a_refund_that_of_its_payment() -> None:
    assert columns("attribution", "conversion", "model", "delivery") == {
        (f"conversion.recorded.{name}", model, delivery)
        for name, delivery in (
            ("stars.charge-1", PROMO), ("shop.order-1", GUIDE_A), ("shop.back-1", GUIDE_A)
        )
        for model in ("first", "last", "linear")
    }  # fmt: skip


def test_a_journey_has_what_known_people_did() -> None:
    assert sorted(row["what"] for row in VIEWS["user_journey"]) == [
        "click", "click", "payment", "start"
    ]  # fmt: skip
    assert {row["user_id"] for row in VIEWS["user_journey"]} == {501}


def test_a_rate_has_the_interval_of_wilson() -> None:
    (row,) = (row for row in VIEWS["promo_conversion"] if row["variant"] == "p0")

    assert row["conversion_rate"] == 1
    assert row["conversion_rate_low"] == pytest.approx(0.2065493)
    assert row["conversion_rate_high"] == 1
    assert row["click_through_rate"] == pytest.approx(0.01)


def test_a_message_that_was_found_late_counts_as_any_other() -> None:
    assert FOUND in {row["delivery"] for row in VIEWS["deliveries"]}
    assert columns("guide_engagement", "variant", "channel", "sent") == {
        ("v0", A, 2), ("v0", B, 1), ("v1", A, 1)
    }  # fmt: skip
