-- At which hour of the day does a post do best?
-- One row an hour, in the campaign's zone: posts sent in it, people who tapped them, conversions
-- credited by the last touch, and both for each post.
WITH posts AS (
    SELECT delivery, extract(hour FROM sent_at AT TIME ZONE coalesce(c.zone, 'UTC'))::int AS hour
    FROM fingerpost.deliveries LEFT JOIN fingerpost.campaigns AS c USING (campaign)
    WHERE sent_at IS NOT NULL
), people AS (
    SELECT delivery, count(DISTINCT user_id) AS people
    FROM fingerpost.clicks WHERE verdict = 'human' GROUP BY delivery
), gains AS (
    SELECT delivery, count(*) AS conversions
    FROM fingerpost.attribution WHERE model = 'last' AND kind <> 'refund' GROUP BY delivery
)
SELECT hour, count(*) AS posts,
       coalesce(sum(people), 0)::bigint AS people,
       coalesce(sum(conversions), 0)::bigint AS conversions,
       round(coalesce(sum(people), 0) / count(*), 2) AS people_per_post,
       round(coalesce(sum(conversions), 0) / count(*), 2) AS conversions_per_post
FROM posts LEFT JOIN people USING (delivery) LEFT JOIN gains USING (delivery)
GROUP BY hour ORDER BY people_per_post DESC, hour;
