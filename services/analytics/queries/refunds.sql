-- Which campaigns' money is paid back?
-- One row a campaign and currency: what was paid, what was paid back of it, what is left, and the
-- part that went back. A refund counts where what it refunds was credited, by the last touch.
SELECT coalesce(campaign, '(unknown)') AS campaign, currency,
       coalesce(sum(amount) FILTER (WHERE kind <> 'refund'), 0) AS paid,
       -coalesce(sum(amount) FILTER (WHERE kind = 'refund'), 0) AS refunded,
       sum(amount) AS kept,
       round(-coalesce(sum(amount) FILTER (WHERE kind = 'refund'), 0)
             / nullif(sum(amount) FILTER (WHERE kind <> 'refund'), 0), 4) AS refunded_part
FROM fingerpost.attribution
WHERE model = 'last' AND amount IS NOT NULL
GROUP BY 1, 2 ORDER BY 1, 2;
