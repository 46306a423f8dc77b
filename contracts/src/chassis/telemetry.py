"""Spans by OpenTelemetry's SDK; imported only where there is a collector to tell.

Its other variables (`OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_TRACES_SAMPLER`, ...) are read by the SDK.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import blake2b
from time import time_ns

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import Link, SpanContext, SpanKind, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from chassis.tracing import HEADER, SUBJECT, Attributes, Headers, Kind, Row

_PATH = "/v1/traces"
_STOP_SECONDS = 3.0
_MOST_LINKS = 128
"""As many as the SDK keeps of a span."""
_KINDS = {
    "internal": SpanKind.INTERNAL,
    "client": SpanKind.CLIENT,
    "server": SpanKind.SERVER,
    "consumer": SpanKind.CONSUMER,
    "producer": SpanKind.PRODUCER,
}
_CORRELATION = "fingerpost.correlation_id"
_NOWHERE = Context()

_story: ContextVar[str | None] = ContextVar("story", default=None)


def trace_id(correlation: str) -> int:
    """Return the id of the trace in which everything with this correlation id stands."""
    return int.from_bytes(blake2b(correlation.encode(), digest_size=16).digest())


class _Ids(RandomIdGenerator):
    def generate_trace_id(self) -> int:
        story = _story.get()
        return trace_id(story) if story else super().generate_trace_id()


class Telemetry:
    """The tracer of one process; exports from a thread of its own, and drops what is too much."""

    def __init__(self, service: str, instance: str, endpoint: str) -> None:
        resource = Resource.create({"service.name": service, "service.instance.id": instance})
        self._provider = TracerProvider(
            resource=resource, id_generator=_Ids(), shutdown_on_exit=False
        )
        exporter = OTLPSpanExporter(endpoint=endpoint.rstrip("/") + _PATH)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("fingerpost")
        self._propagator = TraceContextTextMapPropagator()

    @contextmanager
    def span(
        self,
        name: str,
        kind: Kind,
        correlation: str | None,
        after: Headers | None,
        attributes: Attributes,
    ) -> Iterator[None]:
        """Measure the block."""
        told = {**attributes, _CORRELATION: correlation} if correlation else attributes
        within = get_current_span().get_span_context().is_valid
        context = None if within else self._after(after)
        token = _story.set(correlation)
        try:
            started = self._tracer.start_as_current_span(
                name, context, _KINDS[kind], attributes=told
            )
            with started:
                yield
        finally:
            _story.reset(token)

    def carried(self) -> dict[str, str]:
        """Return the headers of the span we are in."""
        headers: dict[str, str] = {}
        self._propagator.inject(headers)
        return headers

    def folded(self, batch: Sequence[Row], seconds: float) -> None:
        """Add a span to the trace of each event, and one of the batch, which links to them."""
        ended = time_ns()
        began = ended - round(seconds * 1e9)
        links = [Link(found) for row in batch if (found := self._published(row.headers))]
        whole = self._tracer.start_span(
            "fold a batch",
            _NOWHERE,
            SpanKind.CONSUMER,
            links=links[:_MOST_LINKS],
            start_time=began,
            attributes={"messaging.batch.message_count": len(batch)},
        )
        whole.end(ended)
        around = [Link(whole.get_span_context())]
        for row in batch:
            if HEADER not in row.headers:
                continue  # said while nothing was traced
            one = self._tracer.start_span(
                f"fold {'.'.join(row.subject.split('.', 2)[:2])}",
                self._after(row.headers),
                SpanKind.CONSUMER,
                links=around,
                start_time=began,
                attributes={_CORRELATION: row.correlation, SUBJECT: row.subject},
            )
            one.end(ended)

    def stop(self) -> None:
        """Export what is left; a collector that does not answer holds up the end no longer."""
        closing = threading.Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(_STOP_SECONDS)

    def _after(self, headers: Headers | None) -> Context:
        return self._propagator.extract(headers or {}, _NOWHERE)

    def _published(self, headers: Headers) -> SpanContext | None:
        found = get_current_span(self._after(headers)).get_span_context()
        return found if found.is_valid else None
