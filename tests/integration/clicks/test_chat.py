"""The bot's own chat, played in the sandbox: a person taps, starts, stops and is forgotten."""

import asyncio

import pytest

from clicks.domain.words import words_in
from contracts.campaign import CallbackCta, DeepLinkCta
from contracts.events import (
    BotStarted,
    BotStopped,
    CtaClicked,
    ForgetRequested,
    MessageClaimed,
    PromoDue,
)
from contracts.examples import PROMO_DELIVERY, PROMO_VARIANT, example
from harness.waiting import until


async def texts(stage):
    everything = await stage.sandbox.private_messages(stage.person)
    return [
        entry["text"]
        for entry in everything
        if entry["bot_id"] == stage.bot_id and not entry["text"].startswith("/")
    ]


async def heard(stage, *expected, seconds=60):
    """Wait until the bot said `expected`, in this order, and nothing else."""
    async with asyncio.timeout(seconds):
        while (said := await texts(stage)) != list(expected) and len(said) <= len(expected):
            await asyncio.sleep(0.05)
    assert said == list(expected)


@pytest.fixture
async def edge(stage, dues, nats_url, run_here):
    async with run_here(stage.environment(nats_url)) as edge:
        await edge.ready()
        yield edge


async def test_a_second_tap_is_counted_and_opens_the_bot_again(edge, stage, dues):
    message = await stage.post_promo()

    taps = [await stage.sandbox.tap(stage.person, stage.channel, message) for _ in range(2)]

    assert [tap.started.payload for tap in taps] == [stage.promo_token()] * 2
    await until(lambda: dues.events(BotStarted), lambda started: len(started) >= 2)
    clicked = await dues.events(CtaClicked)
    assert [click.source_id for click in clicked] == [tap.callback_query_id for tap in taps]


async def test_who_stops_and_wants_to_be_forgotten_is_told_so_in_their_language(edge, stage, dues):
    words = words_in("de")
    await stage.sandbox.put_person(stage.person, "Ann", language_code="de-AT")
    await stage.sandbox.start(stage.person, stage.username)
    for text in ("/help", "/stop", "/forget me"):
        await stage.sandbox.say(stage.person, text, bot=stage.username)

    # One person's updates are handled in their order; what is answered may overtake each other.
    told = await until(lambda: texts(stage), lambda said: len(said) >= 4)
    assert sorted(told) == sorted([words.hello, words.help, words.stopped, words.will_forget])
    [stopped], [forget] = await dues.events(BotStopped), await dues.events(ForgetRequested)
    assert (stopped.bot_id, stopped.user_id) == (stage.bot_id, stage.person)
    assert (forget.bot_id, forget.user_id) == (stage.bot_id, stage.person)
    assert stopped.said_at <= forget.said_at


async def test_a_button_and_the_bot_speak_the_person_s_language(edge, stage, dues):
    ctas = (
        CallbackCta(kind="callback", label="Vote", answer="Thanks", answers={"de": "Danke"}),
        DeepLinkCta(kind="deep_link", label="Ask", greeting="Hi", greetings={"de": "Hallo"}),
    )
    delivery = "0" * 26
    variant = PROMO_VARIANT.model_copy(update={"ctas": ctas})
    await dues.say(example(PromoDue, delivery=delivery, variant=variant))
    await stage.sandbox.put_person(stage.person, "Ann", language_code="de")
    vote, ask = stage.token(delivery, 0), stage.token(delivery, 1)
    message = await stage.post({"text": "Vote", "callback_data": vote})

    tapped = await stage.sandbox.tap(stage.person, stage.channel, message)
    await stage.sandbox.start(stage.person, stage.username, ask)

    assert tapped.text == "Danke"
    await heard(stage, "Hallo")


async def test_a_token_of_another_bot_s_message_changes_nothing(edge, stage, dues):
    await dues.say(example(MessageClaimed, delivery=PROMO_DELIVERY, bot_id=stage.bot_id + 1))

    message = await stage.post_promo()
    tapped = await stage.sandbox.tap(stage.person, stage.channel, message)
    await stage.sandbox.start(stage.person, stage.username, stage.promo_token())

    assert tapped.text == "This button is no longer active."
    await heard(stage, words_in("en").hello)
    assert await dues.events(CtaClicked) == []
    assert await dues.events(BotStarted) == []
    assert 'refused_total{reason="other_bot"} ' in (await edge.http.get("/metrics")).text


async def test_the_bot_that_claimed_a_message_is_the_one_whose_taps_count(edge, stage, dues):
    await dues.say(example(MessageClaimed, delivery=PROMO_DELIVERY, bot_id=stage.bot_id))
    message = await stage.post_promo()

    await stage.sandbox.tap(stage.person, stage.channel, message, row=1)

    assert [click.cta for click in await dues.events(CtaClicked)] == [1]
