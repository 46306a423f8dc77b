"""Durations as people write them."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from contracts.durations import Duration

duration = TypeAdapter(Duration)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("4h", timedelta(hours=4)),
        ("1h30m", timedelta(minutes=90)),
        ("1h 30m", timedelta(minutes=90)),
        ("45s", timedelta(seconds=45)),
        ("2d", timedelta(days=2)),
        ("PT4H", timedelta(hours=4)),
        (90, timedelta(seconds=90)),
    ],
)
def test_a_duration_is_read_as_people_write_it(written: Any, meant: timedelta) -> None:
    assert duration.validate_python(written) == meant


@pytest.mark.parametrize("written", ["", "4", "h", "-4h", "4 hours", "1.5h", "1m1h", "٤h", None])
def test_anything_else_says_how_to_write_one(written: Any) -> None:
    with pytest.raises(ValidationError, match=r"4h, 1h30m or 45s|valid timedelta"):
        duration.validate_python(written)


@pytest.mark.parametrize("written", ["999999999d23h", "9" * 30 + "d", "9" * 5_000 + "s"])
def test_an_absurd_duration_is_an_error_of_the_file_and_not_a_crash(written: str) -> None:
    try:
        read = duration.validate_python(written)
    except ValidationError:
        return

    assert read < timedelta.max


@given(st.text(alphabet="0123456789dhms PT-", max_size=20))
def test_any_text_is_a_duration_or_a_validation_error(text: str) -> None:
    try:
        read = duration.validate_python(text)
    except ValidationError:
        return

    assert duration.validate_json(duration.dump_json(read)) == read
