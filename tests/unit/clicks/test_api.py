"""The API of other systems over HTTP, with requests signed by the inventors' own libraries."""

import json
import subprocess
import sys
from datetime import timedelta
from decimal import Decimal

import httpx
import pytest
from starlette.applications import Starlette

from clicks import api
from clicks.callers import Callers
from clicks.conversions import Conversions
from clicks.domain.limits import Limit
from clicks.openapi import document
from clicks.signatures import standard_webhooks, stripe
from clicks.stripe_webhook import StripeEvents
from contracts.examples import PROMO_DELIVERY, USER
from contracts.token import CtaRef, TokenSigner
from harness.signing import OLDER_SECRET, SECRET, STRIPE_SECRET, Systems, signed
from harness.takers import Shelf, Taker, now

SIGNER = TokenSigner({"k1": b"a secret of the tests"})
TOKEN = SIGNER.sign(CtaRef(PROMO_DELIVERY, 1))
PAYMENT = {"id": "order-1", "kind": "payment", "amount": "9.90", "currency": "EUR", "token": TOKEN}
CHECKOUT = {
    "id": "evt_1",
    "object": "event",
    "type": "checkout.session.completed",
    "created": 1_772_366_400,
    "livemode": True,
    "data": {
        "object": {
            "id": "cs_1",
            "mode": "payment",
            "payment_status": "paid",
            "payment_intent": "pi_1",
            "amount_total": 500,
            "currency": "jpy",
            "client_reference_id": TOKEN,
        }
    },
}


def application(
    journal, *, early=None, ours=(SECRET, OLDER_SECRET), stripes=("whsec_other", STRIPE_SECRET)
):
    callers = Callers(Limit(3, timedelta(minutes=1)), trusted_proxies=0, clock=now)
    entrance = api.Door(standard_webhooks(ours) if ours else None, callers, setting="OURS")
    events = StripeEvents(SIGNER, journal, early or Shelf(), test_events=False)
    till = api.Door(stripe(stripes) if stripes else None, callers, setting="STRIPES")
    return Starlette(
        routes=[
            api.conversions(Conversions(SIGNER, journal, now).record, entrance),
            api.stripe(events.handle, till),
            api.openapi(),
        ]
    )


def client(app, address="127.0.0.1"):
    transport = httpx.ASGITransport(app, client=(address, 4711))
    return httpx.AsyncClient(transport=transport, base_url="http://clicks")


@pytest.fixture
def journal():
    return Taker()


@pytest.fixture
def early():
    return Shelf()


@pytest.fixture
async def systems(journal, early):
    async with client(application(journal, early=early)) as http:
        yield Systems(http)


async def test_a_signed_conversion_is_recorded_and_a_repeat_is_a_duplicate(systems, journal):
    first, second = await systems.say(PAYMENT), await systems.say(PAYMENT)

    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json() == {"results": [{"id": "order-1", "status": "recorded"}]}
    assert second.json() == {"results": [{"id": "order-1", "status": "duplicate"}]}
    [event] = journal.events
    assert (event.delivery, event.cta, event.amount) == (PROMO_DELIVERY, 1, Decimal("9.90"))


async def test_a_duplicate_that_says_something_else_changes_nothing_and_is_told(systems, journal):
    await systems.say(PAYMENT)

    [result] = (await systems.say({**PAYMENT, "amount": "1.00"})).json()["results"]

    assert (result["status"], result["differs"]) == ("duplicate", ["amount"])
    assert [event.amount for event in journal.events] == [Decimal("9.90")]


async def test_each_conversion_of_a_batch_is_answered_by_itself(systems, journal):
    batch = [PAYMENT, {"id": "x", "kind": "sale"}, PAYMENT, {"id": "signup", "kind": "join"}, 7]

    response = await systems.say({"conversions": batch})

    results = response.json()["results"]
    assert response.status_code == 200
    assert [r["status"] for r in results] == [
        *("recorded", "refused", "duplicate", "recorded", "refused")
    ]
    assert (results[1]["id"], results[1]["field"]) == ("x", "kind")
    assert len(journal.events) == 2


async def test_one_that_is_sent_by_itself_and_refused_is_a_422(systems, journal):
    response = await systems.say({**PAYMENT, "amount": 9.9, "currency": "euro"})

    assert response.status_code == 422
    assert response.json()["results"][0]["field"] == "currency"
    assert journal.events == []


async def test_numbers_are_what_was_written(systems, journal):
    body = json.dumps(PAYMENT).replace('"9.90"', "1000000000000.10").encode()

    await systems.http.post("/v1/conversions", content=body, headers=signed(body))

    assert [str(event.amount) for event in journal.events] == ["1000000000000.10"]


