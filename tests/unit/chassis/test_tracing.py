"""Traces cost nothing while there is no collector, and stand under ids that can be computed."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest

from chassis import telemetry, tracing
from chassis.log import handling
from chassis.telemetry import Telemetry, trace_id
from contracts.envelope import Envelope
from contracts.events import PromoDue
from contracts.examples import PROMO_DELIVERY, SLOT, example
from harness.collectors import Collector, collecting

ENVELOPE = Envelope.of(example(PromoDue), source="/test", now=SLOT, cause=None)


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    # All is told before the end: the collector answers, however slow the machine.
    monkeypatch.setattr(telemetry, "_STOP_SECONDS", 60.0)
    with collecting() as collector:
        monkeypatch.setattr(tracing, "_tracer", Telemetry("probe", "0", collector.url))
        yield collector


def test_nothing_of_opentelemetry_is_imported_without_a_collector() -> None:
    # FastStream looks whether it is installed, which imports two empty packages.
    look = "import sys, chassis.service; print([m for m in sys.modules if 'opentelemetry.' in m])"

    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)

    assert done.stdout in {"[]\n", "['opentelemetry.semconv']\n"}


def test_one_module_knows_opentelemetry() -> None:
    root = Path(__file__).parents[3]
    sources = [*root.glob("contracts/src/**/*.py"), *root.glob("services/*/src/**/*.py")]

    assert [path.name for path in sources if "import opentelemetry" in path.read_text()] == []
    assert [path.name for path in sources if "from opentelemetry" in path.read_text()] == [
        "telemetry.py"
    ]


def test_without_a_collector_there_is_neither_span_nor_header() -> None:
    with handling(ENVELOPE), tracing.span("post"):
        assert tracing.carried() == {}


def test_a_collector_without_the_sdk_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    monkeypatch.delitem(sys.modules, "chassis.telemetry")

    with pytest.raises(SystemExit) as ended:
        tracing.start("sender", "0", "http://127.0.0.1:4318")

    assert ended.value.code == 78
    assert capsys.readouterr().err.startswith("OTEL_EXPORTER_OTLP_ENDPOINT: cannot trace without")


def test_a_trace_goes_on_where_the_message_was_published(collector: Collector) -> None:
    with tracing.span("publish", kind="producer", correlation=PROMO_DELIVERY):
        headers = tracing.carried()
    with handling(ENVELOPE, headers), tracing.span("post", kind="client"):
        pass
    tracing.stop()

    spans = {span.name: span for span in collector.spans}
    published, post = spans["publish"], spans["post"]
    handled = spans["handle fingerpost.promo.due.v1"]
    assert headers == {"traceparent": f"00-{published.trace}-{published.id}-03"}  # sampled, random
    assert (published.parent, handled.parent, post.parent) == ("", published.id, handled.id)
    assert {span.trace for span in spans.values()} == {f"{trace_id(PROMO_DELIVERY):032x}"}
    assert handled.attributes == {
        "fingerpost.correlation_id": PROMO_DELIVERY,
        "messaging.destination.name": ENVELOPE.subject,
    }


@pytest.mark.parametrize("header", [{}, {"traceparent": "nonsense"}, {"traceparent": ""}])
def test_without_a_header_that_can_be_read_the_trace_is_found_by_the_correlation_id(
    collector: Collector, header: dict[str, str]
) -> None:
    with handling(ENVELOPE, header):
        pass
    tracing.stop()

    [handled] = collector.spans
    assert (handled.trace, handled.parent) == (f"{trace_id(PROMO_DELIVERY):032x}", "")


def test_what_fails_within_a_span_is_told_and_goes_on_its_way(collector: Collector) -> None:
    with pytest.raises(KeyError), tracing.span("post", correlation="a"):
        raise KeyError("b")
    with tracing.span("other", correlation="b"):
        pass
    tracing.stop()

    assert [span.trace for span in collector.spans] == [f"{trace_id(one):032x}" for one in "ab"]


def test_events_that_were_said_untraced_make_no_spans_of_their_own(collector: Collector) -> None:
    tracing.folded([tracing.Row("promo.due.x", "x", {})], 0.1)
    tracing.stop()

    [batch] = collector.spans
    assert (batch.name, batch.links, batch.nanoseconds) == ("fold a batch", (), 100_000_000)


def test_a_collector_that_does_not_answer_holds_up_the_end_for_seconds_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(telemetry, "_STOP_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        tracer = Telemetry("probe", "0", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with tracer.span("post", "client", "a", None, {}):
            pass
        begun = monotonic()
        tracer.stop()
        waited = monotonic() - begun
        answer(silent)

    assert waited < 8  # whoever waits for the answer waits 10 s


def answer(silent: socket.socket) -> None:
    """Let what waits for an answer end: it would ask again and again while other tests run."""
    connection, _ = silent.accept()
    with connection:
        connection.recv(1)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
