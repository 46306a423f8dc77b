"""What the log says of a bot's chats: the last word counts, by whichever name it was said."""

from typing import Any

import pytest

from contracts.events import ChannelDisabled, ChannelEnabled, ChannelMigrated, Event
from contracts.examples import example
from sender.domain.channels import Chats

GROUP, SUPERGROUP, NEWEST = "-4242", "-1009000000001", "-1009000000002"
CHANNEL, NAME = "-1001234567890", "@example"


def disabled(channel: str = CHANNEL, **fields: Any) -> Event:
    return example(ChannelDisabled, channel=channel, **fields)


def enabled(channel: str = CHANNEL, username: str | None = None) -> Event:
    return example(ChannelEnabled, channel=channel, username=username)


def moved(channel: str, chat_id: str) -> Event:
    return example(ChannelMigrated, channel=channel, chat_id=int(chat_id))


def given(*facts: Event) -> Chats:
    chats = Chats()
    for sequence, fact in enumerate(facts, start=1):
        chats.hear(fact, sequence)
    return chats


def test_a_chat_of_which_nothing_was_said_is_posted_in() -> None:
    chats = given(disabled("-1"))

    assert chats.disabled(CHANNEL) is None
    assert (chats.place(CHANNEL), chats.known(CHANNEL).sequence) == (CHANNEL, 0)


@pytest.mark.parametrize(
    ("facts", "is_disabled"),
    [
        ([disabled()], True),
        ([disabled(), enabled()], False),
        ([disabled(), enabled(), disabled()], True),
        ([disabled(), enabled("-1")], True),
        ([disabled(NAME), enabled()], True),
        ([disabled(), enabled(NAME, username=NAME)], True),
    ],
)
def test_the_last_word_counts(facts: list[Event], is_disabled: bool) -> None:
    chats = given(*facts)

    assert any(chats.disabled(name) for name in (CHANNEL, NAME)) is is_disabled
    assert chats.count == is_disabled


def test_an_enabling_by_the_id_is_one_of_the_username_that_it_tells() -> None:
    chats = given(disabled(NAME), enabled(username=NAME))

    assert chats.disabled(NAME) is None


def test_what_a_person_disabled_by_the_username_no_enabling_by_the_id_ends() -> None:
    by_person, told = disabled(NAME, actor="ann"), enabled(username=NAME)
    in_order, late = given(by_person, told), Chats()
    late.hear(told, 2)
    late.hear(by_person, 1)

    assert in_order.disabled(NAME)
    assert late.disabled(NAME)


def test_a_username_that_was_disabled_after_it_was_told_stays_disabled() -> None:
    chats = given(disabled(NAME), enabled(username=NAME), disabled(NAME))

    assert chats.disabled(NAME)


def test_a_word_that_arrives_late_changes_nothing() -> None:
    chats = Chats()
    assert chats.hear(enabled(), 7)

    assert not chats.hear(disabled(), 6)
    assert not chats.hear(enabled(), 7)
    assert chats.disabled(CHANNEL) is None
    assert chats.known(CHANNEL).sequence == 7


def test_a_move_that_arrives_late_is_taken_in_all_the_same() -> None:
    chats = Chats()
    chats.hear(disabled(GROUP), 7)

    assert chats.hear(moved(GROUP, SUPERGROUP), 6)
    assert chats.place(GROUP) == SUPERGROUP


def test_a_chat_that_moved_twice_is_addressed_by_its_newest_id() -> None:
    chats = given(moved(GROUP, SUPERGROUP), moved(SUPERGROUP, NEWEST))

    assert [chats.place(name) for name in (GROUP, SUPERGROUP, NEWEST)] == [NEWEST] * 3
    move = chats.moved(GROUP)
    assert move is not None
    assert (move.to, move.sequence) == (NEWEST, 2)
    assert chats.moved(NEWEST) is None


@pytest.mark.parametrize("name", [GROUP, SUPERGROUP])
@pytest.mark.parametrize("asked", [GROUP, SUPERGROUP])
def test_a_fact_about_either_name_of_a_chat_that_moved_is_about_the_chat(
    name: str, asked: str
) -> None:
    before = given(disabled(name), moved(GROUP, SUPERGROUP))
    after = given(moved(GROUP, SUPERGROUP), disabled(name))
    again = given(moved(GROUP, SUPERGROUP), disabled(GROUP), enabled(SUPERGROUP))

    assert before.disabled(asked)
    assert after.disabled(asked)
    assert (before.count, after.count) == (1, 1)
    assert again.disabled(asked) is None


def test_moves_in_a_circle_end() -> None:
    chats = given(moved(GROUP, SUPERGROUP), moved(SUPERGROUP, GROUP))

    assert chats.place(GROUP) == SUPERGROUP
    assert chats.disabled(GROUP) is None
