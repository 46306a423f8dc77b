from collections import Counter

import pytest

from chaos.plan import ALL_NATS, KINDS, LEADER, LINKS, NATS, REPLICAS, draw

HOUR = 3600.0


def test_one_seed_gives_one_plan() -> None:
    assert draw(7, HOUR, KINDS) == draw(7, HOUR, KINDS)
    assert draw(7, HOUR, KINDS) != draw(8, HOUR, KINDS)


def test_a_shorter_run_begins_like_a_longer_one() -> None:
    short, long = draw(7, 60, KINDS), draw(7, HOUR, KINDS)

    assert [(f.at, f.kind, f.target) for f in short] == [
        (f.at, f.kind, f.target) for f in long[: len(short)]
    ]


def test_faults_come_in_order_and_end_within_the_run() -> None:
    plan = draw(3, 120, KINDS)

    assert [fault.at for fault in plan] == sorted(fault.at for fault in plan)
    assert all(fault.at > 0 and fault.at + fault.seconds <= 120 for fault in plan)


def test_a_run_of_two_minutes_has_some_forty_faults() -> None:
    counts = [len(draw(seed, 120, KINDS)) for seed in range(100)]

    assert 35 < sum(counts) / len(counts) < 50


def test_a_thousand_kills_take_less_than_three_quarters_of_an_hour() -> None:
    assert len(draw(1, 0.75 * HOUR, ["kill"])) > 1200


def test_every_round_ends_with_a_calm() -> None:
    assert all(fault.at % 30 < 22 for fault in draw(3, HOUR, KINDS))


@pytest.mark.parametrize("kind", KINDS)
def test_only_what_was_asked_for_comes(kind: str) -> None:
    plan = draw(5, HOUR, [kind])

    says = {"net": {"cut", "delay", "half_open", "unanswered"}, "sandbox": {"misbehave"}}
    assert {fault.kind for fault in plan} == says.get(kind, {kind})


def test_without_kinds_nothing_comes() -> None:
    assert draw(5, HOUR, ["truncate", "later"]) == draw(5, HOUR, []) == []


def test_whoever_can_be_killed_is_killed_one_day() -> None:
    killed = Counter(fault.target for fault in draw(5, 10 * HOUR, ["kill"]))

    assert set(killed) == {*REPLICAS, *NATS, LEADER, ALL_NATS, "postgres", "sandbox"}


def test_nobody_is_frozen_for_longer_than_a_quarantine() -> None:
    frozen = draw(5, 10 * HOUR, ["freeze"])

    assert max(fault.seconds for fault in frozen) <= 12
    assert ALL_NATS not in {fault.target for fault in frozen}


def test_links_are_broken_only_where_there_are_any() -> None:
    broken = [fault for fault in draw(5, 10 * HOUR, ["net"]) if "link" in fault.details]

    assert {(fault.target.partition("-")[0], fault.details["link"]) for fault in broken} == {
        (service, link) for service, links in LINKS.items() for link in links
    }


def test_a_fault_is_written_down_with_its_details() -> None:
    fault = next(fault for fault in draw(5, HOUR, ["net"]) if fault.kind == "delay")

    assert fault.document() == {
        "at": fault.at,
        "kind": "delay",
        "target": fault.target,
        "seconds": fault.seconds,
        "link": fault.details["link"],
        "by": fault.details["by"],
    }


def test_an_upgrade_goes_on_beside_the_faults_and_alone() -> None:
    alone = draw(5, 60, ["roll"])
    beside = draw(5, 60, ["roll", "kill"])

    assert [(fault.kind, fault.seconds) for fault in alone] == [("roll", 60)]
    assert beside == [*alone, *draw(5, 60, ["kill"])]


def test_whoever_folds_is_slow_until_the_end_and_only_where_that_is_asked_for() -> None:
    stalled = draw(5, 60, ["stall"])

    assert [(fault.kind, fault.target, fault.at + fault.seconds) for fault in stalled] == [
        ("delay", "analytics-0", 60), ("delay", "analytics-1", 60)
    ]  # fmt: skip
    assert draw(5, 10, ["stall"]) == []
    assert draw(5, 60, ["stall", "kill"]) == [*stalled, *draw(5, 60, ["kill"])]
