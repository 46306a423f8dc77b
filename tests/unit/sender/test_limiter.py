"""Turns on a real event loop: who waits, who is sent away, and what stops all of them."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from sender.domain.outcomes import Outcome, Posted, Refused
from sender.domain.pacing import Limits, Pacing
from sender.limiter import Later, Limiter, Turn

SENT = Posted(-1, 7, datetime(2026, 1, 1, tzinfo=UTC))
SHARES = {"guide": 0.5, "promo": 0.5}


@dataclass
class Scene:
    active: bool = True
    portions: list[int] = field(default_factory=list)
    asked: int = 0

    def limiter(self, *, paid: bool = False, **limits: float) -> Limiter:
        pacing = Pacing(Limits(SHARES, **limits))  # type: ignore[arg-type]
        now = asyncio.get_running_loop().time
        return Limiter(pacing, lambda: self.active, spend=self.take if paid else None, now=now)

    async def take(self) -> int:
        self.asked += 1
        return self.portions.pop(0) if self.portions else 0


async def post(outcome: Outcome = SENT) -> Outcome:
    return outcome


async def test_a_turn_comes_and_its_send_goes() -> None:
    turn = await Scene().limiter().turn("-1", "promo", "a")

    assert isinstance(turn, Turn)
    assert await turn.send(post) == SENT


async def test_the_next_in_a_chat_waits_and_the_fourth_is_sent_away() -> None:
    limiter = Scene().limiter()
    loop = asyncio.get_running_loop()
    begun = loop.time()

    turns = await asyncio.gather(*(limiter.turn("-1", "promo", str(n)) for n in range(4)))

    assert [type(turn) for turn in turns] == [Turn, Turn, Turn, Later]
    assert 1.9 < loop.time() - begun < 2.6
    assert isinstance(turns[3], Later)
    assert 2.9 < turns[3].seconds <= 3.1


async def test_many_chats_that_wait_leave_half_of_the_workers_to_others() -> None:
    limiter = Scene().limiter()
    asked = [(str(-chat), f"{chat}.{n}") for n in range(3) for chat in range(1, 20)]
    tasks = [asyncio.create_task(limiter.turn(chat, "promo", key)) for chat, key in asked]
    await asyncio.sleep(0.05)

    assert sum(not task.done() for task in tasks) <= 20
    assert isinstance(await limiter.turn("-99", "guide", "x"), Turn)

    limiter.close()
    await asyncio.gather(*tasks)


async def test_who_is_not_active_sends_nothing_and_all_who_wait_are_sent_away() -> None:
    scene = Scene()
    limiter = scene.limiter(per_second=1)
    first = await limiter.turn("-1", "promo", "a")
    waiting = asyncio.create_task(limiter.turn("-2", "promo", "b"))
    await asyncio.sleep(0.05)

    scene.active = False

    assert isinstance(await waiting, Later)
    assert isinstance(await limiter.turn("-3", "promo", "c"), Later)
    assert isinstance(first, Turn)
    refused = await first.send(lambda: pytest.fail("it was posted"))
    assert isinstance(refused, Refused)
    assert refused.retry_after


async def test_closing_sends_all_away_at_once() -> None:
    limiter = Scene().limiter(per_second=0.1)
    await limiter.turn("-1", "promo", "a")
    waiting = [asyncio.create_task(limiter.turn(f"-{n}", "promo", str(n))) for n in range(2, 9)]
    await asyncio.sleep(0)

    limiter.close()

    assert [type(turn) for turn in await asyncio.gather(*waiting)] == [Later] * 7


async def test_a_flood_makes_its_chat_wait_and_no_other() -> None:
    limiter = Scene().limiter()
    turn = await limiter.turn("-1", "promo", "a")
    assert isinstance(turn, Turn)

    await turn.send(lambda: post(Refused("rate_limited", "429", timedelta(seconds=30))))

    later = await limiter.turn("-1", "promo", "a")
    assert isinstance(later, Later)
    assert 30 <= later.seconds <= 31.1
    assert isinstance(await limiter.turn("-2", "promo", "b"), Turn)


async def test_who_waits_for_a_chat_that_is_flooded_meanwhile_is_sent_away() -> None:
    limiter = Scene().limiter()
    turn = await limiter.turn("-1", "promo", "a")
    assert isinstance(turn, Turn)
    waiting = asyncio.create_task(limiter.turn("-1", "promo", "b"))
    await asyncio.sleep(0)

    await turn.send(lambda: post(Refused("rate_limited", "429", timedelta(seconds=30))))

    async with asyncio.timeout(0.5):
        later = await waiting
    assert isinstance(later, Later)
    assert 30 <= later.seconds <= 31.1


async def test_who_was_cancelled_holds_up_nobody() -> None:
    limiter = Scene().limiter(per_second=2)
    await limiter.turn("-1", "promo", "a")
    gone = asyncio.create_task(limiter.turn("-2", "promo", "b"))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)

    async with asyncio.timeout(3):
        assert isinstance(await limiter.turn("-2", "promo", "c"), Turn)


async def test_the_same_delivery_does_not_wait_twice() -> None:
    limiter = Scene().limiter(per_second=1)
    await limiter.turn("-1", "promo", "a")
    waiting = asyncio.create_task(limiter.turn("-2", "promo", "b"))
    await asyncio.sleep(0)

    assert isinstance(await limiter.turn("-2", "promo", "b"), Later)
    assert isinstance(await waiting, Turn)


async def test_above_the_free_rate_it_pays_by_portions_until_there_is_none() -> None:
    scene = Scene(portions=[3, 2])
    limiter = scene.limiter(paid=True, per_second=2, paid_per_second=200)

    asked = (limiter.turn(f"-{n}", "promo", str(n)) for n in range(9))
    turns = [turn for turn in await asyncio.gather(*asked) if isinstance(turn, Turn)]

    assert len(turns) == 9
    assert sum(turn.paid for turn in turns) == 5
    limiter.close()


async def test_calls_aside_go_within_the_rate_and_behind_the_posts() -> None:
    limiter = Scene().limiter(per_second=20)
    loop = asyncio.get_running_loop()
    order: list[str] = []

    async def post_one(number: int) -> None:
        await limiter.turn(f"-{number}", "promo", str(number))
        order.append("post")

    async def call_one() -> None:
        await limiter.aside()
        order.append("aside")

    begun = loop.time()
    await asyncio.gather(*(call_one() for _ in range(3)), *(post_one(n) for n in range(1, 9)))

    assert loop.time() - begun >= 10 / 20 - 0.05
    assert order.index("post") <= 1
    assert order[-2:] == ["aside", "aside"]
