"""Plans for tests, and an enumeration of their slots that shares no code with the scheduler."""

from datetime import datetime, timedelta
from typing import Any

from contracts.campaign import Campaign

CHANNELS = ("-1001", "-1002")
HOURLY = timedelta(hours=1)


def campaign(
    name: str = "guides", *, every: timedelta = HOURLY, variants: int = 3, **fields: Any
) -> Campaign:
    """Return a campaign in two channels, with variants v0, v1, ..., from its first slot on."""
    schedule = fields.pop("schedule", {"every": every, "phase": fields.pop("phase", timedelta(0))})
    kind = fields.get("kind", "guide")
    button = {"kind": "callback", "label": "Tap", "answer": "Thanks."}
    creatives = [
        {"id": f"v{n}", "text": f"Text {n}", "ctas": [button] if kind == "promo" else []}
        for n in range(variants)
    ]
    defaults = {"id": name, "kind": kind, "title": name, "channels": CHANNELS}
    return Campaign.model_validate(
        {**defaults, "schedule": schedule, "variants": creatives, **fields}
    )


def grid(
    every: timedelta, after: datetime, until: datetime, phase: timedelta = timedelta(0)
) -> list[datetime]:
    """Return every whole second in (after, until] that lies on the epoch grid; slow and plain."""
    step, offset = int(every.total_seconds()), int(phase.total_seconds())
    first = int(after.timestamp()) + 1
    seconds = range(first, int(until.timestamp()) + 1)
    found = [second for second in seconds if (second - offset) % step == 0]
    return [datetime.fromtimestamp(second, after.tzinfo) for second in found]
