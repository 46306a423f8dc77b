-- Which variant of a campaign converts best, and is it certain?
-- One row a variant: people who tapped, those of them who converted, the rate with its 95 % interval,
-- and whether the best variant's whole interval lies above this one's (surely_worse).
SELECT campaign, variant, unique_clickers, converted_clickers,
       round(conversion_rate::numeric, 4) AS rate,
       round(conversion_rate_low::numeric, 4) AS low,
       round(conversion_rate_high::numeric, 4) AS high,
       conversion_rate_high < max(conversion_rate_low) OVER (PARTITION BY campaign) AS surely_worse
FROM fingerpost.variant_performance
WHERE unique_clickers > 0
ORDER BY campaign, rate DESC, variant;
