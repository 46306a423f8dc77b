"""The address of a page: what it asks for, and what is refused."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.domain.filters import (
    BadFilterError,
    Cursor,
    Filter,
    aspect,
    cursor,
    person,
    read,
    span,
)

NOW = datetime(2026, 3, 29, 12, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def test_nothing_asked_is_the_last_thirty_days_in_utc() -> None:
    asked = read({})

    assert asked == Filter()
    assert span(asked, NOW).start == NOW - timedelta(days=30)
    assert asked.query() == ""


def test_days_are_whole_days_of_the_zone_and_win_over_the_period() -> None:
    # Summer time began in Berlin on 29 March 2026: the day ends at 22:00 UTC.
    asked = read({"since": "2026-03-28", "until": "2026-03-29", "zone": "Europe/Berlin"})

    found = span(asked, NOW)

    assert found.start == datetime(2026, 3, 27, 23, tzinfo=UTC)
    assert found.end == datetime(2026, 3, 29, 22, tzinfo=UTC)


def test_an_address_says_what_is_not_usual_and_can_be_read_back() -> None:
    asked = read({"period": "7d", "campaign": "promos", "channel": "@markets", "kind": ""})

    assert asked.query() == "period=7d&campaign=promos&channel=%40markets"
    assert asked.query(campaign="", period="30d") == "channel=%40markets"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"period": "31d"}, "period"),
        ({"kind": "advert"}, "kind"),
        ({"campaign": "a b"}, "campaign"),
        ({"campaign": "'; DROP TABLE clicks; --"}, "campaign"),
        ({"channel": "markets"}, "channel"),
        ({"zone": "Mars/Olympus"}, "zone"),
        ({"zone": "../../etc/passwd"}, "zone"),
        ({"zone": "/etc/passwd"}, "zone"),
        ({"zone": "Europe"}, "zone"),
        ({"since": "yesterday"}, "since"),
        ({"since": "20260301"}, "since"),
        ({"until": "9999-12-31"}, "until"),
        ({"until": "0001-01-01"}, "until"),
        ({"since": "2026-03-02", "until": "2026-03-01"}, "since"),
    ],
)
def test_a_bad_value_is_refused_by_name(query: dict[str, str], field: str) -> None:
    with pytest.raises(BadFilterError) as refused:
        read(query)

    assert refused.value.field == field
    assert refused.value.remedy


@pytest.mark.parametrize("text", ["", "0", "-1", "1e3", "9" * 19, "9" * 20, "٣", "1 OR 1=1"])
def test_no_person_has_such_an_id(text: str) -> None:
    with pytest.raises(BadFilterError):
        person(text)


def test_an_unknown_state_of_deliveries_is_refused() -> None:
    assert aspect("late") == "late"
    with pytest.raises(BadFilterError):
        aspect("lost")


@given(
    st.integers(0, 220_000_000_000).map(lambda second: EPOCH + timedelta(seconds=second)),
    st.from_regex(r"[a-v0-9]{26}", fullmatch=True),
)
def test_a_cursor_is_read_as_it_was_written(at: datetime, key: str) -> None:
    assert cursor(str(Cursor(at, key))) == Cursor(at, key)


@given(st.text(min_size=1))
def test_any_other_text_is_refused_as_a_cursor(text: str) -> None:
    found = None
    with suppress(BadFilterError):
        found = cursor(text)

    assert found is None or str(found) == text
