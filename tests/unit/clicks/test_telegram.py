"""The client of the Bot API: what it says of failures, and what it never says."""

import asyncio
import logging
import traceback

import httpx
import pytest

from clicks.domain.calls import Bot, Call
from clicks.telegram import Telegram, TelegramError

TOKEN = "123:the-bot-token"


class Api:
    """A Bot API that answers what the test says, one answer a call; an exception is raised."""

    def __init__(self, monkeypatch, *answers):
        self.asked = []
        self._answers = list(answers)
        monkeypatch.setattr(httpx.AsyncClient, "post", self._post)

    async def _post(self, url, *, json, **_):
        self.asked.append(url.rsplit("/", 1)[1])
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def refusal(status, description, **parameters):
    document = {"ok": False, "description": description, "parameters": parameters}
    return httpx.Response(status, json=document)


def ok(result):
    return httpx.Response(200, json={"ok": True, "result": result})


@pytest.fixture
def pauses(monkeypatch):
    """Seconds that were slept; nothing is slept really."""
    seconds = []

    async def pause(duration):
        seconds.append(duration)

    monkeypatch.setattr(asyncio, "sleep", pause)
    return seconds


@pytest.fixture
async def telegram():
    async with Telegram("https://telegram.example", TOKEN) as telegram:
        yield telegram


@pytest.mark.parametrize(
    "answer",
    [
        httpx.ConnectError(f"cannot reach https://telegram.example/bot{TOKEN}/getMe"),
        refusal(400, f"strange: /bot{TOKEN}/getMe"),
    ],
)
async def test_an_error_never_shows_the_token(telegram, monkeypatch, answer):
    Api(monkeypatch, answer)

    with pytest.raises(TelegramError) as raised:
        await telegram.call("getMe", {})

    assert "<token>" in str(raised.value)
    assert TOKEN not in str(raised.value)
    assert TOKEN not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize(
    "answer", [httpx.Response(502, html="<h1>Bad"), ok([]), ok({"id": 1}), refusal(500, "no")]
)
async def test_who_the_bot_is_is_asked_until_telegram_says_so(
    telegram, monkeypatch, answer, pauses
):
    api = Api(monkeypatch, answer, ok({"id": 7, "username": "guide_bot"}))
    assert await telegram.introduce() == Bot(7, "guide_bot")
    assert (api.asked, pauses) == (["getMe", "getMe"], [0.5])


async def test_telegram_says_itself_how_long_to_wait(telegram, monkeypatch, pauses):
    Api(monkeypatch, refusal(429, "Too Many Requests", retry_after=17), ok(True))
    await telegram.insist("setWebhook", {})

    assert pauses == [17]


async def test_readiness_says_what_is_wrong_until_it_is_settled(telegram, monkeypatch):
    Api(monkeypatch, refusal(401, "Unauthorized"), ok({"id": 7, "username": "guide_bot"}))
    with pytest.raises(RuntimeError, match="not reached yet"):
        await telegram.check()

    await telegram.introduce()
    with pytest.raises(RuntimeError, match="Unauthorized: check TELEGRAM_BOT_TOKEN"):
        await telegram.check()

    telegram.settled()
    assert await telegram.check() is None


async def test_a_message_to_a_person_waits_out_a_flood_limit(telegram, monkeypatch, pauses):
    api = Api(monkeypatch, refusal(429, "Too Many Requests", retry_after=3), ok({}))

    await telegram.answer(Call("sendMessage", {"chat_id": 1, "text": "hello"}))

    assert (api.asked, pauses) == (["sendMessage", "sendMessage"], [3])


async def test_a_message_to_a_person_does_not_wait_for_ever(telegram, monkeypatch, pauses):
    api = Api(monkeypatch, *(refusal(429, "Too Many Requests", retry_after=20) for _ in range(3)))

    await telegram.answer(Call("sendMessage", {"chat_id": 1, "text": "hello"}))

    assert (len(api.asked), pauses) == (2, [20])


async def test_an_answer_that_telegram_refuses_is_only_noted(telegram, monkeypatch, caplog):
    Api(monkeypatch, refusal(400, "Bad Request: query is too old"))

    with caplog.at_level(logging.INFO):
        assert await telegram.answer(Call("answerCallbackQuery", {})) is None
