"""What may be moved out of the log: nothing too young, and nothing that somebody waits for."""

from datetime import timedelta

import pytest

from analytics.domain.sealing import LEAST_AGE, SEALED, Bound, Position, bound, matches, too_young
from contracts.events import EVENTS
from contracts.examples import SLOT
from harness.histories import plan


def test_what_is_as_old_as_the_sender_looks_back_may_go() -> None:
    assert too_young(SLOT - LEAST_AGE, SLOT, []) is None

    young = too_young(SLOT - LEAST_AGE + timedelta(seconds=1), SLOT, [plan("promos")])

    assert young is not None
    assert young.since == SLOT - LEAST_AGE
    assert "sender" in young.why


def test_the_longest_catch_up_window_of_any_campaign_counts() -> None:
    windows = [timedelta(days=2), timedelta(days=30), timedelta(days=20)]
    plans = [
        plan(f"c{n}", catch_up={"policy": "all", "window": each}) for n, each in enumerate(windows)
    ]

    young = too_young(SLOT - timedelta(days=30), SLOT, plans)

    assert young is not None
    assert young.since == SLOT - timedelta(days=31)
    assert "c1 catches up for 30 days" in young.why


def test_the_last_of_the_readers_that_have_something_to_do_holds_the_rest() -> None:
    readers = [
        Position("a", 7, busy=True),
        Position("b", 3, busy=False),
        Position("c", 5, busy=True),
    ]

    assert bound(9, readers) == Bound(5, "c")
    assert bound(4, readers) == Bound(4)
    assert bound(9, []) == Bound(9)


@pytest.mark.parametrize(
    ("pattern", "subject", "said"),
    [
        ("message.>", "message.sent.x", True),
        ("message.>", "message", False),
        ("message.*.x", "message.sent.x", True),
        ("message.*.x", "message.sent.y", False),
        ("message.*.x", "message.claimed.x.1", False),
        ("message.*.x.*", "message.claimed.x.1", True),
        ("guide.due.x", "guide.due.x", True),
    ],
)
def test_patterns_match_as_in_nats(pattern: str, subject: str, *, said: bool) -> None:
    assert matches(pattern, subject) is said


def test_what_anybody_asks_for_by_its_subject_stays() -> None:
    moved = {
        kind.fact()
        for kind in EVENTS
        if any(matches(pattern, f"{kind.fact()}.x") for pattern in SEALED)
    }

    assert moved == {
        "bot.started", "bot.stopped", "cta.clicked", "message.claimed", "message.failed",
        "message.sent", "message.skipped", "message.uncertain", "message.unreadable",
        "message.withdrawn",
    }  # fmt: skip
