"""What other systems may say of a conversion, and what is recorded of it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from clicks.domain.conversions import Conversion, Result, duplicate, read
from contracts.events import ConversionRecorded
from contracts.examples import PROMO_DELIVERY, USER
from contracts.token import CtaRef, TokenSigner

NOW = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)
SIGNER = TokenSigner({"k1": b"a secret of the tests"})
TOKEN = SIGNER.sign(CtaRef(PROMO_DELIVERY, 1))
STRANGER = TokenSigner({"k1": b"somebody else's secret"}).sign(CtaRef(PROMO_DELIVERY, 1))


def said(**fields):
    order = {"id": "order-1", "kind": "payment", "amount": "9.90", "currency": "EUR"}
    return {**order, **fields}


def event_of(item) -> ConversionRecorded:
    event = read(item, SIGNER, NOW)
    assert isinstance(event, ConversionRecorded), event
    return event


def refusal_of(item) -> Result:
    result = read(item, SIGNER, NOW)
    assert isinstance(result, Result), result
    return result


def test_a_payment_with_all_that_led_to_it_is_recorded_so():
    item = said(
        source="shop",
        occurred_at="2026-03-01T13:00:00+02:00",
        token=TOKEN,
        click_id="Ub3x_-abc",
        user_id=USER,
    )

    assert event_of(item) == ConversionRecorded(
        source="shop",
        source_id="order-1",
        kind="payment",
        amount=Decimal("9.90"),
        currency="EUR",
        user_id=USER,
        delivery=PROMO_DELIVERY,
        cta=1,
        click_id="Ub3x_-abc",
        occurred_at=datetime(2026, 3, 1, 11, 0, tzinfo=UTC),
    )


def test_little_is_enough():
    event = event_of({"id": "signup-7", "kind": "join"})

    assert (event.source, event.amount, event.delivery) == ("api", None, None)
    assert event.occurred_at == NOW


def test_null_is_as_good_as_nothing():
    optional = ("amount", "currency", "occurred_at", "token", "click_id", "user_id", "refund_of")
    bare = {"id": "signup-7", "kind": "join"}

    assert event_of({**bare, **dict.fromkeys(optional)}) == event_of(bare)


def test_a_refund_pays_back_and_says_what():
    event = event_of(said(id="refund-1", kind="refund", amount="-9.90", refund_of="order-1"))

    assert (event.amount, event.refund_of) == (Decimal("-9.90"), "order-1")


@pytest.mark.parametrize(
    ("amount", "exactly"),
    [("0.1", "0.1"), (Decimal("0.1"), "0.1"), (3, "3"), ("1000000.000001", "1000000.000001")],
)
def test_an_amount_is_exactly_what_was_said(amount, exactly):
    assert event_of(said(amount=amount)).amount == Decimal(exactly)


@pytest.mark.parametrize("zero", ["0E+999999", "0E-30", "-0.0"])
def test_a_zero_is_one_that_a_database_can_keep(zero):
    assert str(event_of(said(amount=Decimal(zero))).amount) == "0"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"id": ""}, "id"),
        ({"id": 7}, "id"),
        ({"id": "a b"}, "id"),
        ({"id": "x" * 256}, "id"),
        ({"id": "Zoë"}, "id"),
        ({"id": "a\r\nNats-Msg-Id: b"}, "id"),
        ({"source": "stars"}, "source"),
        ({"source": "stripe"}, "source"),
        ({"source": "telegram"}, "source"),
        ({"source": "a.b"}, "source"),
        ({"source": ">"}, "source"),
        ({"kind": "sale"}, "kind"),
        ({"kind": None}, "kind"),
        ({"amount": "1,50"}, "amount"),
        ({"amount": "1_000"}, "amount"),
        ({"amount": " 5"}, "amount"),
        ({"amount": "٣"}, "amount"),
        ({"amount": True}, "amount"),
        ({"amount": "NaN"}, "amount"),
        ({"amount": "Infinity"}, "amount"),
        ({"amount": "1e400"}, "amount"),
        ({"amount": Decimal("1E+999999")}, "amount"),
        ({"amount": "0.0000001"}, "amount"),
        ({"amount": "-1"}, "amount"),
        ({"amount": "5", "kind": "refund"}, "amount"),
        ({"amount": "0", "kind": "refund"}, "amount"),
        ({"amount": None}, "amount"),
        ({"amount": None, "currency": None, "kind": "refund"}, "amount"),
        ({"currency": None}, "currency"),
        ({"currency": "eur"}, "currency"),
        ({"occurred_at": "2026-03-01T12:00:00"}, "occurred_at"),
        ({"occurred_at": "yesterday"}, "occurred_at"),
        ({"occurred_at": 1_700_000_000}, "occurred_at"),
        ({"occurred_at": "0001-01-01T00:00:00+14:00"}, "occurred_at"),
        ({"occurred_at": (NOW + timedelta(minutes=6)).isoformat()}, "occurred_at"),
        ({"token": STRANGER}, "token"),
        ({"token": "nonsense"}, "token"),
        ({"token": ""}, "token"),
        ({"token": "x" * 100_000}, "token"),
        ({"click_id": "../etc"}, "click_id"),
        ({"user_id": "7"}, "user_id"),
        ({"user_id": 7.0}, "user_id"),
        ({"user_id": 2**63}, "user_id"),
        ({"user_id": -1}, "user_id"),
        ({"refund_of": "order-0"}, "refund_of"),
        ({"ammount": "5"}, "ammount"),
    ],
)
def test_a_refusal_names_the_field_and_the_remedy(change, field):
    result = refusal_of(said(**change))

    assert (result.status, result.field) == ("refused", field)
    assert result.problem
    assert result.remedy


@pytest.mark.parametrize("item", [None, 7, "order-1", [], [{}]])
def test_what_is_no_object_is_refused_as_a_whole(item):
    result = refusal_of(item)

    assert (result.id, result.field) == (None, None)
    assert "/v1/openapi.json" in result.remedy


@pytest.mark.parametrize("id_", ["\ud800", "x" * 300, "a\nb", {"x": 1}])
def test_an_id_that_cannot_be_said_back_is_not(id_):
    assert refusal_of(said(id=id_)).id is None


@pytest.mark.parametrize("name", ["\ud800", "x" * 300, "a b"])
def test_neither_is_a_field_that_nobody_knows(name):
    result = refusal_of(said(**{name: 1}))

    assert result.field is None
    assert result.model_dump_json()


def test_a_slow_clock_at_the_other_end_is_no_reason_to_refuse():
    assert event_of(said(occurred_at=(NOW + timedelta(minutes=4)).isoformat()))


@pytest.mark.parametrize(
    ("again", "differs"),
    [
        ({}, ()),
        ({"amount": "9.9"}, ()),
        ({"amount": "8.90"}, ("amount",)),
        ({"kind": "renewal", "currency": "USD"}, ("kind", "currency")),
        ({"user_id": USER}, ("user_id",)),
        ({"token": TOKEN}, ("delivery", "cta")),
    ],
)
def test_a_duplicate_says_what_was_said_otherwise_the_first_time(again, differs):
    item = said(**again)

    result = duplicate(item, event_of(item), event_of(said()))

    assert (result.status, result.differs) == ("duplicate", differs)
    assert bool(result.problem) == bool(differs)


def test_what_was_left_out_differs_in_nothing():
    first = event_of(said(occurred_at="2026-03-01T09:00:00Z", user_id=USER))

    assert duplicate(said(), event_of(said()), first).differs == ()


def test_every_field_says_in_the_description_what_to_send():
    assert [name for name, field in Conversion.model_fields.items() if not field.description] == []
