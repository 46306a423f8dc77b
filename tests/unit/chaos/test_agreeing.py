"""What the checker works out by itself is what the services work out: names, and rows."""

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics.schema.tables import TABLES
from chaos.judging.facts import NEEDED, Fact, read
from chaos.judging.figures import VIEWS, figures_of
from chaos.judging.folding import KEYS, Rows, fold
from chaos.judging.names import delivery_of, part_of_a_subject, token
from chaos.judging.run import Message
from chaos.judging.tables import _plain, _same
from contracts.envelope import Envelope
from contracts.events import BY_TYPE, EVENTS, UserForgotten
from contracts.examples import example
from contracts.ids import DeliveryId, delivery_id, subject_token
from contracts.token import CtaRef, TokenSigner
from harness.histories import enveloped, histories
from harness.plain_fold import figures_of as plain_figures_of
from harness.plain_fold import numbered, tables_of

COLUMNS = {table.name: [column.name for column in table.columns] for table in TABLES}
SECRET = "a secret of sixteen or more"


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
    known = [one for one in log if not isinstance(one.data, UserForgotten)]

    rows = fold(facts(known))

    expected = tables_of(numbered(known))
    for table in KEYS:
        assert plain(rows[table], COLUMNS[table]) == {
            tuple(_hashed(value) for value in row) for row in expected[table]
        }, table
    for kind in VIEWS.values():
        figures = plain_figures_of(known, kind)
        mine = figures_of(rows, kind)
        assert set(mine) == {(*key[:3], key[3].isoformat()) for key in figures}
        for key, numbers in figures.items():
            row = mine[*key[:3], key[3].isoformat()]
            differing = [n for n in row if n in numbers and not _same(numbers[n], row[n])]
            assert differing == []


def plain(rows: Rows, columns: list[str]) -> set[tuple[Any, ...]]:
    return {tuple(_hashed(row[name]) for name in columns) for row in rows.values()}


def _hashed(value: Any) -> Any:
    if isinstance(value, date):  # datetimes are dates, too
        value = value.isoformat()
    elif isinstance(value, str) and value.startswith(("[", "{")):
        value = json.loads(value)
    return json.dumps(_plain(value), default=str, sort_keys=True)
