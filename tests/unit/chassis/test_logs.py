"""Logs are one JSON document a line, with the correlation id, and without secrets."""

import gc
import json
import logging
import sys
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import pytest
import structlog

from chassis import logs
from chassis.log import handling
from contracts.envelope import Envelope
from contracts.events import PromoDue
from contracts.examples import PROMO_DELIVERY, SLOT, example

TOKEN = "123456789:AAE-very-secret"


@pytest.fixture(autouse=True)
def output(monkeypatch: pytest.MonkeyPatch) -> Iterator[StringIO]:
    """Return what stands on standard output; everything is put back afterwards."""
    gc.collect()  # what an earlier test left unfinished is logged when it is found
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    written = StringIO()
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", written)
        logs.configure("sender", "sender-0", "info")
    yield written
    root.handlers[:] = before
    root.setLevel(level)
    logging.getLogger("httpx").setLevel(logging.NOTSET)
    structlog.contextvars.clear_contextvars()
    structlog.reset_defaults()


@pytest.fixture
def lines(output: StringIO) -> Callable[[], list[dict[str, Any]]]:
    return lambda: [json.loads(line) for line in output.getvalue().splitlines()]


def test_a_line_says_what_when_where_and_how_bad(lines: Any) -> None:
    logs.logger("sender.lane").warning("channel slow", channel="-100", seconds=3)

    [line] = lines()
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "channel slow",
        "channel": "-100",
        "seconds": 3,
        "level": "warning",
        "logger": "sender.lane",
        "service": "sender",
        "instance": "sender-0",
    }


def test_a_library_is_logged_in_the_same_shape(lines: Any) -> None:
    logging.getLogger("uvicorn.error").info("listening on %s", 8080)

    [line] = lines()
    assert line["event"] == "listening on 8080"
    assert line["service"] == "sender"


def test_what_is_logged_while_an_event_is_handled_carries_its_correlation_id(lines: Any) -> None:
    envelope = Envelope.of(example(PromoDue), source="/test", now=SLOT, cause=None)

    with handling(envelope):
        logs.logger("sender").info("sending")
        logging.getLogger("library").warning("slow")
    logs.logger("sender").info("done")

    assert [line.get("correlation_id") for line in lines()] == [
        PROMO_DELIVERY,
        PROMO_DELIVERY,
        None,
    ]


def test_an_exception_stays_on_its_line(lines: Any) -> None:
    logs.logger("sender").error("failed", exc_info=RuntimeError("two\nlines"))

    [line] = lines()
    assert "RuntimeError: two\nlines" in line["exception"]


def test_a_value_that_json_does_not_know_is_logged_all_the_same(lines: Any) -> None:
    logs.logger("sender").info("odd", value=SLOT, text="\ud800 \u2028")

    [line] = lines()
    assert "2026" in line["value"]


def test_less_than_the_level_is_not_logged(lines: Any) -> None:
    logs.logger("sender").debug("quiet")

    assert lines() == []


def test_the_bots_token_in_a_url_does_not_reach_the_log(
    output: StringIO,
) -> None:
    url = f"https://api.telegram.org/bot{TOKEN}/sendMessage"
    logging.getLogger("httpx").info("HTTP Request: POST %s", url)
    logging.getLogger("httpx").warning("slow")

    assert TOKEN not in output.getvalue()
    assert "slow" in output.getvalue()
