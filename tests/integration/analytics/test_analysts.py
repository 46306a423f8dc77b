"""The analysts' role, and the example queries run as it."""

import re
from collections.abc import AsyncIterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
import pytest_asyncio

from analytics import schema
from analytics.analysts import ROLE, admit_analysts
from analytics.console import commands
from analytics.store import Store
from analytics.versions import Versions
from contracts.events import (
    BotStarted,
    CampaignDefined,
    ConversionRecorded,
    CtaClicked,
    Event,
    SlotMissed,
)
from contracts.examples import CHANNEL, SLOT, example
from harness.histories import enveloped, plan
from harness.logs import Log

from .conftest import CaughtUp, Database, Following
from .test_attribution import DAY, A, B, C, fold, post, tap

QUERIES = Path(__file__).parents[3] / "services/analytics/queries"
README = Path(__file__).parents[3] / "services/analytics/README.md"
PASSWORD = "analysts-of-the-test"


def analyst_dsn(dsn: str) -> str:
    server = urlsplit(dsn)
    return f"postgresql://{ROLE}:{PASSWORD}@{server.hostname}:{server.port}{server.path}"


async def let_in(dsn: str) -> None:
    """Do what a start of the service and an administrator do."""
    async with Store.open(dsn, 1) as store:
        await admit_analysts(store.connection)
        await store.connection.execute(f"ALTER ROLE {ROLE} PASSWORD '{PASSWORD}'")


