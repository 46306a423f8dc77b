"""What the checker works out by itself is what the services work out: names, and rows."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics.domain.fold import Entry, Tables
from analytics.domain.fold import fold as service_fold
from analytics.domain.forgetting import forgotten
from analytics.schema.tables import TABLES
from chaos.judging.facts import NEEDED, Fact, read
from chaos.judging.figures import VIEWS, figures_of
from chaos.judging.folding import KEYS, Rows, fold
from chaos.judging.names import delivery_of, part_of_a_subject, token
from chaos.judging.run import Message
from chaos.judging.tables import _plain, _same
from chaos.judging.views import credits_of
from contracts.envelope import Envelope
from contracts.events import (
    BY_TYPE,
    EVENTS,
    BotStarted,
    ConversionRecorded,
    CtaClicked,
    Event,
    GuideDue,
    MessageSent,
    PromoDue,
)
from contracts.examples import GUIDE_DELIVERY, PROMO_DELIVERY, SLOT, example
from contracts.ids import DeliveryId, delivery_id, subject_token
from contracts.token import CtaRef, TokenSigner
from harness.histories import enveloped, histories
from harness.plain_attribution import MODELS, WEEK
from harness.plain_attribution import credits_of as plain_credits_of
from harness.plain_fold import figures_of as plain_figures_of
from harness.plain_fold import numbered, tables_of

COLUMNS = {table.name: [column.name for column in table.columns] for table in TABLES}
SECRET = "a secret of sixteen or more"
PERSON = 500_001


def messages(log: list[Envelope]) -> list[Message]:
    return [
        Message(number, one.subject, {}, one.time.timestamp(), json.loads(one.document()))
        for number, one in enumerate(log, start=1)
    ]


def facts(log: list[Envelope]) -> list[Fact]:
    return [fact for fact in map(read, messages(log)) if isinstance(fact, Fact)]


def test_every_event_of_the_contracts_can_be_read_and_no_other() -> None:
    assert {f"fingerpost.{kind}.v1" for kind in NEEDED} == set(BY_TYPE)


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
def test_an_example_of_each_event_is_read_as_itself(kind: Any) -> None:
    envelope = enveloped([example(kind)])[0]

    (fact,) = facts([envelope])

    assert (fact.id, fact.subject, fact.kind) == (envelope.id, envelope.subject, kind.fact())


@given(
    campaign=st.from_regex(r"[a-z0-9][a-z0-9_-]{0,20}", fullmatch=True),
    channel=st.sampled_from(["-1001234567890", "@channel", "42"]),
    at=st.integers(0, 4_000_000_000),
    cta=st.integers(0, 99),
)
def test_deliveries_and_tokens_have_the_same_names(
    campaign: str, channel: str, at: int, cta: int
) -> None:
    name = delivery_id(campaign, channel, datetime.fromtimestamp(at, UTC))
    text = TokenSigner({"k1": SECRET.encode()}).sign(CtaRef(name, cta))

    found = token(text, {"k1": SECRET})

    assert delivery_of(campaign, channel, at) == name
    assert found is not None
    assert (found.delivery, found.cta, found.genuine) == (name, cta, True)


@pytest.mark.parametrize("keys", [{"k1": "another secret of some length"}, {"k2": SECRET}])
def test_a_token_by_another_key_is_not_genuine(keys: dict[str, str]) -> None:
    text = TokenSigner({"k1": SECRET.encode()}).sign(CtaRef(DeliveryId("0" * 26), 0))

    found = token(text, keys)

    assert found is not None
    assert found.genuine is False


@given(st.text(max_size=80))
def test_parts_of_subjects_are_the_same(text: str) -> None:
    assert part_of_a_subject(text) == subject_token(text)


@given(histories())
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_any_log_amounts_to_the_same_rows_and_figures(log: list[Envelope]) -> None:
    rows = fold(facts(log))

    expected = tables_of(numbered(log))
    for table in KEYS.keys() - {"forgotten"}:
        assert plain(rows[table], COLUMNS[table]) == {
            tuple(_hashed(value) for value in row) for row in expected[table]
        }, table
    for kind in VIEWS.values():
        figures = plain_figures_of(log, kind)
        mine = figures_of(rows, kind)
        assert set(mine) == {(*key[:3], key[3].isoformat()) for key in figures}
        for key, numbers in figures.items():
            row = mine[*key[:3], key[3].isoformat()]
            differing = [n for n in row if n in numbers and not _same(numbers[n], row[n])]
            assert differing == []


_ACTS = st.tuples(
    st.sampled_from([CtaClicked, BotStarted, ConversionRecorded]),
    st.sampled_from([GUIDE_DELIVERY, PROMO_DELIVERY, DeliveryId("0" * 26)]),
    st.sampled_from([PERSON, PERSON, PERSON + 1]),
    st.integers(0, 10 * 24),
)


@given(st.lists(_ACTS, min_size=4, max_size=12))
def test_every_conversion_is_credited_to_the_same_deliveries_in_the_same_parts(
    acts: list[tuple[Any, DeliveryId, int, int]],
) -> None:
    said = [example(kind) for kind in (GuideDue, PromoDue, MessageSent)]
    said += [_act(number, *act) for number, act in enumerate(acts)]
    log = enveloped(said)
    posts = [*tables_of(numbered(log))["deliveries"]]

    parts = credits_of(fold(facts(log)))

    assert {(*key, _plain(row["credit"]), _plain(row["amount"])) for key, row in parts.items()} == {
        (one.conversion, model, one.delivery, _plain(one.credit), _plain(one.amount))
        for model in MODELS
        for one in plain_credits_of(log, posts, WEEK, model)
    }


def _act(number: int, kind: type[Event], delivery: DeliveryId, person: int, hour: int) -> Event:
    """Return what a person did in some hour; what was paid names nothing else."""
    at = SLOT + timedelta(hours=hour)
    if kind is CtaClicked:
        said = {"source_id": f"tap-{number}", "clicked_at": at}
    elif kind is BotStarted:
        said = {"update_id": number, "started_at": at}
    else:
        paid = {"source": "shop", "source_id": f"order-{number}", "delivery": None, "cta": None}
        return example(kind, **paid, user_id=person, occurred_at=at)
    return example(kind, **said, delivery=delivery, user_id=person)


def test_who_is_forgotten_counts_on_alike_and_is_named_by_nobody() -> None:
    mine = [example(kind, user_id=PERSON) for kind in (CtaClicked, BotStarted, ConversionRecorded)]
    link = example(CtaClicked, via="link", source_id="a-link", user_id=None)
    log = enveloped([example(PromoDue), *mine, link])
    told = [Entry(number, one) for number, one in enumerate(log, start=1) if one.data in mine]
    places = [entry.sequence for entry in told]
    log += enveloped(forgotten(places, told, places, datetime(2026, 5, 1, tzinfo=UTC)))

    rows = fold(facts(log))

    theirs = service_fold(Tables(), numbered(log))
    for table in ("clicks", "starts", "conversions", "forgotten"):
        kept = {tuple(map(_hashed, row)) for row in getattr(theirs, table).values()}
        assert plain(rows[table], COLUMNS[table]) == kept, table
    assert len(rows["clicks"]) == 2
    assert str(PERSON) not in str(rows)


def plain(rows: Rows, columns: list[str]) -> set[tuple[Any, ...]]:
    return {tuple(_hashed(row[name]) for name in columns) for row in rows.values()}


def _hashed(value: Any) -> Any:
    if isinstance(value, date):  # datetimes are dates, too
        value = value.isoformat()
    elif isinstance(value, str) and value.startswith(("[", "{")):
        value = json.loads(value)
    return json.dumps(_plain(value), default=str, sort_keys=True)
