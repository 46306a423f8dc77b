"""What clicks counts, besides what every service does."""

from functools import cache
from typing import get_args

from prometheus_client import Counter, Gauge, Histogram

from contracts.events.person import ConversionKind

UPDATES = Counter(
    "fingerpost_clicks_updates_total",
    "Updates and followed links, by what came of them.",
    ["kind", "outcome"],
)
updates = cache(UPDATES.labels)
"""The counter of a kind and an outcome: finding it anew each time costs more than counting."""

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
LOOK_UPS = Counter(
    "fingerpost_clicks_look_ups_total",
    "Due events that were looked up in the log, not found in memory.",
)
POLLING = Gauge(
    "fingerpost_clicks_polling", "1 while this process polls for its bot, 0 while it stands by."
)
RECOVERED = Counter(
    "fingerpost_clicks_stars_recovered_total",
    "Payments and refunds of which Telegram did not tell, found among the bot's transactions.",
    ["kind"],
)
for kind in get_args(ConversionKind):
    RECOVERED.labels(kind)  # there from the start: of a series that begins at 1 no rise is seen
COMPARED = Gauge(
    "fingerpost_clicks_stars_compared_timestamp_seconds",
    "When the bot's transactions were last compared with the log.",
)
INVITES = Counter(
    "fingerpost_clicks_invites_total",
    "Invite links that were made or refused, and join requests, by what came of them.",
    ["what", "outcome"],
)
CONVERSIONS = Counter(
    "fingerpost_clicks_conversions_total",
    "Conversions that other systems told us of, and events of Stripe, by what came of them.",
    ["source", "outcome"],
)
