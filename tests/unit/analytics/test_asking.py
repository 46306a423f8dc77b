"""What a program asks for is read, or refused with the field and the remedy; cursors are opaque."""

from contextlib import suppress
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.domain.asking import PARAMETERS, read
from analytics.domain.filters import BadFilterError
from analytics.domain.paging import cursor, place

KNOWN = ("since", "until", "zone", "campaign", "user", "limit")
MOMENTS = st.datetimes(timezones=st.just(UTC))


def test_days_are_whole_and_told_by_the_zone() -> None:
    asked = read([("since", "2026-03-01"), ("until", "2026-03-01"), ("zone", "Asia/Tokyo")], KNOWN)

    assert asked["since"] == datetime(2026, 2, 28, 15, tzinfo=UTC)
    assert asked["until"] == datetime(2026, 3, 1, 15, tzinfo=UTC)


def test_instants_are_taken_as_they_are() -> None:
    asked = read([("since", "2026-03-01T12:00:00+02:00")], KNOWN)

    assert asked["since"] == datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert asked["limit"] == 100
    assert asked["user"] is None


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ([("limit", "0")], "limit"),
        ([("limit", "1001")], "limit"),
        ([("limit", "\u0661")], "limit"),
        ([("user", "9223372036854775808")], "user"),
        ([("user", "-5")], "user"),
        ([("campaign", "a b")], "campaign"),
        ([("since", "2026-03-01T12:00:00")], "since"),
        ([("since", "2026-W10-1")], "since"),
        ([("since", "1969-12-31")], "since"),
        ([("until", "9999-12-31")], "until"),
        ([("user", "1"), ("user", "1")], "user"),
        ([("usr", "1")], "usr"),
        ([("campaign", "")], "campaign"),
        ([("limit", "")], "limit"),
    ],
)
def test_what_cannot_be_used_is_named(query: list[tuple[str, str]], field: str) -> None:
    with pytest.raises(BadFilterError) as refused:
        read(query, KNOWN)

    assert refused.value.field == field
    assert refused.value.remedy


@given(st.text(max_size=80), st.sampled_from(sorted(PARAMETERS)))
def test_any_text_is_a_value_or_refused(text: str, name: str) -> None:
    with suppress(BadFilterError):
        assert read([(name, text)], (name,)).keys() == {name}


@given(MOMENTS, st.dates(), st.text(max_size=50))
def test_a_cursor_is_read_as_it_was_written_and_by_its_own_list_only(
    moment: datetime, day: date, name: str
) -> None:
    values = (moment, day, name.replace("\0", ""))
    written = cursor("clicks", values)

    assert place("clicks", ("moment", "day", "text"), written) == values
    with pytest.raises(BadFilterError):
        place("starts", ("moment", "day", "text"), written)


@given(st.text(max_size=100))
def test_any_other_text_is_no_cursor(text: str) -> None:
    with pytest.raises(BadFilterError):
        place("clicks", ("moment", "text"), text)
