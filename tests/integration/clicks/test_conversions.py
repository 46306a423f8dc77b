"""Other systems say conversions, Stripe its events: over a real log, each stands there once."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from chassis.log import Publisher
from contracts.events import ConversionRecorded, CtaClicked
from contracts.examples import PROMO_DELIVERY, USER, example
from harness.logs import open_log
from harness.signing import SECRET, STRIPE_SECRET, Systems

PHONE = {"User-Agent": "Mozilla/5.0 (iPhone)"}
SECRETS = {
    "FINGERPOST_CONVERSION_SECRETS": SECRET,
    "FINGERPOST_STRIPE_SECRETS": STRIPE_SECRET,
}


@pytest.fixture
async def edge(stage, dues, nats_url, run_here):
    async with run_here({**stage.webhook_environment(nats_url, 1), **SECRETS}) as edge:
        await edge.ready()
        yield edge


@pytest.fixture
def systems(edge):
    return Systems(edge.http)


def payment(**fields):
    order = {"id": "order-1", "kind": "payment", "amount": "9.90", "currency": "EUR"}
    return {**order, "occurred_at": "2026-03-01T12:00:00Z", **fields}


def stripe_event(kind, thing, number=1, **data):
    return {
        "id": f"evt_{number}",
        "object": "event",
        "type": kind,
        "created": 1_772_366_400,
        "livemode": True,
        "data": {"object": thing, **data},
    }


async def test_a_conversion_belongs_to_the_story_of_its_delivery(systems, stage, dues):
    said = payment(token=stage.promo_token(1), user_id=USER, source="shop")

    response = await systems.say(said)

    assert response.json() == {"results": [{"id": "order-1", "status": "recorded"}]}
    envelope = (await dues.envelopes())[-1]
    assert envelope.data == ConversionRecorded(
        source="shop",
        source_id="order-1",
        kind="payment",
        amount=Decimal("9.90"),
        currency="EUR",
        user_id=USER,
        delivery=PROMO_DELIVERY,
        cta=1,
        occurred_at=datetime(2026, 3, 1, 12, 0, tzinfo=UTC),
    )
    assert envelope.correlationid == PROMO_DELIVERY
    assert envelope.causationid == f"promo.due.{PROMO_DELIVERY}"


async def test_a_shop_knows_the_click_by_what_the_redirect_told_it(edge, systems, stage, dues):
    redirect = await edge.http.get(f"/r/{stage.guide_token()}", headers=PHONE)
    click_id = redirect.headers["location"].partition("fp_click=")[2].partition("&")[0]

    await systems.say(payment(click_id=click_id))

    [clicked], [paid] = await dues.events(CtaClicked), await dues.events(ConversionRecorded)
    assert paid.click_id == clicked.source_id != ""


async def test_an_id_counts_once_even_outside_the_duplicate_window(systems, dues):
    # Another Msg-Id, and another person: only the subject says that it is the same.
    first = example(ConversionRecorded, source="api", source_id="order-1", user_id=1)
    publisher = Publisher(dues.js, source="test")
    await publisher.publish_once(first, over=first.once_over, known_as="long ago")

    [result] = (await systems.say(payment(user_id=USER))).json()["results"]

    assert (result["status"], "user_id" in result["differs"]) == ("duplicate", True)
    assert await dues.events(ConversionRecorded) == [first]


async def test_a_batch_that_is_said_twice_at_once_is_recorded_once(systems, dues):
    batch = {"conversions": [payment(id=f"order-{n}") for n in range(100)]}

    answers = await asyncio.gather(systems.say(batch), systems.say(batch))

    outcomes = [r["status"] for answer in answers for r in answer.json()["results"]]
    assert (outcomes.count("recorded"), outcomes.count("duplicate")) == (100, 100)
    assert len(await dues.events(ConversionRecorded)) == 100


async def test_a_subscription_from_its_checkout_to_its_refund(systems, stage, dues):
    bought = {"id": "cs_1", "mode": "subscription", "payment_status": "paid"}
    bought |= {"subscription": "sub_1", "amount_total": 990, "currency": "eur"}
    bought |= {"client_reference_id": stage.promo_token(0)}
    bill = {"id": "in_1", "subscription": "sub_1", "amount_paid": 990, "currency": "eur"}
    charge = {"id": "ch_2", "invoice": "in_2", "amount_refunded": 490, "currency": "eur"}
    told = [
        stripe_event("invoice.paid", {**bill, "billing_reason": "subscription_create"}, 1),
        stripe_event("checkout.session.completed", bought, 2),
        stripe_event("checkout.session.completed", bought, 3),
        stripe_event("invoice.paid", {**bill, "billing_reason": "subscription_create"}, 4),
        stripe_event(
            "invoice.paid", {**bill, "id": "in_2", "billing_reason": "subscription_cycle"}
        ),
        stripe_event("charge.refunded", charge, previous_attributes={"amount_refunded": 0}),
        stripe_event("charge.refunded", charge, 9, previous_attributes={"amount_refunded": 0}),
    ]

    assert {(await systems.stripe(event)).status_code for event in told} == {200}

    recorded = await dues.events(ConversionRecorded)
    assert [(c.kind, c.source_id, c.amount) for c in recorded] == [
        ("subscription", "sub_1", Decimal("9.90")),
        ("renewal", "in_2", Decimal("9.90")),
        ("refund", "ch_2-490", Decimal("-4.90")),
    ]
    assert {(c.delivery, c.cta) for c in recorded} == {(PROMO_DELIVERY, 0)}
    assert recorded[2].refund_of == "in_2"


async def test_a_subscription_told_from_its_end_to_its_beginning_is_credited_all_the_same(
    systems, stage, dues
):
    bought = {"id": "cs_1", "mode": "subscription", "payment_status": "paid"}
    bought |= {"subscription": "sub_9", "amount_total": 990, "currency": "eur"}
    bought |= {"client_reference_id": stage.promo_token(0)}
    bill = {"subscription": "sub_9", "amount_paid": 990, "currency": "eur"}
    bills = [{**bill, "id": f"in_{n}", "billing_reason": "subscription_cycle"} for n in range(5)]
    charge = {"id": "ch_9", "invoice": "in_3", "amount_refunded": 490, "currency": "eur"}
    backwards = [
        stripe_event("charge.refunded", charge, previous_attributes={"amount_refunded": 0}),
        *(stripe_event("invoice.paid", bill, n) for n, bill in enumerate(bills)),
        stripe_event("checkout.session.completed", bought, 9),
    ]

    async def told(*events):
        return {r.status_code for r in await asyncio.gather(*map(systems.stripe, events))}

    assert await told(*backwards[:-1]) == {200}
    assert await dues.events(ConversionRecorded) == []

    assert await told(backwards[-1]) == {200}

    recorded = await dues.events(ConversionRecorded)
    assert sorted((c.kind, c.source_id) for c in recorded) == [
        ("refund", "ch_9-490"),
        *(("renewal", f"in_{n}") for n in range(5)),
        ("subscription", "sub_9"),
    ]
    assert {(c.delivery, c.cta) for c in recorded} == {(PROMO_DELIVERY, 0)}


async def test_while_nats_is_dead_nothing_is_taken_and_afterwards_it_counts_once(
    stage, own_nats, run_impatient
):
    server = own_nats
    environment = {**stage.webhook_environment(server.url, 1), **SECRETS}
    async with open_log(server.url) as log, run_impatient(environment) as edge:
        await edge.ready()
        systems = Systems(edge.http)
        batch = {"conversions": [payment(id=f"order-{n}") for n in range(5)]}
        await systems.say(payment(id="order-0"))

        await server.process.kill()
        during = await systems.say(batch)
        await server.start()
        await edge.ready()
        again = await systems.say(batch)

        assert (during.status_code, during.headers["retry-after"]) == (503, "5")
        assert again.status_code == 200
        names = [conversion.source_id for conversion in await log.events(ConversionRecorded)]
        assert sorted(names) == [f"order-{n}" for n in range(5)]


async def test_the_metrics_say_what_came_of_it(edge, systems):
    await systems.say(payment())
    await systems.say(payment())
    await systems.stripe(stripe_event("customer.created", {}))

    metrics = (await edge.http.get("/metrics")).text
    for source, outcome in (("api", "recorded"), ("api", "duplicate"), ("stripe", "other_event")):
        line = f'fingerpost_clicks_conversions_total{{outcome="{outcome}",source="{source}"}}'
        assert line in metrics
