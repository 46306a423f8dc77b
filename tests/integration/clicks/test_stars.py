"""Stars over a real log and the sandbox: each payment, period and refund counts once."""

import asyncio
import signal
from decimal import Decimal
from functools import partial
from itertools import pairwise
from operator import lt
from time import monotonic

import httpx
import pytest
import pytest_asyncio

from clicks import recovery
from clicks.domain.words import ENGLISH
from contracts.campaign import BotCta, StarsOffer
from contracts.events import ConversionRecorded, GuideDue, PromoDue
from contracts.examples import GUIDE_DELIVERY, PROMO_DELIVERY, example
from contracts.token import CtaRef, TokenSigner
from harness.gates import Hold, nats_gate
from harness.logs import open_log
from harness.waiting import until
from sandbox.client import Sandbox
from stack.ports import free_port

from .conftest import SIGNER, serving_telegram

PAST = 300
"""Seconds by which the sandbox's clock is behind: fresh transactions are left to their updates."""
ONCE = StarsOffer(title="Premium", description="For ever", stars=250)
MONTHLY = StarsOffer(title="Club", description="All signals", stars=99, subscription=True)
SELDOM = {"FINGERPOST_STARS_SECONDS": "3600"}
"""Compares when it starts and not again: whatever is recorded after that was told by an update."""
COMPARED = "fingerpost_clicks_stars_compared_timestamp_seconds"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def telegram_api(tmp_path_factory):
    async with serving_telegram(tmp_path_factory.mktemp("sandbox")) as url, Sandbox(url) as sandbox:
        await sandbox.advance_clock(-PAST)
        yield url


@pytest.fixture
async def offers(log):
    """A log in which a promo is due that sells a thing (CTA 0) and a subscription (CTA 1)."""
    ctas = [
        BotCta(kind="bot", label="Buy", greeting="Hi", offer=offer) for offer in (ONCE, MONTHLY)
    ]
    variant = example(PromoDue).variant.model_copy(update={"ctas": tuple(ctas)})
    await log.say(example(PromoDue, variant=variant))
    return log


def environment_of(mode, stage, nats_url, port, **variables):
    if mode == "webhook":
        whole = stage.webhook_environment(nats_url, port)
    else:
        whole = stage.environment(nats_url)
    return {**whole, "FINGERPOST_STARS_SECONDS": "1", **variables}


@pytest.fixture
async def start(stage, nats_url, process):
    """Return a function that starts a clicks and waits until it is ready; all end afterwards."""
    started = []

    async def start(mode="polling", url=None, **variables):
        port = free_port()
        clicks = process(environment_of(mode, stage, url or nats_url, port, **variables), port)
        clicks.start()
        started.append(clicks)
        await clicks.answers(f"http://127.0.0.1:{port}/readyz", 60)
        clicks.metrics = f"http://127.0.0.1:{port}/metrics"
        return clicks

    yield start
    for clicks in started:
        await clicks.kill()


async def offered(stage, cta):
    """Start the bot as its button does; return its offer: an invoice's message, or its link."""
    known = len(await said(stage))
    await stage.sandbox.start(stage.person, stage.username, stage.promo_token(cta))

    async def look():
        for entry in (await said(stage))[known:]:
            if "invoice" in entry["message"]:
                return {"message_id": entry["message_id"], "bot": stage.username}
            if entry["buttons"]:
                return {"invoice_link": entry["buttons"][0][0]["url"]}
        return None

    return await until(look, bool)


async def said(stage):
    everything = await stage.sandbox.private_messages(stage.person)
    return [entry for entry in everything if entry["bot_id"] == stage.bot_id]


async def pay(stage, offer, **how):
    payment = await stage.sandbox.pay(stage.person, **offer, **how)
    assert payment.outcome == "paid"
    return payment.charge_id


async def refund(stage, charge):
    answer = await stage.call(
        "refundStarPayment", user_id=stage.person, telegram_payment_charge_id=charge
    )
    assert answer["ok"]


async def money(log, count):
    """Wait for so many conversions; return what counts of them."""
    found = await until(
        lambda: log.events(ConversionRecorded), lambda e: len(e) >= count, seconds=60
    )
    return [(c.kind, int(c.amount), c.source_id, c.cta) for c in found]


async def confirmed(stage):
    return (await stage.sandbox.updates(stage.bot_id))["pending_count"] == 0


async def metric(clicks, name):
    async with httpx.AsyncClient(timeout=30) as client:
        lines = (await client.get(clicks.metrics)).text.splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))


async def compared_once(clicks):
    """Wait until the process compared transactions at all; what failed it repeats after 60 s."""
    await until(lambda: metric(clicks, COMPARED), bool, seconds=90)


async def compared(clicks):
    """Wait until the process compared transactions once more, and once more after that."""
    for _ in range(2):
        before = await metric(clicks, COMPARED)
        await until(lambda: metric(clicks, COMPARED), partial(lt, before))


