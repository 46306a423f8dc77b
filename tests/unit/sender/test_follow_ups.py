"""The message below an album that was found: posted by who saw it absent twice, and once."""

from datetime import timedelta
from typing import Any, cast

import pytest

from contracts.events import MessageClaimed, PromoDue
from contracts.examples import SLOT, example
from sender.domain.content import Button, Content
from sender.domain.looking import Absent, CannotTell, Finding, Found
from sender.domain.outcomes import Outcome, Posted, Refused, Unknown
from sender.followups import FollowUps
from sender.limiter import Later
from sender.witness import LookLaterError

DUE = example(PromoDue)
ALBUM = Found(-100, 40, SLOT)
BELOW = Content("?", (Button("Tap", callback_data="x"),))
CONTENT = Content("Two", follow_up=BELOW)
QUARANTINE = 90.0


class World:
    """Telegram, the limiter and the witness of one bot, and a clock."""

    def __init__(self, *found: Finding, outcome: Outcome | None = None) -> None:
        self.found = list(found)
        self.outcome = outcome or Posted(-100, 42, SLOT)
        self.posts = 0
        self.seconds = 0.0
        self.later: Later | None = None
        self.chats: list[str] = []
        self.moved_to: int | None = None
        it = cast("Any", self)
        self.follow_ups = FollowUps(it, it, it, timedelta(seconds=QUARANTINE), now=self.now)

    paid = False

    def now(self) -> float:
        return self.seconds

    def place(self, channel: str) -> int | str:
        return self.moved_to or channel

    async def look_below(self, *_: object, **__: object) -> Finding:
        return self.found.pop(0) if len(self.found) > 1 else self.found[0]

    async def turn(self, chat: str, *_: object) -> Any:
        self.chats.append(chat)
        return self.later or self

    async def send(self, post: Any) -> Outcome:
        return cast("Outcome", await post())

    async def post(self, *_: object, **__: object) -> Outcome:
        self.posts += 1
        return self.outcome

    async def settle(self, content: Content = CONTENT, *, expired: bool = False) -> int | None:
        claim = example(MessageClaimed)
        return await self.follow_ups.settle(DUE, claim, content, ALBUM, expired=expired)

    async def later_by(self) -> float:
        with pytest.raises(LookLaterError) as told:
            await self.settle()
        return told.value.seconds


async def test_seen_absent_once_it_is_not_posted_before_a_quarantine_is_over() -> None:
    world = World(Absent())

    assert await world.later_by() == QUARANTINE
    world.seconds = 89
    assert await world.later_by() == 1
    assert world.posts == 0

    world.seconds = 90
    assert await world.settle() == 42
    assert world.posts == 1


async def test_in_a_chat_that_moved_it_counts_for_the_chat_where_it_is_posted() -> None:
    world = World(Absent())
    world.moved_to = -1009
    await world.later_by()
    world.seconds = 90

    await world.settle()

    assert world.chats == ["-1009"]


async def test_one_that_came_late_is_found_at_the_second_look() -> None:
    world = World(Absent(), Found(-100, 43, SLOT))
    await world.later_by()
    world.seconds = 90

    assert await world.settle() == 43
    assert world.posts == 0


async def test_an_answer_that_was_lost_begins_it_anew() -> None:
    world = World(Absent(), outcome=Unknown("no answer"))
    await world.later_by()
    world.seconds = 90
    assert await world.later_by() == QUARANTINE

    world.seconds = 180
    assert await world.later_by() == QUARANTINE
    assert world.posts == 1


async def test_a_flood_is_waited_out_without_another_quarantine() -> None:
    world = World(Absent(), outcome=Refused("rate_limited", "429", timedelta(seconds=7)))
    await world.later_by()
    world.seconds = 90
    assert await world.later_by() == 7

    world.outcome, world.seconds = Posted(-100, 42, SLOT), 97
    assert await world.settle() == 42


async def test_who_waits_for_a_turn_posts_nothing() -> None:
    world = World(Absent())
    await world.later_by()
    world.seconds, world.later = 90, Later(3)

    assert await world.later_by() == 3
    assert world.posts == 0


@pytest.mark.parametrize(
    ("found", "expired"), [(CannotTell("no audit chat"), False), (Absent(), True)]
)
async def test_what_nobody_can_tell_or_is_over_stays_without(
    found: Finding, *, expired: bool
) -> None:
    world = World(found)

    assert await world.settle(expired=expired) is None
    assert world.posts == 0


async def test_a_message_without_a_second_one_needs_none() -> None:
    world = World(Absent())

    assert await world.settle(Content("hello")) is None
