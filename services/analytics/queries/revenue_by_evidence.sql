-- How surely is the money credited?
-- One row a basis and currency: conversions (refunds are not counted, but subtracted) and the amount
-- that is credited by a token, a followed link, the person's taps, a named campaign, or to nobody.
SELECT basis, currency, count(*) FILTER (WHERE kind <> 'refund') AS conversions,
       sum(amount) AS amount
FROM fingerpost.attribution
WHERE model = 'last'
GROUP BY basis, currency
ORDER BY array_position(ARRAY['token', 'link', 'taps', 'named', 'none'], basis), currency;