@pytest.mark.parametrize("mode", ["webhook", "polling"])
async def test_a_subscription_is_bought_renewed_twice_and_the_last_period_paid_back(
    mode, stage, offers, start
):
    clicks = await start(mode, **SELDOM)
    await compared_once(clicks)
    link = await offered(stage, 1)

    charges = [await pay(stage, link)]
    charges += [await pay(stage, link, renew=True) for _ in range(2)]
    await refund(stage, charges[2])
    recorded = await money(offers, 4)
    await clicks.stop()
    again = await start(mode)
    await compared(again)

    first, second, third = charges
    assert sorted(recorded) == sorted(
        [
            ("subscription", 99, first, 1),
            ("renewal", 99, second, 1),
            ("renewal", 99, third, 1),
            ("refund", -99, f"refund-{third}", 1),
        ]
    )
    conversions = await offers.events(ConversionRecorded)
    assert len(conversions) == 4
    assert {c.user_id for c in conversions} == {stage.person}
    assert {c.delivery for c in conversions} == {PROMO_DELIVERY}
    told = {c.source_id: c for c in conversions}
    periods = [told[charge].paid_until for charge in charges]
    assert [(b - a).days for a, b in pairwise(periods)] == [30, 30]
    assert told[f"refund-{third}"].refund_of == third
    assert await metric(again, "fingerpost_clicks_stars_recovered_total") == 0


@pytest.mark.parametrize("mode", ["webhook", "polling"])
async def test_what_telegram_never_told_is_found_among_the_transactions(mode, stage, offers, start):
    clicks = await start(mode, **SELDOM)
    await compared_once(clicks)
    invoice, link = await offered(stage, 0), await offered(stage, 1)

    told = await pay(stage, invoice)
    await money(offers, 1)
    await clicks.stop()
    clicks = await start(mode)
    await stage.sandbox.lose_updates(stage.bot_id, "message")
    once = await pay(stage, invoice)
    monthly = [await pay(stage, link), await pay(stage, link, renew=True)]
    await refund(stage, once)
    await stage.sandbox.charge_back(stage.person, told)
    recorded = await money(offers, 6)
    await compared(clicks)

    assert sorted(recorded) == sorted(
        [
            ("payment", 250, told, 0),
            ("payment", 250, once, 0),
            ("subscription", 99, monthly[0], 1),
            ("renewal", 99, monthly[1], 1),
            ("refund", -250, f"refund-{once}", 0),
            ("refund", -250, f"refund-{told}", 0),
        ]
    )
    assert sum(c.amount for c in await offers.events(ConversionRecorded)) == 2 * 99
    assert await metric(clicks, "fingerpost_clicks_stars_recovered_total") == 5


async def test_an_update_that_comes_after_its_transaction_was_found_adds_nothing(
    stage, offers, start
):
    clicks = await start()
    invoice = await offered(stage, 0)
    await stage.sandbox.lose_updates(stage.bot_id, "message")
    charge = await pay(stage, invoice)
    await refund(stage, charge)
    before = await money(offers, 2)

    payment = {
        "currency": "XTR",
        "total_amount": 250,
        "invoice_payload": stage.promo_token(0),
        "telegram_payment_charge_id": charge,
    }
    chat = {"id": stage.person, "type": "private"}
    for kind in ("successful_payment", "refunded_payment"):
        message = {"from": {"id": stage.person}, "chat": chat, "date": 1, kind: payment}
        await stage.sandbox.inject(stage.bot_id, {"message": message})
    await until(lambda: confirmed(stage), bool)

    assert await money(offers, 2) == before
    assert await metric(clicks, 'fingerpost_clicks_updates_total{kind="refunded_payment"') >= 1


async def test_any_number_of_replicas_find_each_payment_once(stage, offers, start):
    replicas = [await start("webhook") for _ in range(3)]
    invoice = await offered(stage, 0)
    await stage.sandbox.lose_updates(stage.bot_id, "message")
    charges = [await pay(stage, invoice) for _ in range(5)]

    recorded = await money(offers, 5)
    await asyncio.gather(*map(compared, replicas))

    assert sorted(recorded) == sorted(("payment", 250, charge, 0) for charge in charges)
    assert len(await offers.events(ConversionRecorded)) == 5
    found = [await metric(r, "fingerpost_clicks_stars_recovered_total") for r in replicas]
    assert sum(found) == 5


