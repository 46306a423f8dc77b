"""The flood account: bursts, seconds, minutes, and switching off."""

from hypothesis import given
from hypothesis import strategies as st

from sandbox.floods import Floods, Limits

OFF = Limits(None, None, group_per_minute=None)


def send(floods: Floods, now: float, chat: str = "c", count: int = 1) -> int | None:
    return floods.retry_after(1, chat, now, group=True, count=count)


def test_a_chat_takes_a_burst_then_one_a_second() -> None:
    floods = Floods(Limits(chat_burst=3))

    assert [send(floods, 100.0) for _ in range(4)] == [None, None, None, 1]
    assert [send(floods, 101.0) for _ in range(2)] == [None, 1]


def test_a_group_takes_twenty_a_minute() -> None:
    floods = Floods(Limits(chat_burst=None))

    assert [send(floods, float(i)) for i in range(21)] == [None] * 20 + [40]
    assert send(floods, 60.0) is None


def test_a_token_takes_thirty_a_second_over_all_chats() -> None:
    floods = Floods(Limits())

    sent = [send(floods, 10.0, f"c{i}") for i in range(31)]

    assert sent == [None] * 30 + [1]
    assert floods.retry_after(2, "c0", 10.0, group=True) is None


def test_an_album_counts_each_message() -> None:
    floods = Floods(Limits(chat_burst=4))

    assert send(floods, 10.0, count=10) is None
    assert send(floods, 10.0) == 7


def test_limits_can_be_switched_off() -> None:
    floods = Floods(OFF)

    assert {send(floods, 1.0) for _ in range(500)} == {None}


@given(st.lists(st.floats(0, 30), min_size=1, max_size=120))
def test_no_minute_ever_holds_more_than_allowed(gaps: list[float]) -> None:
    floods, now, sent = Floods(Limits()), 0.0, []
    for gap in gaps:
        now += gap / 10
        if send(floods, now) is None:
            sent.append(now)

    for at in sent:
        assert sum(at <= other < at + 60 for other in sent) <= 20


@given(st.floats(0, 100), st.integers(1, 60))
def test_waiting_as_told_is_enough(start: float, count: int) -> None:
    floods, now = Floods(Limits()), start
    for _ in range(count):
        wait = send(floods, now)
        if wait is not None:
            now += wait
            assert send(floods, now) is None
