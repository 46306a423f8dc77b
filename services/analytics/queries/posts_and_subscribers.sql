-- Which post earned which paying subscriber?
-- One row a payment, subscription or renewal that is due to a post, by its last touch: when the post
-- was planned, where it stands, who paid how much and when, and why it is credited (basis).
SELECT d.scheduled_for, a.campaign, a.variant, a.channel, d.message_id,
       a.user_id, a.kind, a.amount, a.currency, a.occurred_at, a.basis
FROM fingerpost.attribution AS a JOIN fingerpost.deliveries AS d USING (delivery)
WHERE a.model = 'last' AND a.kind IN ('payment', 'subscription', 'renewal')
ORDER BY a.occurred_at DESC, a.conversion;
