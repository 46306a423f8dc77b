"""Whether the parts do their work: the schedule, and the projection itself."""

from analytics.schema.views.view import View, key

SCHEDULE_HEALTH = View(
    "schedule_health",
    "Whether what was planned was posted, and how late, by campaign and day.",
    (
        key("campaign"),
        key("day"),
        ("planned", "Deliveries that were planned."),
        ("sent", "Those that were posted."),
        ("waiting", "Those that are due, or just being sent."),
        ("missed", "Those that the scheduler did not fire in time."),
        ("skipped", "Those that the sender gave up."),
        ("failed", "Those that Telegram refused for good."),
        ("uncertain", "Those of which nobody knows whether they were posted."),
        ("late_median_ms", "Milliseconds from the planned instant until sent: the median."),
        ("late_worst_ms", "The same: the longest."),
    ),
    """
    SELECT campaign, day, count(*), count(*) FILTER (WHERE state = 'sent'),
           count(*) FILTER (WHERE state IN ('due', 'claimed')),
           count(*) FILTER (WHERE state = 'missed'),
           count(*) FILTER (WHERE state = 'skipped'),
           count(*) FILTER (WHERE state = 'failed'),
           count(*) FILTER (WHERE state = 'uncertain'),
           percentile_cont(0.5) WITHIN GROUP (ORDER BY latency_ms), max(latency_ms)
    FROM {schema}.deliveries WHERE day IS NOT NULL GROUP BY campaign, day
    """,
)

PROJECTION_STATUS = View(
    "projection_status",
    "One row: how far the log was folded into these tables.",
    (
        ("version", "Version of the projection, which owns its schema."),
        ("checkpoint", "Sequence of the last message of the log that was folded."),
        ("last_event", "Id of that message's event."),
        ("updated_at", "When it was folded."),
        ("lag", "Events that waited in the log when that one was folded."),
        ("quarantined", "Messages that could not be folded and wait for a retry."),
    ),
    """
    SELECT {version} AS version, sequence AS checkpoint, identity AS last_event, updated_at,
           behind AS lag,
           (SELECT count(*) FROM {schema}.quarantine WHERE dropped_at IS NULL) AS quarantined
    FROM {schema}.checkpoint
    """,
)
