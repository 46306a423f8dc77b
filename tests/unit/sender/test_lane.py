"""One bot's lane: whether its token is accepted, and how many workers it may hold."""

import asyncio
import heapq
from typing import cast

import pytest
from aiogram.exceptions import AiogramError, TelegramNetworkError, TelegramUnauthorizedError
from aiogram.methods import GetMe
from aiogram.types import User

from sender import lane
from sender.lane import Line, Room, Token
from sender.limiter import Later
from sender.telegram import Telegram

BOT = User(id=7, is_bot=True, first_name="Bot", username="a_bot")
REVOKED = TelegramUnauthorizedError(method=GetMe(), message="Unauthorized")
AWAY = TelegramNetworkError(method=GetMe(), message="no answer")


class Asked:
    """Answers getMe with one after the other, and then with the last for ever."""

    def __init__(self, *answers: User | AiogramError) -> None:
        self.answers = list(answers)
        self.count = 0

    async def me(self) -> User:
        self.count += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, AiogramError):
            raise answer
        return answer

    def explain(self, error: AiogramError) -> str:
        return str(error)


def token_of(asked: Asked) -> Token:
    return Token(cast("Telegram", asked), "second", "second in TELEGRAM_BOT_TOKENS")


async def said(token: Token) -> str:
    try:
        await token.check()
    except RuntimeError as error:
        return str(error)
    return "ok"


async def test_before_telegram_answered_nothing_is_known() -> None:
    token = token_of(Asked(AWAY))

    assert not token.accepted
    await token.ask()

    assert not token.accepted
    assert "Telegram does not answer" in await said(token)


async def test_an_accepted_token_tells_who_the_bot_is() -> None:
    token = token_of(Asked(BOT))

    await token.ask()

    assert (token.accepted, token.username, await said(token)) == (True, "a_bot", "ok")


async def test_a_refused_token_names_the_variable_and_the_remedy() -> None:
    token = token_of(Asked(REVOKED))

    await token.ask()

    assert not token.accepted
    assert await said(token) == (
        "Telegram refused second in TELEGRAM_BOT_TOKENS; take a new one from @BotFather"
    )


async def test_silence_of_telegram_says_nothing_about_a_good_token_or_a_refused_one() -> None:
    good, bad = token_of(Asked(BOT, AWAY)), token_of(Asked(BOT, REVOKED, AWAY))

    for token in (good, bad):
        await token.ask()
        await token.ask()
    await bad.ask()

    assert good.accepted
    assert not bad.accepted


async def test_after_a_refusal_it_is_asked_at_once_and_then_ever_less_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lane, "_FIRST_PAUSE", 0.01)
    asked = Asked(BOT, REVOKED, REVOKED, BOT)
    token = token_of(asked)
    token.pause = 0.01
    watching = asyncio.create_task(token.watch())
    await _until(lambda: token.accepted)
    assert asked.count == 1

    token.refuse()
    assert not token.accepted
    await _until(lambda: token.accepted)

    assert asked.count == 4
    assert token.pause == 0.01
    watching.cancel()


async def _until(true: object) -> None:
    assert callable(true)
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0.001)


def test_a_lane_holds_no_more_workers_than_its_own_and_the_others_come_back_in_line() -> None:
    now = 100.0
    room = Room(10, most=2, now=lambda: now)

    taken = [room.enter("promo") for _ in range(5)]

    assert taken[:2] == [None, None]
    waits = [later.seconds for later in taken[2:] if isinstance(later, Later)]
    assert waits == pytest.approx([0.5, 0.6, 0.7])
    assert room.enter("guide") is None


def test_who_leaves_makes_room() -> None:
    room = Room(10, most=1)
    assert room.enter("promo") is None
    assert room.enter("promo") is not None

    room.leave("promo")

    assert room.enter("promo") is None


def test_the_line_is_a_minute_long_and_who_has_no_place_in_it_comes_back_after_it() -> None:
    line = Line(1, now=lambda: 0.0)

    waits = [line.join().seconds for _ in range(500)]

    assert waits[:60] == pytest.approx([number + 0.5 for number in range(60)])
    assert all(60 <= wait <= 90 for wait in waits[60:])
    assert len(set(waits[60:])) > 400


def test_nobody_comes_back_sooner_than_asked() -> None:
    line = Line(1, now=lambda: 0.0)

    waits = [line.join(90.0).seconds for _ in range(100)]

    assert all(90 <= wait <= 135 for wait in waits)


def test_those_who_wait_for_a_bot_come_back_no_sooner_than_asked_and_not_all_at_once() -> None:
    line = Line(100, now=lambda: 0.0)

    waits = [line.join(2.0).seconds for _ in range(1_000)]

    assert waits[0] == pytest.approx(2.0)
    assert waits[-1] == pytest.approx(11.99)


def test_a_lane_with_very_much_to_post_is_never_idle_until_all_is_posted() -> None:
    rate, count = 30, 6_000
    now = last = free_at = 0.0
    room = Room(rate, now=lambda: now)
    coming = [(number / 1_000, "due") for number in range(count)]
    heapq.heapify(coming)
    while coming:
        now, what = heapq.heappop(coming)
        if what == "posted":
            room.leave("promo")
            last = now
        elif later := room.enter("promo"):
            heapq.heappush(coming, (now + later.seconds, "due"))
        else:
            free_at = max(free_at, now) + 1 / rate
            heapq.heappush(coming, (free_at, "posted"))

    assert last < 1.2 * count / rate