@pytest.mark.parametrize("secret", [SECRET, OLDER_SECRET])
async def test_any_of_the_secrets_may_sign(systems, secret):
    assert (await systems.say(PAYMENT, secret=secret)).status_code == 200


@pytest.mark.parametrize(
    "headers",  # Made by the test: what is signed ages while others run.
    [
        dict,
        lambda: {"webhook-id": "1"},
        lambda: signed(b"another body"),
        lambda: signed(b"{}", secret="whsec_" + "A" * 32),
        lambda: signed(b"{}", late=timedelta(minutes=6)),
        lambda: signed(b"{}", late=timedelta(minutes=-6)),
        lambda: {**signed(b"{}"), "webhook-signature": "v1"},
        lambda: {**signed(b"{}"), "webhook-signature": "v1,=,"},
        lambda: {**signed(b"{}"), "webhook-signature": "v1,A"},
        lambda: {**signed(b"{}"), "webhook-signature": "v1,\xff".encode("latin-1")},
        lambda: {**signed(b"{}"), "webhook-timestamp": "nan"},
        lambda: {**signed(b"{}"), "webhook-timestamp": "9" * 400},
        lambda: {**signed(b"{}"), "webhook-id": "another"},
    ],
)
async def test_without_a_valid_signature_there_is_nothing_but_401(systems, journal, headers):
    response = await systems.http.post("/v1/conversions", content=b"{}", headers=headers())

    assert response.status_code == 401
    assert {"error", "remedy"} == response.json().keys()
    assert "whsec" not in response.text
    assert journal.events == []


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"[" * 100_000, b"\xff", b"NaN", b'{"id": Infinity}', b"1" * 5_000),
        b'{"amount": 1e99999999999999999999}',
        b'{"conversions": []}',
        b'{"conversions": {}}',
        b'{"conversions": [{}], "more": 1}',
        b'{"conversions": [' + b",".join([b"{}"] * 101) + b"]}",
        *(b"null", b"7", b"[]", b'"\\ud800"', b'{"id": "\\ud800"}'),
    ],
)
async def test_what_cannot_be_read_is_a_422_that_says_why(systems, journal, body):
    webhook = standard_body(body)

    response = await systems.http.post("/v1/conversions", content=body, headers=webhook)

    assert response.status_code in {401, 422}
    assert "remedy" in response.text
    assert journal.events == []


def standard_body(body):
    """Sign what can be signed: the library signs text."""
    try:
        return signed(body)
    except UnicodeDecodeError:
        return signed(b"")


async def test_a_body_over_the_limit_is_refused(systems):
    assert (await systems.say({"id": "x" * 300_000})).status_code == 413


async def test_while_the_log_is_away_all_is_to_be_said_again_and_then_counts_once(systems, journal):
    journal.away = True
    for response in (await systems.say(PAYMENT), await systems.stripe(CHECKOUT)):
        assert (response.status_code, response.headers["retry-after"]) == (503, "5")

    journal.away = False
    await systems.say(PAYMENT)
    await systems.stripe(CHECKOUT)

    assert len(journal.events) == 2


async def test_a_checkout_that_stripe_signed_is_recorded_once_however_often_it_is_sent(
    systems, journal
):
    responses = [await systems.stripe({**CHECKOUT, "id": f"evt_{n}"}) for n in range(3)]

    assert [(r.status_code, r.content) for r in responses] == [(200, b"")] * 3
    [event] = journal.events
    assert (event.source, event.source_id, event.delivery) == ("stripe", "pi_1", PROMO_DELIVERY)
    assert (event.amount, event.currency) == (Decimal(500), "JPY")


async def test_a_refund_that_stripe_signed_is_credited_as_its_payment(systems, journal):
    await systems.stripe(CHECKOUT)
    charge = {"id": "ch_1", "payment_intent": "pi_1", "currency": "jpy", "amount_refunded": 200}
    data = {"object": charge, "previous_attributes": {"amount_refunded": 0}}

    await systems.stripe({**CHECKOUT, "type": "charge.refunded", "data": data})

    refund = journal.events[-1]
    assert (refund.kind, refund.amount, refund.refund_of) == ("refund", Decimal(-200), "pi_1")
    assert (refund.delivery, refund.cta) == (PROMO_DELIVERY, 1)


def refunded(amount, before=0):
    charge = {"id": "ch_1", "payment_intent": "pi_1", "currency": "jpy", "amount_refunded": amount}
    data = {"object": charge, "previous_attributes": {"amount_refunded": before}}
    return {**CHECKOUT, "type": "charge.refunded", "data": data}


