"""Both ways of getting updates, as a process, with the sandbox in Telegram's place."""

import asyncio

import pytest

from clicks.domain.updates import WANTED
from clicks.domain.webhook import Webhook
from clicks.registration import keep_registered
from clicks.telegram import Telegram
from contracts.events import BotStarted, ConversionRecorded, CtaClicked
from contracts.examples import PROMO_DELIVERY
from stack.ports import free_port


def environment_of(mode, stage, nats_url, port):
    if mode == "webhook":
        return stage.webhook_environment(nats_url, port)
    return stage.environment(nats_url)


async def until(condition, seconds=60):
    """Wait until `await condition()` is true; return what it was."""
    async with asyncio.timeout(seconds):
        while not (result := await condition()):
            await asyncio.sleep(0.05)
    return result


@pytest.mark.parametrize("mode", ["webhook", "polling"])
async def test_a_person_taps_opens_the_bot_and_pays(mode, stage, dues, nats_url, process):
    port = free_port()
    clicks = process(environment_of(mode, stage, nats_url, port), port)
    clicks.start()
    await clicks.answers(f"http://127.0.0.1:{port}/readyz", 60)
    message = await stage.post_promo()

    reminded = await stage.sandbox.tap(stage.person, stage.channel, message, row=1)
    tapped = await stage.sandbox.tap(stage.person, stage.channel, message)
    invoice = await until(lambda: invoice_in(stage))
    payment = await stage.sandbox.pay(stage.person, message_id=invoice, bot=stage.username)
    await until(lambda: dues.events(ConversionRecorded))
    await until(lambda: said_to(stage, "Thank you! Your payment has arrived."))
    await clicks.stop()

    assert reminded.text == "We will write to you."
    assert tapped.started
    assert tapped.started.payload == stage.promo_token()
    assert payment.outcome == "paid"
    assert await said_to(stage, "Welcome! Premium is one tap away.")
    clicked = await dues.events(CtaClicked)
    assert [(c.cta, c.message_id, c.user_id) for c in clicked] == [
        (1, message, stage.person),
        (0, message, stage.person),
    ]
    started, converted = await dues.events(BotStarted), await dues.events(ConversionRecorded)
    assert [(s.bot_id, s.user_id, s.cta) for s in started] == [(stage.bot_id, stage.person, 0)]
    assert [(c.source_id, c.amount, c.delivery) for c in converted] == [
        (payment.charge_id, 250, PROMO_DELIVERY)
    ]
    assert clicked[1].clicked_at <= started[0].started_at <= converted[0].occurred_at
    assert (clicks.exit_status, "sandbox-token" in clicks.tail(10_000)) == (0, False)


@pytest.mark.parametrize("mode", ["webhook", "polling"])
async def test_killed_in_the_middle_it_loses_nothing_and_doubles_nothing(
    mode, stage, dues, nats_url, process
):
    port = free_port()
    clicks = process(environment_of(mode, stage, nats_url, port), port)
    clicks.start()
    await clicks.answers(f"http://127.0.0.1:{port}/readyz", 60)
    message = await stage.post_promo()

    taps = [asyncio.create_task(tap_later(n * 0.01, stage, message)) for n in range(50)]
    await until(lambda: recorded(dues, 10))
    await clicks.kill()
    # However late that was seen, not all taps are in the log by now.
    taps += [asyncio.create_task(tap_once(stage, message)) for _ in range(10)]
    before = len(await dues.events(CtaClicked))
    clicks.start()
    tapped = await asyncio.gather(*taps)
    await until(lambda: all_confirmed(stage))
    await clicks.stop()

    clicked = [click.source_id for click in await dues.events(CtaClicked)]
    assert 10 <= before < len(taps)
    assert sorted(clicked) == sorted(tap.callback_query_id for tap in tapped)


async def test_who_waits_for_a_flood_limit_is_answered_before_the_process_stops(
    stage, dues, nats_url, process
):
    port = free_port()
    clicks = process(stage.environment(nats_url), port)
    clicks.start()
    await clicks.answers(f"http://127.0.0.1:{port}/readyz", 60)
    await stage.sandbox.plan_fault("too_many", "sendMessage", retry_after=3)

    await stage.sandbox.start(stage.person, stage.username, stage.promo_token())
    await until(lambda: dues.events(BotStarted))
    await until(lambda: all_confirmed(stage))
    await clicks.stop()

    assert await said_to(stage, "Welcome! Premium is one tap away.")
    assert await invoice_in(stage)
    assert clicks.exit_status == 0


