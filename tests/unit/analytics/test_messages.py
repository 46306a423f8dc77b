"""A message is named and kept whatever stands in it."""

import json

import pytest

from analytics.domain.messages import Message, decode, quarantined
from contracts.envelope import Envelope
from contracts.events import CtaClicked
from contracts.examples import SLOT, example

DOCUMENT = json.loads(
    Envelope.of(example(CtaClicked), source="/test", now=SLOT, cause=None).document()
)


def identity(data: bytes) -> str:
    return decode(Message(1, "cta.clicked.1", {}, data)).identity


def test_an_event_that_this_version_cannot_read_has_the_name_that_another_version_gives_it() -> (
    None
):
    known, unknown = DOCUMENT, {**DOCUMENT, "type": "fingerpost.cta.clicked.v9"}

    assert identity(json.dumps(unknown).encode()) == identity(json.dumps(known).encode())


@pytest.mark.parametrize(
    "data", [b"", b"\xff", b"[" * 100_000, b'"id"', b'{"id": 1}', b'{"id":""}']
)
def test_what_has_no_id_is_named_by_its_bytes(data: bytes) -> None:
    assert identity(data).startswith("hash:")
    assert identity(data) != identity(data + b" ")


def test_nothing_that_postgres_refuses_stands_in_a_name_or_a_kept_message() -> None:
    kept = quarantined(Message(1, "odd.\0", {"odd": "\0"}, b"\0"), "\0 \ud800")

    assert (
        identity(json.dumps({**DOCUMENT, "id": "nul \0"}).encode())
        == "nul \N{REPLACEMENT CHARACTER}"
    )
    assert "\0" not in kept.subject + kept.headers + kept.reason
    assert kept.reason.encode().decode() == kept.reason
