"""Who taps too often is told so, and only what is answered as counted is in the log."""

import asyncio

import pytest

from chassis.log import LogUnavailableError
from contracts.events import BotStopped, ForgetRequested
from contracts.examples import USER

TOO_MANY = "Too many taps: this one does not count. Please try again in a minute."
ALLOWED = 120


async def flood(story, update, times) -> list[list[str]]:
    return [[a.get("text", a.get("url")) for a in await story.when(update)] for _ in range(times)]


async def test_of_a_flood_of_taps_as_many_are_recorded_as_are_answered_as_usual(story, updates):
    answers = await flood(story, updates.tap(story.token(1)), 200)

    assert answers.count(["We will write to you."]) == ALLOWED == len(story.log.events)
    assert answers[ALLOWED:] == [[TOO_MANY]] * (200 - ALLOWED)


async def test_of_taps_at_once_no_more_are_recorded_than_of_taps_one_after_the_other(
    story, updates
):
    for _ in range(2):
        await asyncio.gather(*(story.when(updates.tap(story.token(1))) for _ in range(200)))

        assert len(story.log.events) == ALLOWED


async def test_the_others_tap_on(story, updates):
    await flood(story, updates.tap(), 200)
    other = updates.tap(**{"from": {"id": USER + 1}})

    await story.when(other)

    assert story.log.events[-1].user_id == USER + 1


async def test_who_taps_too_often_reads_it_in_their_language(story, updates):
    tap = updates.tap(**{"from": {"id": USER, "language_code": "de"}})
    answers = await flood(story, tap, ALLOWED + 1)

    assert answers[-1] == [
        "Zu oft getippt: dies zählt nicht. Versuche es in einer Minute noch einmal."
    ]


async def test_starts_over_the_limit_are_not_recorded_and_cost_no_message(story, updates):
    answers = await flood(story, updates.said(f"/start {story.token()}"), 200)

    assert len(story.log.events) == ALLOWED
    assert answers[ALLOWED:] == [[]] * (200 - ALLOWED)


@pytest.mark.parametrize("text", ["hello", "/start", "/start nonsense", "/help"])
async def test_who_writes_too_often_uses_up_no_more_of_the_bot_s_messages(story, updates, text):
    answers = await flood(story, updates.said(text), 200)

    assert len([answer for answer in answers if answer]) == ALLOWED
    assert story.log.events == []


async def test_what_comes_again_because_the_log_was_away_is_not_held_against_the_person(
    story, updates
):
    story.log.away = True
    for _ in range(200):
        with pytest.raises(LogUnavailableError):
            await story.when(updates.tap())
    story.log.away = False

    await story.when(updates.tap())

    assert len(story.log.events) == 1


async def test_forged_taps_use_up_nothing(story, updates):
    await flood(story, updates.tap("nonsense"), 200)

    await story.when(updates.tap())

    assert len(story.log.events) == 1


async def test_who_tapped_too_often_can_still_stop_and_be_forgotten(story, updates):
    await flood(story, updates.tap(), 200)

    assert await story.when(updates.said("/stop"))
    assert await story.when(updates.said("/forget me"))

    assert [type(event) for event in story.log.events[ALLOWED:]] == [BotStopped, ForgetRequested]


async def test_of_a_flood_of_stops_some_are_recorded_and_to_be_forgotten_is_heard_all_the_same(
    story, updates
):
    answers = await flood(story, updates.said("/stop"), 100)
    await story.when(updates.said("/forget me"))
    await story.when(updates.tap())

    assert len([answer for answer in answers if answer]) == 10
    stops, others = story.log.events[:10], story.log.events[10:]
    assert {type(event) for event in stops} == {BotStopped}
    assert [event.fact() for event in others] == ["forget.requested", "cta.clicked"]
