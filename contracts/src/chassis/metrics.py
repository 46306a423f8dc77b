"""Prometheus metrics that every service has; a service adds its own beside its code."""

from functools import cache

from prometheus_client import Counter, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import Response

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
LOOP_LAG = Histogram(
    "fingerpost_event_loop_lag_seconds",
    "How late the event loop came back from a sleep of one second.",
    buckets=(0.001, 0.01, 0.05, 0.1, 0.5, 1, 5),
)


async def expose(_: Request) -> Response:
    """Answer `GET /metrics`."""
    return Response(generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})