async def test_a_set_webhook_is_explained_and_never_removed(stage, dues, nats_url, run_here):
    await stage.call("setWebhook", url="http://127.0.0.1:1/elsewhere")
    async with run_here(stage.environment(nats_url)) as edge:
        await until(lambda: explained(edge, "a webhook is set for this bot"))
        left = (await stage.call("getWebhookInfo"))["result"]["url"]

        await stage.call("deleteWebhook")
        await edge.ready()

    assert left == "http://127.0.0.1:1/elsewhere"


async def test_another_poller_is_explained_and_outlived(stage, dues, nats_url, run_here):
    async with run_here(stage.environment(nats_url)) as edge:
        await edge.ready()
        ended = []
        other = asyncio.create_task(poll_as_another(stage, ended))
        await until(lambda: explained(edge, "another program polls with this bot's token"))
        # It goes on polling, and so ends the other's requests in turn.
        already = len(ended)
        await until(lambda: more_than(ended, already))
        other.cancel()
        await edge.ready()

    assert set(ended) == {409}


async def test_polling_waits_for_the_log_before_it_confirms(stage, tmp_path, run_here):
    nowhere = "nats://127.0.0.1:1"
    message = await stage.post_promo()
    tap = asyncio.create_task(tap_once(stage, message, wait=1))
    async with run_here(stage.environment(nowhere)):
        tapped = await tap

    assert not tapped.answered
    assert (await stage.sandbox.updates(stage.bot_id))["pending_count"] == 1


async def test_an_answer_that_comes_too_late_is_not_fatal(stage, dues, nats_url, run_here):
    message = await stage.post_promo()
    async with run_here(stage.environment(nats_url)) as edge:
        await edge.ready()
        await stage.sandbox.plan_fault("server_error", "answerCallbackQuery")
        lost = await tap_once(stage, message, wait=1)
        await until(lambda: met(stage))  # else the next answer may meet it
        seen = await tap_once(stage, message)

    assert (lost.answered, seen.answered) == (False, True)
    assert len(await dues.events(CtaClicked)) == 2


async def test_a_webhook_that_somebody_changed_is_set_right(stage):
    url = "http://127.0.0.1:1/telegram/webhook"
    async with Telegram(stage.api, stage.bot_token) as telegram:
        keeping = keep_registered(telegram, Webhook(url), secret="s", period=0.05)
        task = asyncio.create_task(keeping)
        await until(lambda: webhook_is(stage, url))
        await stage.call("deleteWebhook")
        await until(lambda: webhook_is(stage, url))
        await stage.call("setWebhook", url=url, allowed_updates=["message"])
        info = await until(lambda: webhook_is(stage, url, updates=len(WANTED)))
        task.cancel()

    assert sorted(info["allowed_updates"]) == sorted(WANTED)
    assert info["max_connections"] == 100


async def poll_as_another(stage, ended):
    """Poll for ever, as one that does not know why it is ended again and again."""
    while True:
        answer = await stage.call("getUpdates", timeout=20)
        if not answer["ok"]:
            ended.append(answer["error_code"])


async def more_than(some, count):
    return len(some) > count


async def met(stage):
    """Whether all faults that were planned are spent."""
    return not await stage.sandbox.faults()


async def tap_once(stage, message, wait=20.0):
    return await stage.sandbox.tap(stage.person, stage.channel, message, wait=wait, follow=False)


async def tap_later(seconds, stage, message):
    await asyncio.sleep(seconds)
    return await tap_once(stage, message)


async def recorded(dues, clicks):
    state = (await dues.js.stream_info("EVENTS")).state
    return state.messages >= len(("guide.due", "promo.due")) + clicks


async def invoice_in(stage):
    for entry in await private_messages(stage):
        if "invoice" in entry["message"]:
            return entry["message_id"]
    return None


async def said_to(stage, text):
    return text in [entry["text"] for entry in await private_messages(stage)]


async def private_messages(stage):
    everything = await stage.sandbox.private_messages(stage.person)
    return [entry for entry in everything if entry["bot_id"] == stage.bot_id]


async def all_confirmed(stage):
    return (await stage.sandbox.updates(stage.bot_id))["pending_count"] == 0


async def explained(edge, text):
    return text in await edge.problem("telegram")


async def webhook_is(stage, url, updates=None):
    info = (await stage.call("getWebhookInfo"))["result"]
    right = info["url"] == url and updates in (None, len(info.get("allowed_updates", ())))
    return info if right else None
