"""A tap that is read fast is the tap that its model reads; what looks odd is the model's."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.domain.messages import Message, decode
from analytics.domain.taps import read_tap
from contracts.envelope import Envelope, UnreadableEventError
from contracts.events import CtaClicked, Event
from contracts.examples import SLOT, example

ENVELOPE = Envelope.of(example(CtaClicked), source="/test", now=SLOT, cause=None)
DOCUMENT = ENVELOPE.document()
PARTS: dict[str, Any] = json.loads(DOCUMENT)
TIMES = (
    "2026-03-01T12:00:00.123456Z",
    "2026-03-01T12:00:00.1234567Z",
    "2026-03-01 12:00:00z",
    "2026-03-01T12:00:00+00:00",
    "2026-03-01T12:00:00+02:00",
    "0001-01-01T00:00:00+05:00",
    "2026-03-01T12:00:00",
    "2026-03-01T12:00:60Z",
    "2026-W09-7T12:00:00Z",
    "2026-03-01",
    "1772366400",
    1772366400,
)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 101),
    st.sampled_from([2**63, -(2**70), 1.0, 0.5]),
    st.text(max_size=5),
    st.sampled_from(["x" * 256, "x" * 257, "\0", "\ud800", "callback", "robot", "1.0", *TIMES]),
    st.just([]),
    st.just({}),
)


def by_the_model(document: bytes) -> tuple[Any, ...] | None:
    try:
        said = Envelope.parse(document)
    except UnreadableEventError:
        return None
    return said.id, said.time, said.correlationid, said.data


def with_part(path: tuple[str, ...], value: object) -> bytes:
    parts = {**PARTS, "data": dict(PARTS["data"])}
    within = parts
    for name in path[:-1]:
        within = within[name]
    within[path[-1]] = value
    return json.dumps(parts).encode()


PATHS = [*((name,) for name in PARTS), *(("data", name) for name in PARTS["data"]), ("new",)]


def test_what_the_publisher_writes_is_read_fast() -> None:
    read = read_tap(DOCUMENT)

    assert read is not None
    assert tuple(read) == (ENVELOPE.id, ENVELOPE.time, ENVELOPE.correlationid, ENVELOPE.data)
    assert read.data.model_dump_json() == ENVELOPE.data.model_dump_json()
    assert read.data.model_copy(update={"rule": 9}).rule == 9
    assert set(PARTS) | {"data"} == {*type(ENVELOPE).model_fields}


@given(st.sampled_from(PATHS), VALUES)
def test_whatever_stands_in_a_field_it_is_read_as_by_the_model_or_left_to_it(
    path: tuple[str, ...], value: object
) -> None:
    document = with_part(path, value)

    read = read_tap(document)

    assert read is None or tuple(read) == by_the_model(document)


@pytest.mark.parametrize("time", TIMES)
@pytest.mark.parametrize("path", [("time",), ("data", "clicked_at")])
def test_a_moment_is_the_same_to_the_microsecond(path: tuple[str, ...], time: object) -> None:
    document = with_part(path, time)

    read = read_tap(document)

    assert read is None or tuple(read) == by_the_model(document)


@given(st.integers(0, len(DOCUMENT) - 1), st.binary(max_size=3), st.integers(0, 3))
def test_whatever_became_of_the_bytes_they_are_read_as_by_the_model_or_left_to_it(
    at: int, new: bytes, gone: int
) -> None:
    document = DOCUMENT[:at] + new + DOCUMENT[at + gone :]

    read = read_tap(document)

    assert read is None or tuple(read) == by_the_model(document)


def test_of_a_name_that_comes_twice_the_same_one_counts() -> None:
    document = DOCUMENT.replace(b'"rule":1', b'"rule":1,"rule":2')

    read = read_tap(document)

    assert read is None or tuple(read) == by_the_model(document)


@given(st.sampled_from(PATHS), VALUES)
def test_what_is_left_to_the_model_is_as_it_says(path: tuple[str, ...], value: object) -> None:
    document = with_part(path, value)

    said = decode(Message(1, ENVELOPE.subject, b"", document)).event

    assert (said and (said.id, said.time, said.correlationid, said.data)) == by_the_model(document)


def test_every_field_of_a_tap_is_known_so_that_none_makes_it_slow() -> None:
    full = CtaClicked.model_validate(
        {**PARTS["data"], "agent": "a", "ahead": True, "message_id": None, "user_id": None}
    )
    document = ENVELOPE.model_copy(update={"data": full}).document()
    empty: list[Event] = [example(CtaClicked, agent=None), full]

    assert all(read_tap(ENVELOPE.model_copy(update={"data": e}).document()) for e in empty)
    assert json.loads(document)["data"].keys() == CtaClicked.model_fields.keys()
