-- Which posts came late, or not at all, and why?
-- One row a delivery that was sent more than a minute after its time, or that was missed, skipped,
-- failed or is uncertain, newest first: what became of it, the reason, and the seconds of delay.
SELECT scheduled_for, campaign, channel, state, reason, trigger,
       round(latency_ms / 1000.0, 1) AS seconds_late, attempts
FROM fingerpost.deliveries
WHERE latency_ms > 60000 OR state IN ('missed', 'skipped', 'failed', 'uncertain')
ORDER BY scheduled_for DESC NULLS LAST, delivery;
