"""The command `clicks`: who tapped what, the newest first, and how many there are."""

from analytics.console.answers import Click, Clicks
from analytics.console.catalogue import check_ours, database, live, unknown_campaign

_FROM = """
FROM fingerpost.clicks AS c LEFT JOIN fingerpost.deliveries AS d USING (delivery)
WHERE c.verdict = 'human' AND ($1::bigint IS NULL OR c.user_id = $1)
      AND ($2::text IS NULL OR d.campaign = $2)
"""
_ROWS = f"""
SELECT c.clicked_at, c.user_id, d.campaign, d.variant, d.channel, c.delivery, c.cta, c.via {_FROM}
ORDER BY c.clicked_at DESC, c.event_id DESC LIMIT $3
"""
_KNOWN = """
SELECT EXISTS (SELECT FROM fingerpost.campaigns WHERE campaign = $1)
       OR EXISTS (SELECT FROM fingerpost.deliveries WHERE campaign = $1)
"""
_COUNT = f"SELECT count(*) AS clicks, count(DISTINCT c.user_id) AS people {_FROM}"


async def clicks(dsn: str, user: int | None, campaign: str | None, limit: int) -> Clicks:
    """Return the newest taps of a person, or of a campaign, or all; robots' are left out.

    Raises RefusedError where there is no such campaign.
    """
    async with (
        database(dsn) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        check_ours(await live(connection))
        if campaign and not await connection.fetchval(_KNOWN, campaign):
            raise await unknown_campaign(connection, campaign)
        rows = await connection.fetch(_ROWS, user, campaign, limit)
        count, people = await connection.fetchrow(_COUNT, user, campaign)
        return Clicks(count, people, tuple(Click(*row) for row in rows))
