"""`report`: the conversion table in the terminal, equal to what analysts read."""

import json
from datetime import timedelta
from decimal import Decimal

import pytest

from analytics.console import conversions, report
from analytics.console.answers import Report
from analytics.console.clicks import clicks
from chassis.console import RefusedError, UsageError
from contracts.events import (
    BotStarted,
    CampaignDefined,
    ConversionRecorded,
    CtaClicked,
    Event,
    MessageSent,
    PromoDue,
)
from contracts.examples import CHANNEL, PROMO_DELIVERY, PROMO_VARIANT, SLOT, example
from contracts.ids import delivery_id
from harness.commands import run_command
from harness.histories import plan
from harness.logs import Log

from .conftest import CaughtUp, Database, Following

NEXT = SLOT + timedelta(days=1)
LATER = delivery_id("promos", CHANNEL, NEXT)
BASIC = PROMO_VARIANT.model_copy(update={"id": "basic"})


def posts() -> list[Event]:
    plans = plan("promos", zone="Europe/Berlin")
    return [
        example(CampaignDefined, campaign="promos", definition=plans),
        example(PromoDue),
        example(PromoDue, delivery=LATER, scheduled_for=NEXT, variant=BASIC),
        example(MessageSent, audience=1_000),
        example(MessageSent, delivery=LATER, audience=1_100, variant="basic"),
    ]


def people(first: int, number: int, converted: int, delivery: str) -> list[Event]:
    events: list[Event] = []
    for person in range(first, first + number):
        fields = {"user_id": person, "delivery": delivery}
        events.append(example(CtaClicked, **fields, source_id=f"{delivery} {person}"))
        if person < first + converted:
            events.append(example(BotStarted, **fields, update_id=person))
            events.append(example(ConversionRecorded, **fields, source_id=f"{delivery}-{person}"))
    return events


async def ask(
    database: Database, campaign: str = "promos", since: str = "", zone: str = ""
) -> Report:
    return await conversions.report(database.dsn, campaign, since, zone, lambda: NEXT)


async def test_a_report_tells_variants_funnel_revenue_and_certainty(
    log: Log, database: Database, following: Following, caught_up: CaughtUp
) -> None:
    named = {"delivery": None, "cta": None, "campaign": "promos", "user_id": None}
    await log.say(
        *posts(),
        *people(100, 20, 10, PROMO_DELIVERY),
        *people(110, 20, 2, LATER),
        example(ConversionRecorded, source_id="euro", currency="EUR", amount="9.90", user_id=500),
        example(ConversionRecorded, **named, occurred_at=SLOT - timedelta(days=1)),
    )
    async with following():
        await caught_up()

    answer = await ask(database)

    best, other = answer.variants
    assert (best.variant, best.people, best.converted, best.rate) == ("premium", 20, 10, 0.5)
    assert best.rate_low == pytest.approx(0.2993, abs=1e-4)
    assert best.revenue == {"XTR": Decimal(2_500), "EUR": Decimal("9.90")}
    assert (other.variant, other.people, other.converted) == ("basic", 20, 2)
    assert answer.total is not None
    assert (answer.total.people, answer.total.starters) == (30, 12)
    assert answer.elsewhere == 1
    (comparison,) = answer.comparisons
    assert comparison.chance > 0.99
    views = await database.fetch(
        "SELECT variant, unique_clickers, conversion_rate FROM fingerpost.variant_performance"
        " ORDER BY conversion_rate DESC"
    )
    assert [(f.variant, f.people, f.rate) for f in answer.variants] == [tuple(v) for v in views]
    said = report.text(answer)
    assert "promos: Promos (Europe/Berlin)" in said
    assert "29.9% to 70.1%" in said
    assert "9.90 EUR, 2,500 ★" in said
    assert "of 30 people who tapped, 12 opened the bot" in said
    assert "premium is better than basic with a chance of 100%" in said


async def test_since_counts_posts_planned_from_that_day_on_in_the_zone(
    log: Log, database: Database, following: Following, caught_up: CaughtUp
) -> None:
    await log.say(*posts(), *people(100, 3, 1, PROMO_DELIVERY), *people(200, 2, 1, LATER))
    async with following():
        await caught_up()

    later = await ask(database, since=f"{NEXT:%Y-%m-%d}")
    none = await ask(database, since="2030-01-01", zone="Asia/Tokyo")

    assert [(f.variant, f.people) for f in later.variants] == [("basic", 2)]
    assert str(later.since) == f"{NEXT:%Y-%m-%d} 00:00:00+01:00"
    assert (none.variants, none.total, none.zone) == ((), None, "Asia/Tokyo")
    assert "nothing was posted" in report.text(none)


async def test_the_command_answers_in_json_and_its_exit_status_says_what_it_could(
    log: Log, database: Database, following: Following, caught_up: CaughtUp
) -> None:
    await log.say(*posts(), *people(100, 3, 1, PROMO_DELIVERY))
    async with following():
        await caught_up()

    status, told = await run(database, "report", "promos", "--json")
    assert status == 0
    document = json.loads(told)
    assert [f["conversions"] for f in document["variants"]] == [1, 0]
    assert document["total"]["revenue"] == {"XTR": "250"}
    assert (await run(database, "report", "nothing"))[0] == 1
    status, told = await run(database, "clicks", "--user", "101", "--campaign", "promos")
    assert status == 0
    assert told.endswith("1 taps by 1 known people\n")
    assert "101  promos premium  -1001234567890  CTA 0" in told
    document = json.loads((await run(database, "clicks", "--limit", "2", "--json"))[1])
    assert (document["clicks"], document["people"], len(document["newest"])) == (3, 3, 2)
    assert (await run(database, "report", "promos", "--since", "soon"))[0] == 2


async def run(database: Database, *words: str) -> tuple[int, str]:
    """Run a command, which needs no log; return its exit status and what it printed."""
    environment = {"POSTGRES_DSN": database.dsn, "NATS_URL": "nats://127.0.0.1:1"}
    ended = await run_command("analytics", *words, environment=environment)
    return ended.status, ended.out


async def test_what_cannot_be_told_is_refused_with_the_remedy(
    log: Log, database: Database, following: Following, caught_up: CaughtUp
) -> None:
    await log.say(*posts())
    async with following():
        await caught_up()

    with pytest.raises(RefusedError, match="there is no campaign 'promo'; did you mean promos"):
        await ask(database, "promo")
    with pytest.raises(RefusedError, match="there are: promos"):
        await ask(database, "'; DROP SCHEMA fingerpost")
    with pytest.raises(RefusedError, match="there is no campaign 'promo'; did you mean promos"):
        await clicks(database.dsn, None, "promo", 20)
    with pytest.raises(UsageError, match="--since is no day; give one such as"):
        await ask(database, since="yesterday")
    with pytest.raises(UsageError, match="--zone is no time zone"):
        await ask(database, zone="Mars/Base")
