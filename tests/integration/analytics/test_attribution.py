"""Which delivery each conversion is due to: the views against plain Python, and told by example."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from analytics.domain.guard import Checkpoint
from analytics.domain.messages import Message, decode
from analytics.store import Store
from analytics.versions import Versions
from contracts.envelope import Envelope
from contracts.events import (
    BotStarted,
    ConversionRecorded,
    CtaClicked,
    Event,
    MessageSent,
    PromoDue,
)
from contracts.examples import PROMO_DELIVERY, PROMO_VARIANT, SLOT, example
from contracts.ids import delivery_id
from harness.histories import enveloped, histories
from harness.plain_attribution import MODELS, WEEK, Credit, credits_of
from harness.plain_fold import figures_of, numbered, tables_of

from .conftest import Database

COLUMNS = ", ".join(Credit._fields)
DAY = timedelta(days=1)


async def fold(dsn: str, history: Sequence[Envelope]) -> None:
    """Make the tables anew, and fold `history` into them."""
    async with Store.open(dsn, 1) as store:
        await store.connection.execute("DROP SCHEMA IF EXISTS fingerpost_v1 CASCADE")
        await Versions(store.connection).begin(1)
        batch = [
            decode(Message(number, envelope.subject, {}, envelope.document()))
            for number, envelope in enumerate(history, start=1)
        ]
        if batch:
            after = Checkpoint(len(batch), batch[-1].identity, SLOT)
            await store.write(batch, Checkpoint(), after)


def ordered(found: Sequence[Any]) -> list[tuple[Any, ...]]:
    return sorted((tuple(credit) for credit in found), key=repr)


def known(history: Sequence[Envelope], span: timedelta, model: str) -> list[tuple[Any, ...]]:
    deliveries = list(tables_of(numbered(history))["deliveries"])
    found = credits_of(history, deliveries, span, model)
    return ordered([c._replace(credit=c.credit.normalize()) for c in found])


async def told(database: Database, query: str, *values: Any) -> list[tuple[Any, ...]]:
    rows = await database.fetch(f"SELECT {COLUMNS} FROM {query}", *values)  # noqa: S608
    found = [Credit(*row) for row in rows]
    return ordered([c._replace(credit=c.credit.normalize()) for c in found])


@pytest.mark.timeout(300)
@given(histories(40), st.sampled_from([1, 3, 30]))
@settings(
    max_examples=40,
    phases=[Phase.generate],
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_any_history_is_credited_as_by_definition(
    postgres_dsn: str, history: list[Envelope], days: int
) -> None:
    async def check() -> None:
        database = Database(postgres_dsn)
        await fold(postgres_dsn, history)

        for model in MODELS:
            query = "fingerpost.attribution WHERE model = $1"
            assert await told(database, query, model) == known(history, WEEK, model)
            query = "fingerpost.attribute($1, $2)"
            span = timedelta(days=days)
            assert await told(database, query, span, model) == known(history, span, model)

    asyncio.run(check())


@pytest.mark.timeout(300)
@given(histories(40))
@settings(
    max_examples=15,
    phases=[Phase.generate],
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_totals_over_credits_are_totals_over_conversions_and_people_add_up(
    postgres_dsn: str, history: list[Envelope]
) -> None:
    async def check() -> None:
        database = Database(postgres_dsn)
        await fold(postgres_dsn, history)
        ones = await database.fetch(
            "SELECT DISTINCT model, sum(credit) FROM fingerpost.attribution"
            " GROUP BY model, conversion"
        )
        assert {total for _, total in ones} <= {1}
        sums = "SELECT currency, sum(amount) FROM fingerpost.{} GROUP BY currency"
        paid = {tuple(row) for row in await database.fetch(sums.format("conversions"))}
        for model in MODELS:
            credited = sums.format(f"attribution WHERE model = '{model}'")
            assert {tuple(row) for row in await database.fetch(credited)} == paid
        for view, keys in (
            ("variant_performance", ("campaign", "variant")),
            ("channel_performance", ("channel",)),
        ):
            expected = figures_of(history, None, keys)
            for row in await database.fetch(f"SELECT * FROM fingerpost.{view}"):  # noqa: S608
                figures = expected.pop(tuple(row[key] for key in keys))
                for name in set(figures) - {"revenue"}:
                    assert row[name] == pytest.approx(figures[name]), (view, name)
                assert row["clicks"] == (
                    row["unique_clickers"] + row["repeated_clicks"] + row["unknown_clicks"]
                )
            assert expected == {}
        funnel = await database.fetch("SELECT * FROM fingerpost.funnel")
        assert {tuple(row[:2]): tuple(row[3:]) for row in funnel} == funnel_of(history)

    asyncio.run(check())


def funnel_of(history: Sequence[Envelope]) -> dict[tuple[Any, ...], tuple[int, int, int]]:
    """Return clickers, starters and converters by campaign and variant, as sets of people."""
    deliveries = list(tables_of(numbered(history))["deliveries"])
    due_to = {c.conversion: c.delivery for c in credits_of(history, deliveries, WEEK, "last")}
    found = {}
    for key in {(row[1], row[3]) for row in deliveries if row[3] and (row[6] or row[16])}:
        mine = {row[0] for row in deliveries if (row[1], row[3]) == key and (row[6] or row[16])}
        tapped, started, converted = set(), set(), set()
        for envelope in history:
            match envelope.data:
                case CtaClicked(verdict="human") as fact if fact.delivery in mine:
                    tapped.add(fact.user_id)
                case BotStarted() as fact if fact.delivery in mine:
                    started.add(fact.user_id)
                case ConversionRecorded() as fact if due_to[envelope.id] in mine:
                    converted |= {fact.user_id} if fact.kind != "refund" else set()
        tapped -= {None}
        steps = (tapped, tapped & started, tapped & started & converted)
        found[key] = (len(steps[0]), len(steps[1]), len(steps[2]))
    return found


def post(day: int, campaign: str = "promos") -> list[Event]:
    """Return what is said of a message that is posted on a day."""
    moment = SLOT + day * DAY
    channel = example(PromoDue).channel
    delivery = delivery_id(campaign, channel, moment)
    slot: dict[str, Any] = {"delivery": delivery, "campaign": campaign}
    return [
        example(PromoDue, **slot, scheduled_for=moment, variant=PROMO_VARIANT),
        example(MessageSent, **slot, sent_at=moment),
    ]


def delivery_of(posted: list[Event]) -> str:
    return str(posted[0].model_dump()["delivery"])


def tap(delivery: str, day: float, **fields: Any) -> CtaClicked:
    at = SLOT + day * DAY
    given = {"source_id": f"tap {delivery} {day}", "delivery": delivery, "clicked_at": at}
    return example(CtaClicked, **{**given, **fields})


def paid(day: float, **fields: Any) -> ConversionRecorded:
    given = {"source_id": f"paid {day}", "delivery": None, "cta": None}
    return example(ConversionRecorded, occurred_at=SLOT + day * DAY, **{**given, **fields})


FIRST, SECOND, THIRD, OTHER = post(0), post(1), post(2), post(3, "guides-promo")
A, B, C, D = map(delivery_of, (FIRST, SECOND, THIRD, OTHER))
POSTED = [*FIRST, *SECOND, *THIRD, *OTHER]
TAPS = [tap(A, 0), tap(B, 1), tap(C, 2), tap(A, 2.5)]


@pytest.mark.parametrize(
    ("history", "model", "expected"),
    [
        ([*TAPS, paid(3)], "first", [("taps", A, 1)]),
        ([*TAPS, paid(3)], "last", [("taps", A, 1)]),
        (
            [*TAPS, paid(3)],
            "linear",
            [
                ("taps", A, Decimal("0.333334")),
                ("taps", B, Decimal("0.333333")),
                ("taps", C, Decimal("0.333333")),
            ],
        ),
        ([*TAPS, paid(8.5)], "first", [("taps", C, 1)]),
        ([*TAPS, paid(30)], "last", [("none", None, 1)]),
        ([tap(A, 0), paid(7)], "last", [("none", None, 1)]),
        ([tap(A, 0), paid(6.99)], "last", [("taps", A, 1)]),
        ([tap(A, 0, verdict="robot"), paid(1)], "last", [("none", None, 1)]),
        ([tap(A, 0, user_id=5), paid(1)], "last", [("none", None, 1)]),
        ([*TAPS, paid(3, delivery=B)], "linear", [("token", B, 1)]),
        ([*TAPS, paid(60, delivery=B)], "first", [("token", B, 1)]),
        (
            [*TAPS, tap(B, 0, via="link", user_id=None, source_id="k1"), paid(40, click_id="k1")],
            "linear",
            [("link", B, 1)],
        ),
        ([*TAPS, paid(3, click_id="nobody-knows")], "last", [("taps", A, 1)]),
        ([tap(A, 0), tap(D, 3), paid(4, campaign="promos")], "last", [("taps", A, 1)]),
        ([tap(D, 3), paid(4, campaign="promos", kind="join")], "last", [("named", C, 1)]),
        ([paid(40, campaign="promos", kind="join")], "last", [("named", None, 1)]),
        ([paid(4, user_id=None)], "linear", [("none", None, 1)]),
        ([*TAPS, paid(3, channel="@other")], "last", [("named", None, 1)]),
        ([paid(3, campaign="promos", channel="@other")], "last", [("named", None, 1)]),
        (
            [
                tap(B, 0, via="link", user_id=None, source_id="k2", verdict="robot"),
                paid(1, click_id="k2"),
            ],
            "last",
            [("link", B, 1)],
        ),
    ],
)
async def test_it_is_credited_by_the_surest_thing_that_is_known(
    postgres_dsn: str,
    database: Database,
    history: list[Event],
    model: str,
    expected: list[tuple[Any, ...]],
) -> None:
    await fold(postgres_dsn, enveloped([*POSTED, *history]))

    rows = await database.fetch(
        "SELECT basis, delivery, credit FROM fingerpost.attribution WHERE model = $1", model
    )
    assert sorted(map(tuple, rows), key=repr) == sorted(expected, key=repr)


async def test_a_start_is_a_touch_as_who_followed_a_link_has_no_tap(
    postgres_dsn: str, database: Database
) -> None:
    start = example(BotStarted, delivery=B, started_at=SLOT + 2 * DAY)
    await fold(postgres_dsn, enveloped([*POSTED, tap(A, 0), start, paid(3)]))

    rows = await database.fetch("SELECT model, delivery FROM fingerpost.attribution")
    touches = defaultdict(set)
    for model, delivery in rows:
        touches[model].add(delivery)
    assert touches == {"first": {A}, "last": {B}, "linear": {A, B}}


async def test_a_refund_takes_back_what_it_refunds_wherever_that_was_credited(
    postgres_dsn: str, database: Database
) -> None:
    payment = paid(3, source_id="p", amount=Decimal("9.90"), currency="USD")
    later = [tap(D, 5), paid(6, source_id="r", kind="refund", refund_of="p", amount="-9.90")]
    refund = later.pop().model_copy(update={"currency": "USD", "amount": Decimal("-9.90")})
    stray = paid(6, source_id="s", kind="refund", refund_of="unknown", amount=-5)
    of_refund = paid(7, source_id="t", kind="refund", refund_of="u", amount=-1)
    refunds = [refund, stray, paid(6, source_id="u", kind="refund", delivery=D), of_refund]
    await fold(postgres_dsn, enveloped([*POSTED, *TAPS, payment, *later, *refunds]))

    rows = await database.fetch(
        "SELECT delivery, sum(amount), count(*) FROM fingerpost.attribution"
        " WHERE model = 'linear' AND currency = 'USD' GROUP BY delivery"
    )
    assert {tuple(row) for row in rows} == {(A, 0, 2), (B, 0, 2), (C, 0, 2)}
    unknown = await database.fetch(
        "SELECT conversion FROM fingerpost.attribution WHERE model = 'last' AND basis = 'none'"
    )
    assert {row[0] for row in unknown} == {stray.id, of_refund.id}
    figures = await database.fetch(
        "SELECT sum(conversions), sum(converters) FROM fingerpost.promo_conversion"
    )
    assert tuple(figures[0]) == (1, 1)


async def test_currencies_are_never_mixed(postgres_dsn: str, database: Database) -> None:
    history = [
        *POSTED,
        paid(1, source_id="x", delivery=A),
        paid(1, source_id="y", delivery=A, amount="9.90", currency="USD"),
        paid(1, source_id="z", delivery=A, amount="0.10", currency="USD"),
    ]
    await fold(postgres_dsn, enveloped(history))

    revenue = await database.value(
        "SELECT revenue FROM fingerpost.variant_performance WHERE conversions > 0"
    )
    assert revenue == '{"USD": 10.00, "XTR": 250}'


async def test_an_unknown_model_is_an_error_that_names_the_known_ones(
    postgres_dsn: str, database: Database
) -> None:
    await fold(postgres_dsn, [])

    with pytest.raises(asyncpg.InvalidParameterValueError, match="use first, last, linear"):
        await database.fetch("SELECT * FROM fingerpost.attribute('7 days', 'u-shaped')")


def test_the_canonical_delivery_is_the_first_one() -> None:
    assert A == PROMO_DELIVERY
