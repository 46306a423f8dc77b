"""Ids are derived: the same everywhere, different where anything differs, safe in a subject."""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from contracts.ids import Channel, Instant, delivery_id, person_token, subject_token

SLOT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_delivery_has_the_same_id_in_every_replica_and_for_ever() -> None:
    assert delivery_id("guides", "-100", SLOT) == "j7fi4i20f03kmv6ovfkotfu510"


def test_the_same_moment_in_another_zone_is_the_same_delivery() -> None:
    berlin = SLOT.astimezone(timezone(timedelta(hours=1)))

    assert delivery_id("guides", "-100", berlin) == delivery_id("guides", "-100", SLOT)


def test_campaign_channel_and_moment_each_make_another_delivery() -> None:
    ids = {
        delivery_id("guides", "-100", SLOT),
        delivery_id("promos", "-100", SLOT),
        delivery_id("guides", "-1001", SLOT),
        delivery_id("guides", "-100", SLOT + timedelta(microseconds=1)),
    }

    assert len(ids) == 4
    assert all(re.fullmatch(r"[0-9a-v]{26}", delivery) for delivery in ids)


@given(st.text(st.characters(codec="utf-8"), max_size=100))
def test_any_text_becomes_one_safe_subject_token(text: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", subject_token(text))


@given(st.sets(st.text(st.characters(codec="utf-8"), max_size=20), min_size=2, max_size=5))
def test_different_texts_become_different_tokens(some: set[str]) -> None:
    assert len({subject_token(text) for text in some}) == len(some)


def test_a_safe_text_stays_readable() -> None:
    assert subject_token("order_17-B") == "order_17-B"


def test_an_unknown_person_is_anonymous() -> None:
    assert person_token(None) == "anon"
    assert person_token(7_000_000_001) == "7000000001"


@pytest.mark.parametrize(
    ("written", "channel"),
    [
        (-1001234567890, "-1001234567890"),
        ("-1001234567890", "-1001234567890"),
        (42, "42"),
        ("@fingerpost", "@fingerpost"),
        ("@FingerPost", "@fingerpost"),
        ("-0042", "-42"),
        (-(2**63) + 1, "-9223372036854775807"),
    ],
)
def test_a_channel_is_a_chat_id_or_a_public_name(written: Any, channel: str) -> None:
    assert TypeAdapter(Channel).validate_python(written) == channel


@pytest.mark.parametrize(
    "written",
    [2**63, "", "fingerpost", "@ab", "@1abc", "-", "1.5", "-100\n", "٣", True, 1.5, None, "a.*"],
)
def test_anything_else_is_no_channel(written: Any) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Channel).validate_python(written)


def test_an_instant_is_always_utc() -> None:
    instant = TypeAdapter(Instant).validate_python("2026-03-01T13:00:00+01:00")

    assert instant == SLOT
    assert instant.tzinfo is UTC


@pytest.mark.parametrize("written", ["2026-03-01T12:00:00", "0001-01-01T00:00:00+14:00", "soon"])
def test_a_naive_or_impossible_instant_is_refused(written: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Instant).validate_python(written)
