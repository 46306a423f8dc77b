"""What a sender says of a due event that it could not handle."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import nats.errors
import pytest
from faststream.exceptions import NackMessage
from structlog.testing import capture_logs

from chassis.clock import utc_now
from contracts.envelope import Envelope
from contracts.events import PromoDue
from contracts.examples import example
from sender.handlers import Desk, Readable, _handle


class _Ledger:
    def __init__(self, error: Exception) -> None:
        self._error = error

    async def state_of(self, _: object) -> None:
        raise self._error


@pytest.mark.parametrize(
    ("error", "level"),
    [(nats.errors.TimeoutError(), "warning"), (TimeoutError(), "warning"), (KeyError(), "error")],
)
async def test_a_log_that_does_not_answer_is_no_error_of_ours(error: Exception, level: str) -> None:
    due = example(PromoDue, expires_at=utc_now())
    envelope = Envelope.of(due, source="/test", now=utc_now(), cause=None)
    message = SimpleNamespace(
        raw_message=SimpleNamespace(metadata=SimpleNamespace(num_delivered=1)), headers={}
    )
    desk = Desk(cast("Any", _Ledger(error)), {}, utc_now, timedelta(seconds=1), "test")

    with capture_logs() as said, pytest.raises(NackMessage) as later:
        await _handle(Readable(envelope, due), cast("Any", message), desk)

    assert [line["log_level"] for line in said] == [level]
    assert said[0].get("exc_info", False) is (level == "error")
    assert later.value.extra_options["delay"] > 1
