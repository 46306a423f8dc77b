-- How far do people come in each channel: post, tap, start, conversion?
-- One row a channel: messages sent, their audience added up, people who tapped, those of them who
-- opened the bot from there, and those of these who converted, credited by the last touch.
WITH acts AS (
    SELECT delivery, user_id, 1 AS step FROM fingerpost.clicks WHERE verdict = 'human'
    UNION ALL SELECT delivery, user_id, 2 FROM fingerpost.starts
    UNION ALL SELECT delivery, user_id, 3 FROM fingerpost.attribution
    WHERE model = 'last' AND kind <> 'refund'
), people AS (
    SELECT channel, user_id, bool_or(step = 1) AS tapped, bool_or(step = 2) AS started,
           bool_or(step = 3) AS converted
    FROM acts JOIN fingerpost.deliveries USING (delivery)
    WHERE user_id IS NOT NULL GROUP BY channel, user_id
), steps AS (
    SELECT channel, count(*) FILTER (WHERE tapped) AS clickers,
           count(*) FILTER (WHERE tapped AND started) AS starters,
           count(*) FILTER (WHERE tapped AND started AND converted) AS converters
    FROM people GROUP BY channel
)
SELECT channel, sent, audience, coalesce(clickers, 0) AS clickers,
       coalesce(starters, 0) AS starters, coalesce(steps.converters, 0) AS converters
FROM fingerpost.channel_performance LEFT JOIN steps USING (channel)
ORDER BY channel;