@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize("mode", ["webhook", "polling"])
async def test_killed_between_the_answer_and_the_record_it_counts_all_once_after_a_restart(
    mode, lost, stage, offers, nats_url, start
):
    hold = Hold(rb"HPUB conversion\.recorded")
    async with nats_gate(nats_url, [hold]) as held:
        clicks = await start(mode, held)
        link = await offered(stage, 1)
        charges = [await pay(stage, link)]
        await asyncio.wait_for(hold.reached.wait(), 20)
        if lost:
            await stage.sandbox.lose_updates(stage.bot_id, "message")
        charges += [await pay(stage, link, renew=True) for _ in range(2)]
        await refund(stage, charges[1])
        clicks.send(signal.SIGKILL)
        await clicks.ended(10)
    before = await offers.events(ConversionRecorded)

    again = await start(mode)
    recorded = await money(offers, 4)
    await until(lambda: confirmed(stage), bool, seconds=60)  # a lease runs out before, where polled
    await compared(again)

    first, second, third = charges
    assert before == []
    assert sorted(recorded) == sorted(
        [
            ("subscription", 99, first, 1),
            ("renewal", 99, second, 1),
            ("renewal", 99, third, 1),
            ("refund", -99, f"refund-{second}", 1),
        ]
    )
    conversions = await offers.events(ConversionRecorded)
    assert (len(conversions), sum(c.amount for c in conversions)) == (4, Decimal(2 * 99))


async def test_a_payment_by_a_withdrawn_key_is_found_and_another_product_s_is_not(
    stage, offers, start
):
    withdrawn = TokenSigner({"k9": b"a secret of former times"}).sign(CtaRef(PROMO_DELIVERY, 0))
    links = []
    for payload in (withdrawn, "another product"):
        answer = await stage.call(
            "createInvoiceLink",
            title="Old",
            description="Old",
            payload=payload,
            currency="XTR",
            prices=[{"label": "Old", "amount": 10}],
        )
        links.append(answer["result"])
    await stage.sandbox.lose_updates(stage.bot_id, "message")
    charges = []
    for link in links:
        paying = asyncio.create_task(stage.sandbox.pay(stage.person, link))
        [update] = await until(lambda: taken(stage), bool)
        query = update["pre_checkout_query"]["id"]
        await stage.call("answerPreCheckoutQuery", pre_checkout_query_id=query, ok=True)
        charges.append((await paying).charge_id)

    clicks = await start()
    recorded = await money(offers, 1)
    await compared(clicks)

    assert recorded == [("payment", 10, charges[0], None)]
    assert len(await offers.events(ConversionRecorded)) == 1
    assert await metric(clicks, 'fingerpost_clicks_refused_total{reason="foreign_payment"}') == 1


async def taken(stage):
    found = (await stage.call("getUpdates", timeout=5))["result"]
    if found:
        await stage.call("getUpdates", offset=found[-1]["update_id"] + 1)
    return found


async def test_where_nothing_is_new_comparing_is_one_call(stage, offers, start):
    clicks = await start()
    invoice = await offered(stage, 0)
    await pay(stage, invoice)
    await money(offers, 1)
    await compared(clicks)
    begun = monotonic()
    before = len(await listings(stage))
    await compared(clicks)
    await clicks.stop()
    seconds = monotonic() - begun
    made = len(await listings(stage)) - before
    again = await start(**SELDOM)
    await compared_once(again)

    # There is a second between two comparisons; of the first that was waited for it may be over.
    assert 1 <= made <= 1 + seconds
    assert len(await listings(stage)) - before - made == 1


async def listings(stage):
    calls = await stage.sandbox.calls("getStarTransactions")
    return [call for call in calls if call["bot_id"] == stage.bot_id]


async def test_fresh_transactions_are_left_to_their_updates(stage, offers, start):
    assert recovery.SETTLED.total_seconds() < PAST
    await stage.sandbox.advance_clock(PAST)
    try:
        clicks = await start()
        invoice = await offered(stage, 0)
        await stage.sandbox.lose_updates(stage.bot_id, "message")
        await pay(stage, invoice)
        await compared(clicks)
        recorded = await offers.events(ConversionRecorded)
    finally:
        await stage.sandbox.advance_clock(-PAST)

    assert recorded == []


def checkout(token, query):
    fields = {"id": query, "from": {"id": 1}, "currency": "XTR", "total_amount": 250}
    return {"update_id": 1, "pre_checkout_query": {**fields, "invoice_payload": token}}


async def test_while_the_log_is_away_a_checkout_is_answered_in_time(stage, own_nats, run_impatient):
    server = own_nats
    known = SIGNER.sign(CtaRef(PROMO_DELIVERY, 0))
    unknown = SIGNER.sign(CtaRef(GUIDE_DELIVERY, 0))
    async with open_log(server.url) as log:
        await log.say(example(GuideDue), example(PromoDue))
        async with run_impatient(stage.webhook_environment(server.url, 1)) as edge:
            await edge.ready()
            before = (await edge.post(checkout(known, "1"))).json()
            await server.process.kill()
            during = []
            for token in (known, unknown):
                async with asyncio.timeout(9):  # Telegram waits 10 s
                    during.append((await edge.post(checkout(token, "2"))).json())

    assert (before["ok"], during[0]["ok"]) == (True, True)
    assert (during[1]["ok"], during[1]["error_message"]) == (False, ENGLISH.later)
