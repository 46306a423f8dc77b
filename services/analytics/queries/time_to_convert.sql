-- How long do people take from their first tap to a conversion?
-- One row a campaign: conversions whose first touch within 30 days is known, the median hours from
-- it, and the hours in which nine of ten came.
SELECT campaign, count(*) AS conversions,
       round((percentile_cont(0.5) WITHIN GROUP (ORDER BY hours))::numeric, 1) AS median_hours,
       round((percentile_cont(0.9) WITHIN GROUP (ORDER BY hours))::numeric, 1) AS nine_of_ten_hours
FROM (
    SELECT campaign, extract(epoch FROM occurred_at - touched_at) / 3600 AS hours
    FROM fingerpost.attribute('30 days', 'first')
    WHERE touched_at IS NOT NULL AND kind <> 'refund'
) AS ways
GROUP BY campaign ORDER BY campaign;
