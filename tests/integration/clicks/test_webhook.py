"""The webhook and the links over a real log: what was answered is in the log, exactly once."""

import asyncio
from datetime import timedelta

import pytest

from chassis.log import Publisher
from clicks.domain.links import RULE_VERSION
from contracts.events import BotStarted, ConversionRecorded, CtaClicked, GuideDue, PromoDue
from contracts.examples import PROMO_DELIVERY, USER, example
from contracts.token import CtaRef, TokenSigner
from harness.logs import open_log

GONE = "This button is no longer active."
PHONE = {"User-Agent": "Mozilla/5.0 (iPhone)"}


def tap(token, query_id="1"):
    message = {"message_id": 42, "chat": {"id": -1001, "type": "channel"}}
    query = {"id": query_id, "from": {"id": USER}, "message": message, "data": token}
    return {"update_id": 7, "callback_query": query}


def said(**fields):
    chat = {"id": USER, "type": "private"}
    return {"update_id": 8, "message": {"from": {"id": USER}, "chat": chat, **fields}}


def paid(token, charge="stx-1"):
    payment = {"currency": "XTR", "total_amount": 250, "invoice_payload": token}
    return said(successful_payment={**payment, "telegram_payment_charge_id": charge})


@pytest.fixture
async def edge(stage, dues, nats_url, run_here):
    async with run_here(stage.webhook_environment(nats_url, 1)) as edge:
        await edge.ready()
        yield edge


async def test_a_tap_is_in_the_log_when_it_is_answered(edge, stage, dues):
    response = await edge.post(tap(stage.promo_token(1)))

    assert response.json()["text"] == "We will write to you."
    clicked = (await dues.envelopes())[-1]
    at = clicked.data.clicked_at
    expected = example(CtaClicked, source_id="1", cta=1, rule=RULE_VERSION, clicked_at=at)
    assert clicked.data == expected
    assert timedelta(0) <= clicked.time - at < timedelta(minutes=1)
    assert (clicked.source, clicked.correlationid) == ("/clicks", PROMO_DELIVERY)
    assert clicked.causationid == f"promo.due.{PROMO_DELIVERY}"


async def test_an_update_that_is_delivered_again_is_answered_again_and_recorded_once(
    edge, stage, dues
):
    start = said(text=f"/start {stage.promo_token()}")
    for update in (tap(stage.promo_token()), start, paid(stage.promo_token())):
        first, second = await edge.post(update), await edge.post(update)
        assert first.status_code == second.status_code == 200
        assert first.content == second.content

    facts = [envelope.data.fact() for envelope in await dues.envelopes()]
    assert facts == [
        *("guide.due", "promo.due", "cta.clicked", "bot.started", "conversion.recorded")
    ]


async def test_a_payment_counts_once_even_outside_the_duplicate_window(edge, stage, dues):
    conversion = example(ConversionRecorded, source_id="stx-9", user_id=1)
    # Another Msg-Id, and another person: only the subject says that it is the same payment.
    publisher = Publisher(dues.js, source="test")
    await publisher.publish_once(conversion, over=conversion.once_over, known_as="long ago")

    assert (await edge.post(paid(stage.promo_token(), "stx-9"))).status_code == 200
    assert await dues.events(ConversionRecorded) == [conversion]


async def test_what_is_forged_foreign_or_malformed_changes_nothing(edge, stage, dues):
    forged = TokenSigner({"k1": b"somebody else's secret"}).sign(CtaRef(PROMO_DELIVERY, 0))
    unknown = tap(stage.promo_token(7))
    for update in (tap(forged), tap("vote:1"), tap(""), unknown):
        assert (await edge.post(update)).json()["text"] == GONE
    for update in (None, [], {"update_id": "x"}, {"update_id": 1, "poll": {}}, paid("vote:1")):
        assert (await edge.post(update)).content == b""
    await edge.post(said(text=f"/start {forged}"))
    assert (await edge.post(tap(stage.promo_token()), secret="wrong")).status_code == 401
    assert (await edge.http.get(f"/r/{forged}", headers=PHONE)).status_code == 404

    assert len(await dues.envelopes()) == 2


async def test_a_link_leads_to_the_campaign_s_target_after_it_was_recorded(edge, stage, dues):
    response = await edge.http.get(f"/r/{stage.guide_token()}", headers=PHONE)
    await edge.http.head(f"/r/{stage.guide_token()}", headers=PHONE)

    assert response.status_code == 302
    clicks = await dues.events(CtaClicked)
    target, _, parameters = response.headers["location"].partition("?")
    assert target == "https://example.org/guides/risk"
    assert parameters.endswith(f"&fp_click={clicks[0].source_id}")
    assert [(c.via, c.verdict, c.user_id) for c in clicks] == [
        ("link", "human", None),
        ("link", "robot", None),
    ]


async def test_the_metrics_say_what_came_and_what_was_refused(edge, stage):
    await edge.post(tap(stage.promo_token()))
    await edge.post(tap("nonsense"))

    page = (await edge.http.get("/metrics")).text
    assert 'updates_total{kind="callback_query",outcome="recorded"}' in page
    assert 'updates_total{kind="callback_query",outcome="refused"}' in page
    assert 'fingerpost_clicks_refused_total{reason="malformed"}' in page


async def test_before_the_log_is_there_telegram_is_asked_to_come_back(stage, run_here):
    nowhere = stage.webhook_environment("nats://127.0.0.1:1", 1)
    async with run_here(nowhere) as edge:
        tapped = await edge.post(tap(stage.promo_token()))
        link = await edge.http.get(f"/r/{stage.guide_token()}", headers=PHONE)
        ready = await edge.http.get("/readyz")

    assert (tapped.status_code, link.status_code, ready.status_code) == (503, 503, 503)
    assert tapped.headers["retry-after"] == "5"


async def test_while_nats_is_dead_nothing_is_answered_and_afterwards_each_tap_counts_once(
    stage, own_nats, run_impatient
):
    server = own_nats
    async with open_log(server.url) as log:
        await log.say(example(GuideDue), example(PromoDue))
        async with run_impatient(stage.webhook_environment(server.url, 1)) as edge:
            await edge.ready()
            await edge.post(tap(stage.promo_token(), "before"))

            await server.process.kill()
            # One is found in memory and not acknowledged, the other cannot even be looked up.
            during = await asyncio.gather(
                edge.post(tap(stage.promo_token(), "during")),
                edge.http.get(f"/r/{stage.guide_token()}", headers=PHONE),
            )
            await server.start()
            await edge.ready()
            again = await edge.post(tap(stage.promo_token(), "during"))

        assert [response.status_code for response in during] == [503, 503]
        assert again.status_code == 200
        names = [click.source_id for click in await log.events(CtaClicked)]
        assert names == ["before", "during"]


async def test_nobody_is_recorded_before_telegram_said_who_the_bot_is(
    stage, dues, nats_url, run_here
):
    environment = stage.webhook_environment(nats_url, 1)
    environment["TELEGRAM_BOT_TOKEN"] = "1:no-such-bot"
    async with run_here(environment) as edge:
        async with asyncio.timeout(60):
            while "TELEGRAM_BOT_TOKEN" not in await edge.problem("telegram"):
                await asyncio.sleep(0.05)
        started = await edge.post(said(text=f"/start {stage.promo_token()}"))
        link = await edge.http.get(f"/r/{stage.guide_token()}", headers=PHONE)

    assert (started.status_code, link.status_code) == (503, 302)
    assert await dues.events(BotStarted) == []
