-- Do subscribers stay?
-- One row a month in which people paid first, and a number of months after it: how many of them paid
-- again in that month, and their share of all who began together.
WITH paid AS (
    SELECT user_id, date_trunc('month', occurred_at AT TIME ZONE 'UTC')::date AS month
    FROM fingerpost.conversions
    WHERE kind IN ('payment', 'subscription', 'renewal') AND user_id IS NOT NULL
    GROUP BY user_id, month
), begun AS (
    SELECT user_id, min(month) AS cohort FROM paid GROUP BY user_id
), sizes AS (
    SELECT cohort, count(*) AS began FROM begun GROUP BY cohort
)
SELECT cohort,
       (extract(year FROM age(month, cohort)) * 12 + extract(month FROM age(month, cohort)))::int
           AS months_later,
       count(*) AS people, round(count(*)::numeric / began, 4) AS share
FROM paid JOIN begun USING (user_id) JOIN sizes USING (cohort)
GROUP BY cohort, month, began ORDER BY cohort, months_later;
