"""What people write to the bot, and what it says by itself, in the languages that it knows."""

from dataclasses import fields
from datetime import timedelta

import pytest

from chassis.log import LogUnavailableError
from clicks.domain.words import ENGLISH, LANGUAGES, words_in
from contracts.events import BotStopped, ForgetRequested
from contracts.examples import BOT, USER, example

TOAST_LIMIT = 200
TEXTS = [field.name for field in fields(ENGLISH)]


def speaking(code):
    return {"from": {"id": USER, "language_code": code}}


@pytest.mark.parametrize("text", ["/stop", " /stop\n", "/STOP", "/stop@guide_bot", "/stop please"])
async def test_who_stops_is_recorded_and_told(story, updates, text):
    answers = await story.when(updates.said(text))

    at = story.log.events[0].said_at
    assert story.log.events == [example(BotStopped, bot_id=BOT, update_id=8, said_at=at)]
    assert answers == [{"method": "sendMessage", "chat_id": USER, "text": ENGLISH.stopped}]


@pytest.mark.parametrize("text", ["/forget", "/forget me", "/Forget  me "])
async def test_who_wants_to_be_forgotten_is_recorded_and_told_what_will_happen(
    story, updates, text
):
    answers = await story.when(updates.said(text))

    at = story.log.events[0].said_at
    assert story.log.events == [example(ForgetRequested, bot_id=BOT, update_id=8, said_at=at)]
    assert [answer["text"] for answer in answers] == [ENGLISH.will_forget]


async def test_a_word_that_waited_out_an_outage_is_dated_by_telegram(story, updates, now):
    sent = now - timedelta(hours=3)

    await story.when(updates.said("/stop", date=int(sent.timestamp())))

    assert [event.said_at for event in story.log.events] == [sent]


@pytest.mark.parametrize(
    "text", ["hello", "/starting", "start", "/help", "/", "/ stop", "stop", "🙂"]
)
async def test_whatever_else_people_write_gets_a_short_help(story, updates, text):
    answers = await story.when(updates.said(text))

    assert [answer["text"] for answer in answers] == [ENGLISH.help]
    assert story.log.events == []


@pytest.mark.parametrize("text", ["", " ", None, 5])
async def test_what_has_no_text_is_ignored(story, updates, text):
    assert await story.when(updates.said(text)) == []


@pytest.mark.parametrize("kind", ["group", "supergroup", "channel", None])
@pytest.mark.parametrize("text", ["/stop", "/forget me", "/help", "hello"])
async def test_what_is_said_elsewhere_is_ignored(story, updates, text, kind):
    assert await story.when(updates.said(text, chat_type=kind)) == []
    assert story.log.events == []


async def test_nobody_is_told_before_the_log_has_their_word(story, updates):
    story.log.away = True

    for text in ("/stop", "/forget me"):
        with pytest.raises(LogUnavailableError):
            await story.when(updates.said(text))


@pytest.mark.parametrize(
    ("code", "language"), [("de", "de"), ("pt-BR", "pt"), ("uk", "uk"), ("xx", "en"), (None, "en")]
)
async def test_the_bot_speaks_the_person_s_language(story, updates, code, language):
    words = words_in(language)
    said = [updates.said(text, **speaking(code)) for text in ("/start", "/stop", "/forget", "hm")]
    said += [updates.said("/start nonsense", **speaking(code))]

    answers = [(await story.when(update))[0]["text"] for update in said]
    gone = (await story.when(updates.tap("nonsense", **speaking(code))))[0]["text"]
    refused = (await story.when(updates.checkout("nonsense", **speaking(code))))[0]

    told = [words.hello, words.stopped, words.will_forget, words.help, words.hello]
    assert answers == told
    assert (gone, refused["error_message"]) == (words.gone, words.offer_gone)


def test_every_language_says_everything_in_words_of_its_own():
    assert LANGUAGES == ("en", "de", "es", "pt", "ru", "uk")
    for name in TEXTS:
        said = [getattr(words_in(language), name) for language in LANGUAGES]
        assert len(set(said)) == len(LANGUAGES), name
        assert all(text.strip() == text and text for text in said), name


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_fits_a_toast_and_names_the_commands(language):
    words = words_in(language)

    assert len(words.gone) <= TOAST_LIMIT
    assert len(words.offer_gone) <= TOAST_LIMIT
    assert "/stop" in words.help
    assert "/forget me" in words.help
    assert "/start" in words.stopped
