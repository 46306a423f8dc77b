"""Limits: a burst, then as many again in the course of a period; and who it is that asks."""

from datetime import UTC, datetime, timedelta

import psutil
import pytest

from clicks.domain.limits import Limit, caller

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
MEGABYTE = 2**20


def spent(limit: Limit, times: int, key: object = "ann", at: datetime = NOW) -> int:
    """Let `key` go on as often as it may, `times` at most; return how often it could."""
    done = 0
    while done < times and not limit.wait(key, at):
        limit.spend(key, at)
        done += 1
    return done


def test_a_burst_is_let_through_and_no_more():
    limit = Limit(60, MINUTE)

    assert spent(limit, 1000) == 60


def test_what_was_spent_comes_back_in_the_course_of_the_period():
    limit = Limit(60, MINUTE)
    spent(limit, 60)

    assert limit.wait("ann", NOW) == 1
    assert spent(limit, 1000, at=NOW + timedelta(seconds=10)) == 10
    assert spent(limit, 1000, at=NOW + timedelta(minutes=5)) == 60


def test_the_wait_that_is_told_is_long_enough_and_no_longer_than_needed():
    limit = Limit(2, MINUTE)
    spent(limit, 2)

    wait = limit.wait("ann", NOW)

    assert wait == 30
    assert limit.wait("ann", NOW + timedelta(seconds=wait)) == 0
    assert limit.wait("ann", NOW + timedelta(seconds=wait - 1)) == 1


def test_a_limit_of_one_lets_one_through():
    limit = Limit(1, MINUTE)

    assert (spent(limit, 5), limit.wait("ann", NOW)) == (1, 60)


def test_what_is_given_back_can_be_spent_again_and_no_more():
    limit = Limit(60, MINUTE)
    spent(limit, 60)

    for _ in range(5):
        limit.give_back("ann", NOW)

    assert spent(limit, 1000) == 5


def test_who_gives_all_back_has_the_whole_burst_and_not_more():
    limit = Limit(3, MINUTE)
    spent(limit, 2)

    for _ in range(7):
        limit.give_back("ann", NOW)

    assert (spent(limit, 10), len(limit)) == (3, 1)


def test_nobody_is_refused_for_what_another_did():
    limit = Limit(3, MINUTE)
    spent(limit, 3, "ann")

    assert (limit.wait("ann", NOW) > 0, limit.wait("bob", NOW)) == (True, 0)


def test_to_ask_costs_nothing():
    limit = Limit(1, MINUTE)
    for _ in range(100):
        limit.wait("ann", NOW)

    assert limit.wait("ann", NOW) == 0
    assert len(limit) == 0


def test_a_clock_that_is_set_back_locks_nobody_out():
    limit = Limit(3, MINUTE)
    spent(limit, 3)

    assert limit.wait("ann", NOW - timedelta(hours=1)) == 0


def test_a_spender_is_remembered_over_the_turn_of_a_period():
    limit = Limit(60, MINUTE)
    limit.spend("bob", NOW)
    late = NOW + timedelta(seconds=59)
    spent(limit, 60, at=late)
    limit.spend("bob", NOW + timedelta(seconds=61))

    assert limit.wait("ann", late + timedelta(milliseconds=100)) == 1


def test_a_million_strangers_take_no_more_memory_than_the_first_thousands():
    limit, process = Limit(10, MINUTE), psutil.Process()
    for number in range(100_000):
        limit.spend(f"stranger {number}", NOW)
    before = process.memory_info().rss

    for number in range(100_000, 1_000_000):
        limit.spend(f"stranger {number}", NOW)

    assert len(limit) <= 40_000
    assert process.memory_info().rss - before < 8 * MEGABYTE


@pytest.mark.parametrize(
    ("peer", "forwarded", "trusted_proxies", "who"),
    [
        # Nothing in front: whoever connects is whom we see, whatever they claim.
        ("8.8.8.8", "", 0, "8.8.8.8"),
        ("8.8.8.8", "1.1.1.1", 0, "8.8.8.8"),
        # A peer in a private network is a proxy that nobody told us of: it stands for many.
        ("10.0.0.7", "1.1.1.1", 0, None),
        ("127.0.0.1", "", 0, None),
        ("fd00::1", "", 0, None),
        ("", "", 0, None),
        ("unix", "", 0, None),
        # One proxy: the last entry is its own, those before are the caller's to make up.
        ("10.0.0.7", "1.1.1.1", 1, "1.1.1.1"),
        ("10.0.0.7", "9.9.9.9, 1.1.1.1", 1, "1.1.1.1"),
        ("10.0.0.7", "9.9.9.9, 1.1.1.1, 10.0.0.8", 2, "1.1.1.1"),
        ("10.0.0.7", " 1.1.1.1 ,, ", 1, "1.1.1.1"),
        # Somebody came round the proxies: what they say is worth nothing.
        ("8.8.8.8", "1.1.1.1", 2, "8.8.8.8"),
        ("8.8.8.8", "", 1, "8.8.8.8"),
        # What some proxies write.
        ("10.0.0.7", "1.1.1.1:4711", 1, "1.1.1.1"),
        ("10.0.0.7", "[2001:db8:1:2:3::4]:4711", 1, "2001:db8:1:2::/64"),
        ("10.0.0.7", "unknown", 1, None),
        # A household has a whole /64 to choose addresses from.
        ("2a00:1450:4001:81b::200e", "", 0, "2a00:1450:4001:81b::/64"),
        ("::ffff:8.8.8.8", "", 0, "8.8.8.8"),
    ],
)
def test_a_caller_is_known_by_what_cannot_be_made_up(peer, forwarded, trusted_proxies, who):
    assert caller(peer, forwarded, trusted_proxies=trusted_proxies) == who
