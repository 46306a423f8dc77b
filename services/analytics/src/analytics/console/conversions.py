"""The command `report`: what the posts of one campaign came to, by variant."""

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

from analytics.console.answers import Figures, Report
from analytics.console.catalogue import check_ours, database, live, unknown_campaign
from analytics.domain.filters import BadFilterError, Filter, span, zone
from analytics.domain.statistics import Sample, compare
from analytics.postgres import Postgres
from analytics.schema import name_of
from analytics.schema.views.figures import figures_by, funnel_by
from chassis.clock import Clock
from chassis.console import UsageError

_POSTS = "campaign = $1 AND coalesce(scheduled_for, sent_at) >= $2"
_ELSEWHERE = """
SELECT count(*) FROM fingerpost.attribution
WHERE model = 'last' AND kind <> 'refund' AND campaign = $1 AND delivery IS NULL
      AND occurred_at >= $2
"""
_CAMPAIGN = "SELECT title, kind, zone FROM fingerpost.campaigns WHERE campaign = $1"


async def report(dsn: str, campaign: str, since: str, zone_name: str, clock: Clock) -> Report:
    """Tell what the campaign's posts came to, those planned from the day `since` on.

    The day begins at midnight in the zone, by default the campaign's own. All is read at one
    instant. Raises UsageError and RefusedError.
    """
    async with (
        database(dsn) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        version = await live(connection)
        check_ours(version)
        await _as_json(connection)
        known = await connection.fetchrow(_CAMPAIGN, campaign)
        if known is None:
            raise await unknown_campaign(connection, campaign)
        place = zone_name or known["zone"] or "UTC"
        start = _start(since, place, clock())
        found = await _figures(connection, version.number, ("variant",), campaign, start)
        whole = await _figures(connection, version.number, ("campaign",), campaign, start)
        samples = {str(f.variant): Sample(f.converted, f.people) for f in found if f.people}
        return Report(
            campaign=campaign,
            title=known["title"],
            kind=known["kind"],
            zone=place,
            since=start if since else None,
            variants=tuple(sorted(found, key=lambda f: (-(f.rate or 0), str(f.variant)))),
            total=whole[0] if whole else None,
            elsewhere=await connection.fetchval(_ELSEWHERE, campaign, start),
            comparisons=tuple(compare(samples)),
            checkpoint=version.checkpoint,
        )


def _start(since: str, place: str, now: datetime) -> datetime:
    try:
        there = zone(place)
        return span(Filter(period="all", since=since, zone=place), now).start.astimezone(there)
    except BadFilterError as error:
        raise UsageError(f"--{error.field} {error.problem}", error.remedy) from None


async def _figures(
    connection: Postgres, version: int, keys: tuple[str, ...], campaign: str, since: datetime
) -> list[Figures]:
    schema = name_of(version)
    steps = await connection.fetch(
        funnel_by(keys, _POSTS).format(schema=schema), campaign, since, timeout=None
    )
    rows = await connection.fetch(
        figures_by(keys, _POSTS).format(schema=schema), campaign, since, timeout=None
    )
    funnels = {row[keys[0]]: row for row in steps}
    return [_one(row, funnels[row[keys[0]]], row.get("variant")) for row in rows]


def _one(row: Any, funnel: Any, variant: str | None) -> Figures:
    return Figures(
        variant=variant,
        sent=row["sent"],
        audience=row["audience"],
        clicks=row["clicks"],
        people=row["unique_clickers"],
        starters=funnel["starters"],
        starts=row["starts"],
        conversions=row["conversions"],
        converted=row["converted_clickers"],
        buyers=funnel["converters"],
        rate=row["conversion_rate"],
        rate_low=row["conversion_rate_low"],
        rate_high=row["conversion_rate_high"],
        revenue=row["revenue"],
    )


async def _as_json(connection: Postgres) -> None:
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=json.dumps,
        decoder=lambda text: json.loads(text, parse_float=Decimal, parse_int=Decimal),
    )
