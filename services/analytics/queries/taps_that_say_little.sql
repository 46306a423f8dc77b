-- How much of the taps is noise?
-- One row a variant: taps by people, those that a person had made before, those of links, which name
-- nobody, and taps by robots, which no other number has.
SELECT campaign, variant, clicks, unique_clickers, repeated_clicks, unknown_clicks, robot_clicks
FROM fingerpost.variant_performance
WHERE clicks + robot_clicks > 0
ORDER BY robot_clicks DESC, repeated_clicks DESC, campaign, variant;
