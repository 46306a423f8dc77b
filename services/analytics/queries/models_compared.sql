-- Does it matter by which model conversions are credited?
-- One row a campaign and currency: what it earned by the first touch, by the last, and where each
-- touch gets its share. The window is that of the view, 7 days.
SELECT coalesce(campaign, '(unknown)') AS campaign, currency,
       sum(amount) FILTER (WHERE model = 'first') AS by_first,
       sum(amount) FILTER (WHERE model = 'last') AS by_last,
       sum(amount) FILTER (WHERE model = 'linear') AS by_linear
FROM fingerpost.attribution
WHERE amount IS NOT NULL
GROUP BY 1, 2 ORDER BY 1, 2;
