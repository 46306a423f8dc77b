"""What clicks counts, besides what every service does."""

from prometheus_client import Counter, Histogram

UPDATES = Counter(
    "fingerpost_clicks_updates_total",
    "Updates and followed links, by what came of them.",
    ["kind", "outcome"],
)
REFUSED = Counter(
    "fingerpost_clicks_refused_total", "What was not believed or not understood.", ["reason"]
)
HANDLING = Histogram(
    "fingerpost_clicks_handling_seconds",
    "Time from an update's arrival until it may be answered.",
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 2, 5),
)
CALLS = Counter(
    "fingerpost_clicks_calls_total",
    "Calls of the Bot API, by how they ended.",
    ["method", "outcome"],
)
