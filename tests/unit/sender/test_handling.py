"""What a sender says of a due event that it could not handle."""

import asyncio
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import nats.errors
import pytest
from faststream.exceptions import NackMessage
from nats.js.errors import ServiceUnavailableError
from structlog.testing import capture_logs

from chassis.clock import utc_now
from chassis.log import LogSilentError, Publisher, Reader
from contracts.envelope import Envelope
from contracts.events import PromoDue
from contracts.examples import example
from sender.handlers import Desk, _handle
from sender.ledger import Ledger

SILENCE = [
    nats.errors.TimeoutError(),
    nats.errors.ConnectionClosedError(),
    TimeoutError(),
    OSError("no route"),
    ServiceUnavailableError(),
]


class _Away:
    """A JetStream that does not answer."""

    def __init__(self, error: Exception) -> None:
        self._error = error
        self._nc = self

    async def get_last_msg(self, *_: object, **__: object) -> None:
        raise self._error

    async def request(self, *_: object, **__: object) -> None:
        raise self._error


class _Broken:
    def __init__(self, error: Exception) -> None:
        self._error = error

    async def state_of(self, _: object) -> None:
        raise self._error


@pytest.mark.parametrize("error", SILENCE)
async def test_a_log_that_does_not_answer_is_no_error_of_ours(error: Exception) -> None:
    js = cast("Any", _Away(error))
    ledger = Ledger(Publisher(js, source="test"), Reader(js))

    assert await _said_of(ledger) == ["warning"]


@pytest.mark.parametrize("error", [KeyError(), TimeoutError(), OSError("no such file")])
async def test_what_did_not_come_from_the_log_is_not_its_silence(error: Exception) -> None:
    assert await _said_of(_Broken(error)) == ["error"]


@pytest.mark.parametrize("error", SILENCE)
async def test_a_log_that_does_not_say_its_time_is_silent(error: Exception) -> None:
    reader = Reader(cast("Any", _Away(error)))

    with pytest.raises(LogSilentError):
        await asyncio.wait_for(reader.time(), 5)


async def _said_of(ledger: object) -> list[str]:
    due = example(PromoDue, expires_at=utc_now())
    envelope = Envelope.of(due, source="/test", now=utc_now(), cause=None)
    message = SimpleNamespace(
        body=envelope.document(),
        raw_message=SimpleNamespace(metadata=SimpleNamespace(num_delivered=1)),
        headers={},
    )
    desk = Desk(cast("Any", ledger), {}, utc_now, timedelta(seconds=1), "test")

    with capture_logs() as said, pytest.raises(NackMessage) as later:
        await _handle(cast("Any", message), desk)

    assert later.value.extra_options["delay"] > 1
    assert said[0].get("exc_info", False) is (said[0]["log_level"] == "error")
    return [line["log_level"] for line in said]
