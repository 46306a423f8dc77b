"""What is read from the events of Stripe, in the shapes of its old and new API versions."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from clicks.domain.stripe_events import (
    WANTED,
    Ignored,
    Sale,
    Trace,
    Unreadable,
    conversion,
    read,
    units,
)
from contracts.events import ConversionRecorded
from contracts.examples import PROMO_DELIVERY, USER, example
from contracts.token import CtaRef

AT = 1_772_366_400
PERIOD_END = AT + 30 * 86_400
METADATA = {
    "fingerpost_token": "k1-token",
    "fingerpost_click": "click-1",
    "fingerpost_user": str(USER),
}
TRACED = Trace(("k1-token",), "click-1", USER)


def event(kind, thing, **fields):
    body = {"id": "evt_1", "object": "event", "type": kind, "created": AT, "livemode": True}
    return {**body, "data": {"object": thing}, **fields}


def checkout(kind="checkout.session.completed", **fields):
    session = {
        "id": "cs_live_1",
        "object": "checkout.session",
        "mode": "payment",
        "payment_status": "paid",
        "payment_intent": "pi_1",
        "subscription": None,
        "amount_total": 990,
        "currency": "eur",
        "client_reference_id": "k1-token",
        "metadata": {},
    }
    return event(kind, {**session, **fields})


def invoice(**fields):
    """An invoice as API versions before 2025-03-31 send it."""
    body = {
        "id": "in_1",
        "object": "invoice",
        "billing_reason": "subscription_cycle",
        "amount_paid": 990,
        "currency": "eur",
        "subscription": "sub_1",
        "subscription_details": {"metadata": METADATA},
        "lines": {"data": [{"period": {"start": AT, "end": PERIOD_END}}]},
    }
    return event("invoice.paid", {**body, **fields})


def new_invoice(**fields):
    """An invoice as later API versions send it."""
    details = {"subscription": "sub_1", "metadata": METADATA}
    made = invoice(parent={"type": "subscription_details", "subscription_details": details})
    thing = {**made["data"]["object"], **fields}
    del thing["subscription"], thing["subscription_details"]
    return {**made, "data": {"object": thing}}


def refund(refunded, before, **fields):
    charge = {
        "id": "ch_1",
        "object": "charge",
        "amount": 990,
        "amount_refunded": refunded,
        "currency": "eur",
        "payment_intent": "pi_1",
        "metadata": {},
    }
    data = {"object": {**charge, **fields}, "previous_attributes": {"amount_refunded": before}}
    return event("charge.refunded", None, data=data)


def sale_of(said) -> Sale:
    sale = read(said, test_events=False)
    assert isinstance(sale, Sale), sale
    return sale


def test_a_paid_checkout_is_a_payment_named_by_its_payment_intent():
    assert sale_of(checkout()) == Sale(
        kind="payment",
        id="pi_1",
        amount=Decimal("9.90"),
        currency="EUR",
        occurred_at=datetime.fromtimestamp(AT, UTC),
        trace=Trace(("k1-token",)),
    )


def test_what_the_metadata_says_is_read_too():
    assert sale_of(checkout(client_reference_id=None, metadata=METADATA)).trace == TRACED


def test_a_click_may_stand_in_the_reference_if_it_is_marked_as_one():
    assert sale_of(checkout(client_reference_id="fp_click-1")).trace.click_id == "click-1"
    assert sale_of(checkout(client_reference_id="click-1")).trace.click_id is None


def test_a_payment_that_took_its_time_counts_once_it_has_arrived():
    waiting = checkout(payment_status="unpaid")
    arrived = checkout("checkout.session.async_payment_succeeded")

    assert read(waiting, test_events=False) == Ignored("not_paid")
    assert sale_of(arrived).id == sale_of(checkout()).id


def test_the_first_payment_of_a_subscription_has_one_name_in_both_events_that_tell_of_it():
    bought = sale_of(checkout(mode="subscription", subscription="sub_1", payment_intent=None))
    billed = sale_of(invoice(billing_reason="subscription_create"))

    assert (bought.id, bought.kind) == (billed.id, billed.kind) == ("sub_1", "subscription")


def test_a_trial_is_a_subscription_of_nothing_so_that_what_is_paid_later_leads_back_to_it():
    trial = {"mode": "subscription", "subscription": "sub_1", "amount_total": 0}
    begun = sale_of(checkout(**trial, payment_status="no_payment_required"))

    assert (begun.kind, begun.id, begun.amount) == ("subscription", "sub_1", 0)
    assert sale_of(invoice(subscription_details=None)).follows == begun.id


@pytest.mark.parametrize("reason", ["subscription_update", "subscription_threshold"])
def test_what_a_subscription_costs_besides_its_periods_is_a_payment(reason):
    billed = sale_of(invoice(billing_reason=reason))

    assert (billed.kind, billed.id, billed.follows) == ("payment", "in_1", "sub_1")


@pytest.mark.parametrize("made", [invoice, new_invoice])
def test_a_renewal_is_named_by_its_invoice_and_follows_its_subscription(made):
    renewed = sale_of(made())

    assert (renewed.kind, renewed.id, renewed.follows) == ("renewal", "in_1", "sub_1")
    assert renewed.trace == TRACED
    assert renewed.paid_until == datetime.fromtimestamp(PERIOD_END, UTC)


def test_an_id_that_was_expanded_is_found():
    assert sale_of(checkout(payment_intent={"id": "pi_9", "object": "payment_intent"})).id == "pi_9"


def test_partial_refunds_each_pay_back_their_own_part_once():
    first, second = sale_of(refund(300, 0)), sale_of(refund(990, 300))
    again = sale_of({**refund(990, 300), "id": "evt_2"})

    assert [first.amount, second.amount] == [Decimal("-3.00"), Decimal("-6.90")]
    assert first.id != second.id == again.id
    assert (first.kind, first.follows) == ("refund", "pi_1")


def test_a_refund_of_an_invoice_follows_it_where_the_charge_still_names_it():
    assert sale_of(refund(990, 0, invoice="in_1")).follows == "in_1"


@pytest.mark.parametrize(
    ("minor", "currency", "whole"),
    [
        (990, "EUR", "9.90"),
        (500, "JPY", "500"),
        (5120, "KWD", "5.120"),
        (500, "ISK", "5.00"),
        (500, "UGX", "5.00"),
        (1, "USD", "0.01"),
    ],
)
def test_minor_units_are_those_of_the_currency(minor, currency, whole):
    assert str(units(minor, currency)) == whole
    assert sale_of(checkout(amount_total=minor, currency=currency.lower())).amount == Decimal(whole)


@pytest.mark.parametrize(
    "said",
    [
        None,
        [],
        {"object": "v2.core.event", "type": "checkout.session.completed"},
        event("customer.created", {}),
        event("payment_intent.succeeded", {}),
        checkout(mode="setup", payment_status="no_payment_required"),
        checkout(amount_total=0, payment_status="no_payment_required"),
        checkout(mode="subscription", payment_status="unpaid"),
        invoice(billing_reason="manual"),
        invoice(amount_paid=0),
    ],
)
def test_what_is_of_no_interest_is_ignored(said):
    assert isinstance(read(said, test_events=False), Ignored)


def test_play_money_counts_only_where_it_is_asked_for():
    played = {**checkout(), "livemode": False}

    assert read(played, test_events=False) == Ignored("test_mode")
    assert isinstance(read(played, test_events=True), Sale)


@pytest.mark.parametrize(
    "said",
    [
        checkout(amount_total="990"),
        checkout(amount_total=None),
        checkout(amount_total=-1),
        checkout(currency="euro"),
        checkout(id=None, payment_intent=None),
        checkout(payment_intent="pi_1\r\nx", id="cs 1"),
        {**checkout(), "created": None},
        {**checkout(), "created": 10**20},
        invoice(subscription=None),
        refund(990, None),
        refund(300, 300),
        event("invoice.paid", {"billing_reason": "subscription_cycle"}),
    ],
)
def test_what_is_of_interest_and_cannot_be_read_is_said_so_and_not_dropped(said):
    result = read(said, test_events=False)

    assert isinstance(result, Unreadable)
    assert result.problem


@pytest.mark.parametrize("kind", WANTED)
@pytest.mark.parametrize("thing", [None, [], "x", {}, {"metadata": 7}, {"billing_reason": []}])
def test_nothing_raises(kind, thing):
    read(event(kind, thing), test_events=False)
    read(event(kind, thing, data=thing), test_events=False)


def test_a_sale_is_recorded_with_what_its_token_stands_for():
    made = conversion(sale_of(checkout()), CtaRef(PROMO_DELIVERY, 1), None)

    assert made == ConversionRecorded(
        source="stripe",
        source_id="pi_1",
        kind="payment",
        amount=Decimal("9.90"),
        currency="EUR",
        delivery=PROMO_DELIVERY,
        cta=1,
        occurred_at=datetime.fromtimestamp(AT, UTC),
    )


def test_a_sale_that_names_nothing_of_ours_is_not_recorded():
    assert conversion(sale_of(checkout(client_reference_id="cart 7")), None, None) is None


def test_a_refund_is_credited_as_what_it_pays_back():
    earlier = example(ConversionRecorded, source="stripe", source_id="pi_1", click_id="c-1")

    made = conversion(sale_of(refund(300, 0)), None, earlier)

    assert (made.delivery, made.cta, made.user_id) == (earlier.delivery, earlier.cta, USER)
    assert (made.kind, made.refund_of, made.click_id) == ("refund", "pi_1", "c-1")


def test_a_renewal_without_metadata_is_credited_as_its_subscription_was():
    bare = invoice(subscription_details={"metadata": {}})
    earlier = example(ConversionRecorded, source="stripe", source_id="sub_1")

    made = conversion(sale_of(bare), None, earlier)

    assert (made.kind, made.delivery, made.refund_of) == ("renewal", earlier.delivery, None)


@pytest.mark.parametrize("said", [checkout(metadata={"fingerpost_user": "7\n"}), checkout()])
def test_a_user_is_a_whole_number(said):
    assert sale_of(said).trace.user_id is None
    assert json.dumps(said)
