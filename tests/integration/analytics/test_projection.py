"""The tables against a plain fold of the log, on real NATS and Postgres."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from time import perf_counter

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from analytics.domain.guard import Checkpoint
from analytics.domain.messages import Decoded, Message, decode
from analytics.store import CheckpointMovedError, Store
from analytics.versions import Versions
from contracts.envelope import Envelope
from contracts.events import (
    CampaignDefined,
    ConversionRecorded,
    CtaClicked,
    Event,
    MessageSent,
    PromoDue,
)
from contracts.examples import PROMO_DELIVERY, SLOT, example
from harness.histories import cuts, every_event, histories, plan
from harness.logs import Log
from harness.plain_fold import figures_of, numbered, tables_of, wilson

from .conftest import CaughtUp, Database, Following, comparable


def decoded(history: list[Envelope], start: int = 1) -> list[Decoded]:
    return [
        decode(Message(number, envelope.subject, {}, envelope.document()))
        for number, envelope in enumerate(history, start)
    ]


async def write(store: Store, runs: list[list[Decoded]], before: Checkpoint) -> Checkpoint:
    for run in runs:
        last = run[-1]
        after = Checkpoint(last.message.sequence, last.identity, SLOT)
        await store.write(run, before, after)
        before = after
    return before


def expected(history: list[Envelope]) -> dict[str, object]:
    return {name: comparable(name, rows) for name, rows in tables_of(numbered(history)).items()}


async def figures(database: Database, view: str) -> dict[tuple[object, ...], dict[str, object]]:
    found = {}
    for row in await database.fetch(f"SELECT * FROM fingerpost.{view}"):  # noqa: S608
        figures = dict(row)
        key = tuple(figures.pop(name) for name in ("campaign", "variant", "channel", "day"))
        figures["revenue"] = json.loads(figures["revenue"], parse_float=Decimal)
        found[key] = figures
    return found


async def test_the_tables_are_a_plain_fold_of_the_log(
    log: Log, database: Database, following: Following, caught_up: CaughtUp
) -> None:
    await log.say(*every_event()[:9])

    async with following():
        await caught_up()
        await log.say(*every_event()[9:])
        await caught_up()

    history = await log.envelopes()
    assert len(history) == len(every_event())
    assert await database.tables() == expected(history)
    assert await database.value("SELECT count(*) FROM fingerpost.forgotten") == 1


@given(histories(25), st.lists(st.integers(0, 1_000), max_size=4))
@settings(
    max_examples=15,
    phases=[Phase.generate],
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_any_cut_into_batches_gives_the_same_tables_and_figures(
    postgres_dsn: str, history: list[Envelope], places: list[int]
) -> None:
    async def check() -> None:
        database = Database(postgres_dsn)
        await database.fetch("DROP SCHEMA IF EXISTS fingerpost_v1 CASCADE")
        async with Store.open(postgres_dsn, 1) as store:
            await Versions(store.connection).begin(1)
            await write(store, cuts(decoded(history), places), Checkpoint())

        assert await database.tables() == expected(history)
        for view, kind in (("promo_conversion", "promo"), ("guide_engagement", "guide")):
            assert await figures(database, view) == {
                key: {name: pytest.approx(value) for name, value in row.items()}
                for key, row in figures_of(history, kind).items()
            }

    asyncio.run(check())


async def test_a_log_that_is_delivered_again_under_other_sequences_changes_nothing(
    log: Log, database: Database, following: Following, caught_up: CaughtUp
) -> None:
    await log.say(*every_event())
    async with following():
        await caught_up()
        before = await database.tables()
        for envelope in await log.envelopes():
            await log.js.publish(envelope.subject, envelope.document())
        await caught_up()

    assert await database.tables() == before


async def test_what_cannot_be_folded_is_quarantined_as_it_stands_and_the_rest_goes_on(
    log: Log, database: Database, following: Following, caught_up: CaughtUp
) -> None:
    await log.js.publish("cta.clicked.1", b"not an event \0\xff", headers={"Nats-Msg-Id": "odd"})
    await log.say(example(CtaClicked))
    await log.say(example(CtaClicked, source_id="too big", user_id=2**70))
    await log.say(example(ConversionRecorded, source_id="nul \0"))
    await log.say(example(CtaClicked, source_id="last"))

    async with following():
        await caught_up()

    rows = await database.fetch("SELECT * FROM fingerpost_v1.quarantine ORDER BY sequence")
    assert [row["sequence"] for row in rows] == [1, 3, 4]
    assert rows[0]["data"] == b"not an event \0\xff"
    assert rows[0]["subject"] == "cta.clicked.1"
    assert json.loads(rows[0]["headers"]) == {"Nats-Msg-Id": "odd"}
    assert "Invalid JSON" in rows[0]["reason"]
    assert "int64" in rows[1]["reason"]
    assert await database.value("SELECT count(*) FROM fingerpost.clicks") == 2
    assert await database.value("SELECT quarantined FROM fingerpost.projection_status") == 3


LAST_INSTANT = datetime(9999, 12, 31, 23, 30, tzinfo=UTC)
TAP = example(CtaClicked, source_id="odd")


@pytest.mark.parametrize(
    ("event", "odd_id", "reason"),
    [
        (example(PromoDue, scheduled_for=LAST_INSTANT), "late", "OverflowError"),
        (TAP, "x" * 513, "an id of 513 characters"),
        (TAP, "nul \0", "0x00"),
    ],
    ids=["no such day in its zone", "id that an index may not hold", "id with a NUL"],
)
async def test_no_event_stops_the_rest_or_a_later_start(
    log: Log,
    database: Database,
    following: Following,
    caught_up: CaughtUp,
    event: Event,
    odd_id: str,
    reason: str,
) -> None:
    berlin = plan("promos", zone="Europe/Berlin")
    envelope = Envelope.of(event, source="/test", now=SLOT, cause=None)
    odd = envelope.model_copy(update={"id": odd_id})
    await log.say(example(CampaignDefined, campaign="promos", definition=berlin))
    await log.say(example(CtaClicked))
    await log.js.publish(odd.subject, odd.document())

    for _ in range(2):
        async with following():
            await caught_up()
    await log.say(example(CtaClicked, source_id="last"))
    async with following():
        await caught_up()

    (row,) = await database.fetch("SELECT sequence, reason FROM fingerpost_v1.quarantine")
    assert row["sequence"] == 3
    assert reason in row["reason"]
    assert await database.value("SELECT count(*) FROM fingerpost.clicks") == 2


async def test_a_tap_is_a_row_without_a_timer_between(
    log: Log, database: Database, following: Following, caught_up: CaughtUp
) -> None:
    async with following(), Store.open(database.dsn, 1) as store:
        await log.say(example(CtaClicked))
        await caught_up()
        connection = store.connection
        delays = []
        for number in range(30):
            tap = example(CtaClicked, source_id=f"tap {number}")
            await log.say(tap)
            begun = perf_counter()
            query = "SELECT count(*) FROM fingerpost.clicks WHERE event_id = $1"
            async with asyncio.timeout(20):
                while not await connection.fetchval(query, tap.id):
                    pass
            delays.append(perf_counter() - begun)

    # Every timer on the way is of a second or more; a busy machine is slow, but not so slow.
    assert sorted(delays)[15] < 0.5


async def test_whoever_finds_the_checkpoint_moved_writes_nothing(
    postgres_dsn: str, database: Database
) -> None:
    history = [Envelope.of(example(CtaClicked), source="/t", now=SLOT, cause=None)]
    async with Store.open(postgres_dsn, 1) as first, Store.open(postgres_dsn, 1) as second:
        await Versions(first.connection).begin(1)
        await write(first, [decoded(history)], Checkpoint())

        with pytest.raises(CheckpointMovedError):
            await write(second, [decoded(history, start=5)], Checkpoint())

    assert await database.checkpoint() == 1
    assert await database.value("SELECT count(*) FROM fingerpost.clicks") == 1


@pytest.mark.parametrize(
    ("part", "whole", "low", "high"),
    [(8, 10, 0.4902, 0.9433), (0, 10, 0.0, 0.2775), (1, 1, 0.2065, 1.0), (50, 100, 0.4038, 0.5962)],
)
async def test_the_interval_has_the_published_values(
    postgres_dsn: str, database: Database, part: int, whole: int, low: float, high: float
) -> None:
    async with Store.open(postgres_dsn, 1) as store:
        await Versions(store.connection).begin(1)
    query = "SELECT fingerpost_v1.wilson_bound($1, $2, $3)"
    bounds = [await database.value(query, part, whole, side) for side in (-1, 1)]

    assert bounds == pytest.approx([low, high], abs=0.0001)
    assert bounds == pytest.approx(wilson(part, whole))


async def test_an_analyst_reads_what_a_promo_earned_and_who_did_what(
    log: Log, database: Database, following: Following, caught_up: CaughtUp
) -> None:
    second = timedelta(seconds=1)
    await log.say(
        example(CampaignDefined, campaign="promos", definition=plan("promos")),
        example(PromoDue),
        example(MessageSent, audience=200),
        example(CtaClicked, source_id="a", user_id=1, clicked_at=SLOT),
        example(CtaClicked, source_id="b", user_id=1, clicked_at=SLOT + second),
        example(CtaClicked, source_id="c", user_id=2),
        example(CtaClicked, source_id="d", user_id=None, via="link"),
        example(CtaClicked, source_id="e", user_id=3, verdict="robot"),
        example(ConversionRecorded, source_id="p", user_id=1, occurred_at=SLOT + 2 * second),
        example(ConversionRecorded, source_id="q", user_id=1, kind="refund", amount=-100),
        example(ConversionRecorded, source_id="r", user_id=8, amount="9.90", currency="USD"),
    )
    async with following():
        await caught_up()

    (row,) = await database.fetch("SELECT * FROM fingerpost.promo_conversion")
    assert (row["sent"], row["audience"], row["clicks"], row["robot_clicks"]) == (1, 200, 4, 1)
    assert (row["unique_clickers"], row["conversions"]) == (2, 2)
    assert (row["converters"], row["converted_clickers"]) == (2, 1)
    assert json.loads(row["revenue"]) == {"XTR": 150, "USD": 9.9}
    assert (row["click_through_rate"], row["conversion_rate"]) == (0.01, 0.5)
    journey = await database.fetch(
        "SELECT what, delivery FROM fingerpost.user_journey WHERE user_id = 1 ORDER BY at DESC"
    )
    assert [step["what"] for step in journey] == ["refund", "payment", "click", "click"]
    assert {step["delivery"] for step in journey} == {PROMO_DELIVERY}


async def test_every_table_view_and_column_says_what_it_means(
    postgres_dsn: str, database: Database
) -> None:
    async with Store.open(postgres_dsn, 1) as store:
        await Versions(store.connection).begin(1)
    everything = await database.fetch(
        """
        SELECT n.nspname || '.' || c.relname AS what,
               a.attname, col_description(c.oid, a.attnum) AS column_says, obj_description(c.oid)
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE n.nspname LIKE 'fingerpost%' AND c.relkind IN ('r', 'v')
        """
    )

    assert len({row["what"] for row in everything}) >= 20
    assert [tuple(row) for row in everything if not (row[2] and row[3])] == []
