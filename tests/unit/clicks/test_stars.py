"""Money: what is paid, renewed and paid back is recorded once, whatever became of its token."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chassis.log import LogUnavailableError
from clicks.domain.stars import Place, Transaction, date_of, mark_of, recovered, transaction
from clicks.domain.words import ENGLISH
from clicks.metrics import REFUSED
from contracts.campaign import BotCta, StarsOffer
from contracts.events import ConversionRecorded
from contracts.examples import PROMO_DELIVERY, USER, example
from contracts.token import CtaRef, TokenSigner

NOW = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)
REF = CtaRef(PROMO_DELIVERY, 0)
STRANGER = TokenSigner({"k1": b"somebody else's secret"}).sign(REF)
WITHDRAWN = TokenSigner({"k9": b"a secret of the tests"}).sign(REF)
MONTH = timedelta(days=30)
PAID = Transaction("stx-1", USER, "a token", 250, NOW, returned=False)
PERIOD_PAID = replace(PAID, period=MONTH)


async def test_a_payment_is_recorded_with_what_earned_it_and_thanked_for(story, updates):
    answers = await story.when(updates.paid())

    assert story.log.events == [example(ConversionRecorded, source_id="stx-1", occurred_at=NOW)]
    assert [answer["text"] for answer in answers] == [ENGLISH.thanks]


async def test_a_payment_counts_even_where_its_delivery_is_not_found(story, updates):
    story.log.dues.clear()

    await story.when(updates.paid())

    assert [event.delivery for event in story.log.events] == [PROMO_DELIVERY]


@pytest.mark.parametrize("token", [STRANGER, WITHDRAWN])
async def test_money_that_came_by_a_key_no_longer_known_is_recorded_without_a_delivery(
    story, updates, token
):
    answers = await story.when(updates.paid(token))

    [paid] = story.log.events
    assert (paid.amount, paid.currency, paid.user_id) == (250, "XTR", USER)
    assert (paid.delivery, paid.cta) == (None, None)
    assert [answer["text"] for answer in answers] == [ENGLISH.thanks]


@pytest.mark.parametrize("token", ["", "nonsense", 17, None, ["k1"], f"{STRANGER}x"])
async def test_a_payment_of_another_product_is_counted_and_not_recorded(story, updates, token):
    counted = REFUSED.labels("foreign_payment")._value.get()

    assert await story.when(updates.paid(token)) == []
    assert await story.when(updates.refunded(token)) == []
    assert story.log.events == []
    assert REFUSED.labels("foreign_payment")._value.get() == counted + 2


async def test_a_payment_in_another_currency_is_not_believed_to_be_stars(story, updates):
    assert await story.when(updates.paid(currency="EUR")) == []
    assert story.log.events == []


@pytest.mark.parametrize(
    ("flags", "kind"),
    [
        ({}, "payment"),
        ({"is_recurring": True, "is_first_recurring": True}, "subscription"),
        ({"is_first_recurring": True}, "subscription"),
        ({"is_recurring": True}, "renewal"),
        ({"is_recurring": "yes"}, "payment"),
    ],
)
async def test_a_payment_says_whether_it_begins_or_renews_a_subscription(
    story, updates, flags, kind
):
    until = NOW + MONTH
    ends = {"subscription_expiration_date": int(until.timestamp())} if flags else {}

    await story.when(updates.paid(**flags, **ends))

    [paid] = story.log.events
    assert (paid.kind, paid.paid_until) == (kind, until.replace(microsecond=0) if ends else None)


async def test_a_refund_is_a_negative_amount_of_the_person_in_whose_chat_it_is_told(story, updates):
    answers = await story.when(updates.refunded())

    assert answers == []
    assert story.log.events == [
        example(
            ConversionRecorded,
            source_id="refund-stx-1",
            kind="refund",
            amount=Decimal(-250),
            refund_of="stx-1",
            occurred_at=NOW,
        )
    ]


async def test_nothing_is_answered_while_the_log_does_not_acknowledge_money(story, updates):
    story.log.away = True

    for update in (updates.paid(), updates.refunded()):
        with pytest.raises(LogUnavailableError):
            await story.when(update)


async def test_a_checkout_whose_offer_cannot_be_looked_up_is_put_off_within_its_10_seconds(
    story, updates, monkeypatch
):
    async def away(_):
        raise LogUnavailableError("away")

    monkeypatch.setattr(story.log, "posted", away)

    [answer] = await story.when(updates.checkout())

    assert (answer["ok"], answer["error_message"]) == (False, ENGLISH.later)


async def test_a_checkout_of_an_offer_in_memory_needs_no_log(story, updates):
    story.log.away = True

    [answer] = await story.when(updates.checkout())

    assert answer["ok"] is True


async def test_a_subscription_is_offered_by_a_link_that_is_still_to_be_made(story, updates):
    offer = StarsOffer(title="Club", description="All signals", stars=250, subscription=True)
    story.given_ctas(BotCta(kind="bot", label="Join", greeting="Hi", offer=offer))

    _, offered = await story.handlers.update(updates.said(f"/start {story.token(0)}"))

    assert offered.invoice.body() == {
        "method": "createInvoiceLink",
        "title": "Club",
        "description": "All signals",
        "payload": story.token(0),
        "provider_token": "",
        "currency": "XTR",
        "prices": [{"label": "Club", "amount": 250}],
        "subscription_period": 2_592_000,
    }
    button = {"text": "⭐️ 250 every 30 days", "url": "https://t.me/$abc"}
    assert offered.leading_to("https://t.me/$abc").body() == {
        "method": "sendMessage",
        "chat_id": USER,
        "text": "Club\nAll signals",
        "reply_markup": {"inline_keyboard": [[button]]},
    }
    assert offered.excused().parameters == {"chat_id": USER, "text": ENGLISH.later}


async def test_a_subscription_is_checked_out_as_any_offer(story, updates):
    offer = StarsOffer(title="Club", description="All", stars=99, subscription=True)
    story.given_ctas(BotCta(kind="bot", label="Join", greeting="Hi", offer=offer))

    [right] = await story.when(updates.checkout(total_amount=99))
    [wrong] = await story.when(updates.checkout(total_amount=1))

    assert (right["ok"], wrong["ok"]) == (True, False)


def row(**fields):
    partner = {"type": "user", "user": {"id": USER}, "invoice_payload": "a token"}
    return {"id": "stx-1", "amount": 250, "date": int(NOW.timestamp()), "source": partner, **fields}


def returned_row(**fields):
    whole = row(**fields)
    return {"receiver": whole.pop("source"), **whole}


def test_rows_are_payments_and_what_was_paid_back():
    period = {**row()["source"], "subscription_period": 2_592_000}

    assert transaction(row()) == PAID
    assert transaction(row(source=period)) == PERIOD_PAID
    assert transaction(returned_row()) == replace(PAID, returned=True)
    assert transaction(returned_row(amount=-250)) == replace(PAID, returned=True)
    assert transaction(row(amount=-250)) == replace(PAID, returned=True)


@pytest.mark.parametrize(
    "other",
    [
        None,
        {},
        "row",
        row(id=5),
        row(date="now"),
        row(date=10**30),
        row(amount=None),
        row(source={"type": "fragment"}),
        row(source={"type": "user", "user": {"id": USER}, "transaction_type": "gift_purchase"}),
        row(source={"type": "user", "user": {}, "invoice_payload": "x"}),
    ],
)
def test_other_rows_are_none_of_ours_and_raise_nothing(other):
    assert transaction(other) is None
    mark_of(other)
    date_of(other)


JUNK = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)


def bent(template):
    """Any part of `template` kept, left out, or replaced by junk."""
    if isinstance(template, dict):
        fields = {name: bent(value) for name, value in template.items()}
        return st.fixed_dictionaries({}, optional=fields) | JUNK
    return st.just(template) | JUNK


@given(bent({**row(source={**row()["source"], "subscription_period": 1}), "receiver": {}}))
@settings(max_examples=300, deadline=None)
def test_whatever_a_row_is_nothing_raises(bent_row):
    mark_of(bent_row)
    date_of(bent_row)
    if found := transaction(bent_row):
        recovered(found, REF, ())


def test_a_refund_has_the_id_of_its_payment_and_another_mark():
    assert transaction(row()).source_id == "stx-1"
    assert transaction(returned_row()).source_id == "refund-stx-1"
    assert mark_of(row()) != mark_of(returned_row())


def test_a_place_is_read_as_it_was_written():
    place = Place(17, mark_of(row()))

    assert Place.of(place.text()) == place
    assert Place.of(b"\xff nonsense") is None


def test_what_is_recovered_is_what_the_update_would_have_said():
    fields = {"source_id": "stx-1", "occurred_at": NOW}
    plain = example(ConversionRecorded, **fields)

    assert recovered(PAID, REF, ()) == plain
    assert recovered(replace(PAID, returned=True), REF, ()) == plain.model_copy(
        update={
            "source_id": "refund-stx-1",
            "kind": "refund",
            "amount": Decimal(-250),
            "refund_of": "stx-1",
        }
    )
    assert recovered(PAID, None, ()) == plain.model_copy(update={"delivery": None, "cta": None})


def earlier(days, kind="subscription", ref=REF, until=None):
    at = NOW - timedelta(days=days)
    fields = {"delivery": ref and ref.delivery, "cta": ref and ref.cta}
    return example(
        ConversionRecorded, source_id="e", kind=kind, occurred_at=at, paid_until=until, **fields
    )


@pytest.mark.parametrize(
    ("before", "kind"),
    [
        ([], "subscription"),
        ([earlier(30)], "renewal"),
        ([earlier(30, "renewal")], "renewal"),
        ([earlier(31)], "renewal"),
        ([earlier(60, until=NOW - timedelta(hours=2))], "renewal"),
        ([earlier(90)], "subscription"),
        ([earlier(30, "payment")], "subscription"),
        ([earlier(30, ref=CtaRef(PROMO_DELIVERY, 1))], "subscription"),
        ([earlier(30, ref=None)], "subscription"),
        ([earlier(-1)], "subscription"),
        ([earlier(0)], "renewal"),
        ([earlier(0).model_copy(update={"source_id": "stx-1"})], "subscription"),
    ],
)
def test_a_recovered_period_renews_what_the_person_had_until_then(before, kind):
    found = recovered(PERIOD_PAID, REF, before)

    assert (found.kind, found.paid_until) == (kind, NOW + MONTH)
