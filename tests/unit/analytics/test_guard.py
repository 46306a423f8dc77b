"""Whether the log is the one that the tables were folded from."""

from datetime import timedelta

import pytest

from analytics.domain.guard import Checkpoint, Stream, regression
from contracts.examples import SLOT

STANDS = Checkpoint(sequence=10, identity="ten", stream_created=SLOT)


def test_a_log_that_goes_on_is_accepted() -> None:
    assert regression(STANDS, Stream(SLOT, 10, "ten")) is None
    assert regression(STANDS, Stream(SLOT, 99, "ten")) is None


def test_any_log_is_accepted_before_anything_was_folded() -> None:
    assert regression(Checkpoint(), Stream(SLOT, 5, None)) is None


def test_a_message_deleted_on_purpose_is_no_loss() -> None:
    assert regression(STANDS, Stream(SLOT, 99, None)) is None


@pytest.mark.parametrize(
    ("stream", "said"),
    [
        (Stream(SLOT + timedelta(seconds=1), 99, "ten"), "created anew"),
        (Stream(SLOT, 9, None), "its tail was lost"),
        (Stream(SLOT, 99, "other"), "was written on"),
    ],
)
def test_a_log_that_lost_events_is_named_and_refused(stream: Stream, said: str) -> None:
    assert said in (regression(STANDS, stream) or "")