@pytest_asyncio.fixture
async def analyst(postgres_dsn: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """Connect as an analyst to tables that hold a small history."""
    await fold(postgres_dsn, enveloped(history()))
    await let_in(postgres_dsn)
    connection = await asyncpg.connect(analyst_dsn(postgres_dsn))
    yield connection
    await connection.close()


def history() -> list[Event]:
    """Return three posts of one campaign, one of them late, and what people did with them."""
    late = post(2)
    late[1] = late[1].model_copy(update={"latency_ms": 120_000})
    missed = SLOT + 4 * DAY
    return [
        example(
            CampaignDefined, campaign="promos", definition=plan("promos", zone="Europe/Berlin")
        ),
        *post(0),
        *post(1),
        *late,
        example(
            SlotMissed,
            delivery="missed",
            campaign="promos",
            kind="promo",
            scheduled_for=missed,
            reason="blackout",
        ),
        tap(A, 0.1, user_id=1, source_id="1a"),
        tap(A, 0.2, user_id=1, source_id="1b"),
        example(BotStarted, delivery=A, user_id=1, started_at=SLOT + 0.25 * DAY),
        gain(0.5, 1, "subscription", delivery=A),
        gain(31, 1, "renewal", delivery=A),
        gain(5, 1, "refund", amount=-250, refund_of="subscription 1"),
        tap(A, 0.5, user_id=2, source_id="2a"),
        tap(B, 1.5, user_id=2, source_id="2b"),
        gain(2.5, 2, "payment", amount="9.90", currency="USD"),
        tap(B, 1.5, user_id=3, source_id="3b"),
        tap(B, 1.5, user_id=None, via="link", verdict="robot", source_id="robot"),
        tap(C, 2.5, user_id=None, via="link", source_id="link"),
        gain(2.75, None, "payment", click_id="link", amount=5, currency="EUR"),
        gain(3, 4, "join", campaign="promos", amount=None, currency=None),
        gain(3.5, None, "payment", amount=7, currency="EUR", source_id="nobody"),
    ]


def gain(day: float, user: int | None, kind: str, **fields: Any) -> ConversionRecorded:
    given = {"source_id": f"{kind} {user}", "kind": kind, "user_id": user, "delivery": None}
    at = SLOT + day * DAY
    return example(ConversionRecorded, **{**given, "occurred_at": at, "cta": None, **fields})


async def test_the_funnel_narrows_from_posts_to_conversions(
    analyst: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    rows = await analyst.fetch("SELECT sent, clickers, starters, converters FROM funnel")

    assert [tuple(row) for row in rows] == [(3, 3, 1, 1)]


async def test_an_analyst_reads_every_view(
    analyst: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    for view in schema.shown():
        await analyst.fetch(f"SELECT * FROM {view.name}")  # noqa: S608  a name of our own

    assert await analyst.fetchval("SELECT count(*) FROM attribute('30 days', 'linear')") == 8


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM fingerpost_v1.clicks",
        "SELECT fingerpost_v1.wilson_bound(1, 2, 1)",
        "SELECT rolpassword FROM pg_authid",
        "SELECT pg_read_file('PG_VERSION')",
        "DELETE FROM clicks",
        "UPDATE deliveries SET state = 'sent'",
        "CREATE TABLE fingerpost.mine (n int)",
        "CREATE TABLE public.mine (n int)",
        "DROP VIEW clicks",
    ],
)
async def test_an_analyst_gets_at_nothing_else(
    analyst: "asyncpg.Connection[asyncpg.Record]", statement: str
) -> None:
    await analyst.execute("SET default_transaction_read_only = off")

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await analyst.execute(statement)


async def test_sessions_of_analysts_are_read_only_and_bounded(
    analyst: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    assert await analyst.fetchval("SHOW statement_timeout") == "30s"
    # Of all limits the one that no session can lift: the projector must always get in.
    limit = "SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user"
    assert await analyst.fetchval(limit) == 20
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await analyst.execute("CREATE TEMPORARY TABLE mine (n int)")
    await analyst.execute("SET statement_timeout = '50ms'")
    with pytest.raises(asyncpg.QueryCanceledError):
        await analyst.execute("SELECT pg_sleep(20)")


async def test_analysts_read_on_when_another_version_or_other_views_take_the_place(
    log: Log, database: Database, following: Following, caught_up: CaughtUp
) -> None:
    await log.say(example(CtaClicked))
    async with following():
        await caught_up()
        await let_in(database.dsn)
        await database.fetch("DROP VIEW fingerpost.attribution")
        await database.fetch("CREATE VIEW fingerpost.funnel_of_old AS SELECT 1 AS n")
        rebuilt = await commands.rebuild(
            database.dsn, log.connection, swap=True, accept_differences=False, tell=lambda _: None
        )
        assert rebuilt.built.shown

    connection = await asyncpg.connect(analyst_dsn(database.dsn))
    try:
        for view in schema.shown():
            await connection.fetch(f"SELECT * FROM {view.name}")  # noqa: S608
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("SELECT * FROM fingerpost_v2.clicks")
    finally:
        await connection.close()


async def test_where_roles_may_not_be_made_the_log_says_what_to_run(
    postgres_dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with Store.open(postgres_dsn, 1) as store:
        await Versions(store.connection).begin(1)
        refused = _Refusing(store.connection)

        await admit_analysts(refused)  # type: ignore[arg-type]

    said = capsys.readouterr().out
    assert "analysts have no role of their own" in said
    assert f"CREATE ROLE {ROLE} LOGIN;" in said


class _Refusing:
    """A connection of somebody who may not make roles, where the role lacks."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def fetchval(self, *_: Any) -> bool:
        return False

    async def execute(self, statement: str) -> None:
        await self._connection.execute("CREATE ROLE maker_of_nothing; SET ROLE maker_of_nothing")
        try:
            await self._connection.execute(statement)
        finally:
            await self._connection.execute("RESET ROLE; DROP ROLE maker_of_nothing")


def at(day: float) -> datetime:
    return SLOT + day * DAY


_POST = ("promos", "premium", CHANNEL, 42)
EXPECTED: dict[str, list[tuple[Any, ...]]] = {
    # A and B have two people each; C is known by a link only, and by the join that names it.
    "best_hours": [(13, 3, 4, 5, Decimal("1.33"), Decimal("1.67"))],
    "funnel_by_channel": [(CHANNEL, 3, 36_000, 3, 1, 1)],
    "late_posts": [
        (at(4), "promos", CHANNEL, "missed", "blackout", None, None, 0),
        (at(2), "promos", CHANNEL, "sent", None, "schedule", 120, 1),
    ],
    "models_compared": [
        ("(unknown)", "EUR", 7, 7, 7),
        ("promos", "EUR", 5, 5, 5),
        ("promos", "USD", Decimal("9.90"), Decimal("9.90"), Decimal("9.90")),
        ("promos", "XTR", 250, 250, 250),
    ],
    "posts_and_subscribers": [
        (at(0), *_POST, 1, "renewal", 250, "XTR", at(31), "token"),
        (at(2), *_POST, None, "payment", 5, "EUR", at(2.75), "link"),
        (at(1), *_POST, 2, "payment", Decimal("9.90"), "USD", at(2.5), "taps"),
        (at(0), *_POST, 1, "subscription", 250, "XTR", at(0.5), "token"),
    ],
    "refunds": [
        ("(unknown)", "EUR", 7, 0, 7, 0),
        ("promos", "EUR", 5, 0, 5, 0),
        ("promos", "USD", Decimal("9.90"), 0, Decimal("9.90"), 0),
        ("promos", "XTR", 500, 250, 250, Decimal("0.5")),
    ],
    "revenue_by_evidence": [
        ("token", "XTR", 2, 250),
        ("link", "EUR", 1, 5),
        ("taps", "USD", 1, Decimal("9.90")),
        ("named", None, 1, None),
        ("none", "EUR", 1, 7),
    ],
    "subscriber_cohorts": [
        (SLOT.date(), 0, 2, 1),
        (SLOT.date(), 1, 1, Decimal("0.5")),
    ],
    "taps_that_say_little": [("promos", "premium", 6, 3, 2, 1, 1)],
    "time_to_convert": [("promos", 2, 27, Decimal("43.8"))],
    "variants_compared": [
        ("promos", "premium", 3, 2, Decimal("0.6667"), Decimal("0.2077"), Decimal("0.9385"), False)
    ],
}


@pytest.mark.parametrize("name", sorted(path.stem for path in QUERIES.glob("*.sql")))
async def test_an_example_query_answers_its_question(
    analyst: "asyncpg.Connection[asyncpg.Record]", name: str
) -> None:
    text = (QUERIES / f"{name}.sql").read_text()
    question = re.match(r"-- (.+\?)\n-- \w", text)

    rows = await analyst.fetch(text)

    assert [tuple(row) for row in rows] == EXPECTED[name]
    assert question
    assert f"`{name}.sql` | {question[1]}" in README.read_text()
