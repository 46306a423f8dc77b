"""Prometheus metrics that every service has; a service adds its own beside its code."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version

from prometheus_client import Counter, Gauge, Histogram, Info
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import Response

BUILD = Info("fingerpost_build", "Which service of which version answers; always 1.")
READY = Gauge("fingerpost_ready", "1 while every check of readiness passes, else 0.", ["service"])
PASSING = Gauge(
    "fingerpost_check_passing",
    "1 while this check of readiness passes, else 0; /readyz says why not.",
    ["service", "check"],
)
PUBLISHED = Counter(
    "fingerpost_log_published_total",
    "Events that this process asked the log to keep.",
    ["fact", "outcome"],
)
published = cache(PUBLISHED.labels)
"""The counter of a fact and an outcome: finding it anew each time costs more than counting."""
ACKNOWLEDGED = Histogram(
    "fingerpost_log_acknowledgement_seconds",
    "Time from publishing an event until the log acknowledged it.",
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5, 30),
)
COPIES = Gauge(
    "fingerpost_log_copies", "Servers that have all of the log, as its leader said last; 0 before."
)
COPIES_WANTED = Gauge("fingerpost_log_copies_wanted", "Servers that are to have all of the log.")
LOOP_LAG = Histogram(
    "fingerpost_event_loop_lag_seconds",
    "How late the event loop came back from a sleep of one second.",
    buckets=(0.001, 0.01, 0.05, 0.1, 0.5, 1, 5),
)


def introduce(service: str) -> None:
    """Say which service this process is, and that it is not ready yet."""
    try:
        release = version(f"fingerpost-{service}")
    except PackageNotFoundError:
        release = "unknown"
    BUILD.info({"service": service, "version": release})
    READY.labels(service).set(0)


async def expose(_: Request) -> Response:
    """Answer `GET /metrics`."""
    return Response(generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})