async def test_refunds_that_come_before_their_payment_are_credited_once_it_is_there(
    systems, journal
):
    first = [await systems.stripe(event) for event in (refunded(200), refunded(500, before=200))]
    assert journal.events == []

    last = await systems.stripe(CHECKOUT)

    assert {response.status_code for response in (*first, last)} == {200}
    assert [(e.kind, e.amount, e.delivery) for e in journal.events] == [
        ("payment", 500, PROMO_DELIVERY),
        ("refund", -200, PROMO_DELIVERY),
        ("refund", -300, PROMO_DELIVERY),
    ]


async def test_killed_between_a_payment_and_its_early_refund_stripe_s_repeat_records_the_refund(
    systems, journal, early
):
    await systems.stripe(refunded(200))
    early.away = True
    interrupted = await systems.stripe(CHECKOUT)
    early.away = False

    again = [await systems.stripe(CHECKOUT) for _ in range(2)]

    assert interrupted.status_code == 503
    assert {response.status_code for response in again} == {200}
    assert [event.kind for event in journal.events] == ["payment", "refund"]


async def test_a_payment_that_arrives_just_before_its_refund_is_kept_is_found(
    systems, journal, early, monkeypatch
):
    async def late(sale, *, until):
        await systems.stripe(CHECKOUT)
        early.kept[until] += (sale,)

    monkeypatch.setattr(early, "keep", late)

    await systems.stripe(refunded(200))

    assert [event.kind for event in journal.events] == ["payment", "refund"]


async def test_what_cannot_be_kept_is_to_be_said_again(systems, early):
    early.away = True

    assert (await systems.stripe(refunded(200))).status_code == 503


async def test_what_stripe_sells_besides_is_none_of_our_business(systems, journal):
    session = {**CHECKOUT["data"]["object"], "client_reference_id": "cart-7"}

    response = await systems.stripe({**CHECKOUT, "data": {"object": session}})

    assert (response.status_code, journal.events) == (200, [])


async def test_what_stripe_says_and_we_do_not_understand_stays_with_stripe(systems, journal):
    session = {**CHECKOUT["data"]["object"], "amount_total": "five hundred"}

    response = await systems.stripe({**CHECKOUT, "data": {"object": session}})

    assert (response.status_code, response.json()["error"]) == (422, "amount_total is no amount")
    assert journal.events == []


@pytest.mark.parametrize("signing", [{"secret": "whsec_x"}, {"late": timedelta(minutes=6)}])
async def test_what_stripe_did_not_sign_or_signed_long_ago_is_401(systems, journal, signing):
    assert (await systems.stripe(CHECKOUT, **signing)).status_code == 401
    assert journal.events == []


@pytest.mark.parametrize(
    "header", ["", "t=1", "t=x,v1=y", "v1=\xe9,t=1", "t=1,v1", "t=" + "9" * 5000]
)
async def test_a_signature_that_stripe_would_not_make_is_401(systems, header):
    headers = {"stripe-signature": header.encode("latin-1")}

    response = await systems.http.post("/v1/webhooks/stripe", content=b"{}", headers=headers)

    assert response.status_code == 401


async def test_who_signs_wrongly_again_and_again_is_told_to_wait_and_keeps_out_nobody(journal):
    app = application(journal)
    async with client(app, "8.8.8.8") as thief, client(app, "8.8.8.8") as shop:
        tried = [(await thief.post("/v1/conversions", content=b"{}")).status_code for _ in range(4)]
        refused = await thief.post("/v1/conversions", content=b"{}")

        assert tried == [401, 401, 401, 429]
        assert 0 < int(refused.headers["retry-after"]) <= 20
        assert (await Systems(shop).say(PAYMENT)).status_code == 200


async def test_what_is_not_set_up_asks_to_come_again_later(journal):
    async with client(application(journal, ours=(), stripes=())) as http:
        systems = Systems(http)
        for response in (await systems.say(PAYMENT), await systems.stripe(CHECKOUT)):
            assert (response.status_code, response.headers["retry-after"]) == (503, "300")


async def test_the_description_is_served_and_names_every_field(systems):
    response = await systems.http.get("/v1/openapi.json")

    described = response.json()
    fields = described["components"]["schemas"]["Conversion"]["properties"]
    assert described["openapi"].startswith("3.1")
    assert {*PAYMENT, "user_id", "click_id", "refund_of", "occurred_at", "source"} <= fields.keys()
    assert document() == response.content


def test_stripe_s_library_is_not_imported_until_it_is_needed():
    code = "import sys, clicks.app; print(sorted({'stripe', 'requests'} & set(sys.modules)))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


async def test_a_user_may_be_all_that_is_known(systems, journal):
    await systems.say({"id": "join-1", "kind": "join", "user_id": USER})

    assert [(e.user_id, e.delivery) for e in journal.events] == [(USER, None)]
