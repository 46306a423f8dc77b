"""Traces of what becomes of an event, from due to row, for an OpenTelemetry collector.

Without a collector nothing is traced, and nothing of OpenTelemetry is imported. All spans with one
correlation id are of one trace, whichever process makes them and whenever: the trace's id is made
of the correlation id. Each message of the log carries the span that published it in the header
`traceparent` (W3C Trace Context), and who handles it goes on from there.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Literal, NamedTuple, Protocol

from chassis.settings import refuse

HEADER = "traceparent"
SUBJECT = "messaging.destination.name"
"""The attribute of OpenTelemetry's conventions for where a message goes."""
Headers = Mapping[str, str]
Attributes = Mapping[str, str | int]
Kind = Literal["internal", "client", "server", "consumer", "producer"]
_NONE: Attributes = {}
_OFF: AbstractContextManager[None] = nullcontext()


class Row(NamedTuple):
    """An event that became rows: its subject, its correlation id, the headers of its message."""

    subject: str
    correlation: str
    headers: Headers


class Tracer(Protocol):
    """What makes spans while there is a collector."""

    def span(
        self,
        name: str,
        kind: Kind,
        correlation: str | None,
        after: Headers | None,
        attributes: Attributes,
    ) -> AbstractContextManager[object]: ...

    def carried(self) -> dict[str, str]: ...

    def folded(self, batch: Sequence[Row], seconds: float) -> None: ...

    def stop(self) -> None: ...


_tracer: Tracer | None = None


def start(service: str, instance: str, endpoint: str | None) -> None:
    """Trace from now on, where there is an endpoint to tell."""
    global _tracer  # noqa: PLW0603  one process, one tracer, as with logs
    if not endpoint:
        return
    try:
        from chassis.telemetry import Telemetry  # noqa: PLC0415  slow to import, and often absent
    except ModuleNotFoundError as error:
        refuse(
            f"OTEL_EXPORTER_OTLP_ENDPOINT: cannot trace without {error.name}; install"
            " fingerpost-contracts[tracing], or unset it"
        )
    _tracer = Telemetry(service, instance, endpoint)


def stop() -> None:
    """Tell the collector what it was not told yet; a few seconds at most."""
    if _tracer:
        _tracer.stop()


def span(
    name: str,
    *,
    kind: Kind = "internal",
    correlation: str | None = None,
    after: Headers | None = None,
    attributes: Attributes = _NONE,
) -> AbstractContextManager[object]:
    """Measure the block as part of the span around it.

    Where there is none it goes on from the headers `after`, or begins the trace of `correlation`.
    """
    if _tracer is None:
        return _OFF
    return _tracer.span(name, kind, correlation, after, attributes)


def carried() -> dict[str, str]:
    """Return the headers by which whoever reads a message goes on from the span we are in."""
    return _tracer.carried() if _tracer else {}


def folded(batch: Iterable[Row], seconds: float) -> None:
    """Tell that these events became rows just now, in one transaction of so many `seconds`."""
    if _tracer:
        _tracer.folded(list(batch), seconds)
