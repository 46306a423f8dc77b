"""No window ever holds more than its limit; nobody starves; floods slow down what they hit."""

import itertools
from collections import Counter
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sender.domain.pacing import Grant, Limits, Pacing

SHARES = {"guide": 0.75, "promo": 0.25}
PATIENCE = 2.0


def limits(**overrides: float) -> Limits:
    return Limits(**{"shares": SHARES, **overrides})  # type: ignore[arg-type]


class Simulation:
    """Plays the log, the workers and Telegram on a clock of its own."""

    def __init__(self, pacing: Pacing, latency: Callable[[Grant], float] = lambda _: 0.02) -> None:
        self.pacing = pacing
        self.now = 1_000.0
        self.grants: list[Grant] = []
        self._latency = latency
        self._later: list[tuple[float, str, str, str]] = []
        self._open: list[tuple[float, Grant]] = []

    def ask(self, *askers: tuple[str, str, str]) -> None:
        """Ask for (key, chat, kind), and again whenever told to."""
        for key, chat, kind in askers:
            wait = self.pacing.ask(key, chat, kind, self.now, PATIENCE)
            if wait:
                self._later.append((self.now + wait, key, chat, kind))

    def run(self, seconds: float) -> list[Grant]:
        """Let time pass."""
        end = self.now + seconds
        while True:
            while isinstance(found := self.pacing.choose(self.now), Grant):
                self.grants.append(found)
                self._open.append((self.now + self._latency(found), found))
            times = [at for at, _ in self._open] + [at for at, *_ in self._later]
            times += [self.now + found] if found is not None else []
            following = min(times, default=end)
            if following >= end:
                self.now = end
                return self.grants
            self.now = max(following, self.now)
            self._happen()

    def _happen(self) -> None:
        for at, grant in [each for each in self._open if each[0] <= self.now]:
            self._open.remove((at, grant))
            self.pacing.answered(grant, self.now, good=True)
        due = [each for each in self._later if each[0] <= self.now]
        self._later = [each for each in self._later if each[0] > self.now]
        self.ask(*(each[1:] for each in due))


def most_in(times: Sequence[float], seconds: float) -> int:
    """Return how many fall into the fullest window of so many seconds (its end not counted)."""
    ordered = sorted(times)
    return max(
        (sum(at <= other < at + seconds - 1e-5 for other in ordered) for at in ordered), default=0
    )


@settings(deadline=None, max_examples=60)
@given(
    chats=st.lists(st.integers(-6, 3).map(str), min_size=1, max_size=120),
    latencies=st.lists(st.floats(0.001, 1.5), min_size=1, max_size=20),
    arrivals=st.lists(st.floats(0, 1), min_size=1, max_size=20),
)
def test_no_window_holds_more_than_its_limit_wherever_in_a_call_telegram_counts(
    chats: list[str], latencies: list[float], arrivals: list[float]
) -> None:
    def latency(grant: Grant) -> float:
        return latencies[int(grant.key) % len(latencies)]

    simulation = Simulation(Pacing(limits(per_second=10)), latency)
    simulation.ask(*((str(n), chat, "promo") for n, chat in enumerate(chats)))
    grants = simulation.run(180)

    counted = {g.key: g.at + latency(g) * arrivals[int(g.key) % len(arrivals)] for g in grants}
    assert most_in(list(counted.values()), 1.0) <= 10
    for chat in set(chats):
        mine = [g for g in grants if g.chat == chat]
        times = [counted[g.key] for g in mine]
        assert most_in([g.at for g in mine], 1.0) <= 1
        if max(latencies) < 1:
            assert most_in(times, 1.0) <= 1
        if chat.startswith("-"):
            assert most_in(times, 60.0) <= 20


def test_it_is_smooth_from_the_first_second() -> None:
    simulation = Simulation(Pacing(limits()))
    simulation.ask(*((str(n), f"-{n}", "promo") for n in range(300)))

    times = [g.at for g in simulation.run(9)]

    gaps = [after - before for before, after in itertools.pairwise(times)]
    assert min(gaps) > 1 / 30 - 0.011
    assert len(times) > 9 * 30 * 0.96


def test_what_another_sender_sent_in_the_last_minute_counts() -> None:
    pacing = Pacing(limits())
    simulation = Simulation(pacing)
    start = simulation.now
    before = [start - 40 + second for second in range(20)]
    for at in before:
        pacing.remember("-1", at, simulation.now)
    simulation.ask(*((str(n), "-1", "promo") for n in range(40)))

    times = [g.at for g in simulation.run(100)]

    assert times[0] >= start + 20
    assert most_in(before + times, 60.0) <= 20
    assert len(times) >= 25


def test_who_waits_for_a_chat_is_sent_away_each_to_a_time_of_its_own() -> None:
    pacing = Pacing(limits())
    waits = [pacing.ask(str(n), "-1", "promo", 0.0, PATIENCE) for n in range(12)]

    assert waits == [0.0] * 3 + [float(n) for n in range(3, 12)]
    assert pacing.waiting("promo") == 3


def test_beyond_what_fits_a_minute_the_times_lie_evenly_over_it() -> None:
    pacing = Pacing(limits())
    waits = [pacing.ask(str(n), "-1", "promo", 0.0, PATIENCE) for n in range(40)]

    assert waits[19:24] == [19.0, 22.0, 25.0, 28.0, 31.0]
    assert waits[34:] == [60.0] * 6


def test_a_chat_that_waits_delays_no_other() -> None:
    pacing = Pacing(limits())
    simulation = Simulation(pacing)
    pacing.flooded("-1", 30, simulation.now, dice=0)
    simulation.ask(*((str(n), "-1", "promo") for n in range(50)), ("x", "-2", "promo"))

    assert [g.key for g in simulation.run(1)] == ["x"]


def test_lanes_share_by_weight_and_neither_starves() -> None:
    simulation = Simulation(Pacing(limits(chat_per_second=100, channel_per_minute=10_000)))
    for kind in SHARES:
        simulation.ask(*((f"{kind}{n}", f"-{n}", kind) for n in range(400)))

    granted = Counter(g.kind for g in simulation.run(4))

    assert 0.72 <= granted["guide"] / granted.total() <= 0.78


def test_a_lane_alone_has_the_whole_rate_and_saves_up_nothing() -> None:
    simulation = Simulation(Pacing(limits(chat_per_second=100, channel_per_minute=10_000)))
    simulation.ask(*((f"p{n}", f"-{n}", "promo") for n in range(1_000)))
    simulation.run(10)
    simulation.ask(*((f"g{n}", f"-{n}", "guide") for n in range(1_000)))
    before = len(simulation.grants)

    after = Counter(g.kind for g in simulation.run(4)[before:])

    assert before > 280
    assert 0.7 <= after["guide"] / after.total() <= 0.8


def test_a_flood_halves_its_chat_alone_and_success_gives_it_back() -> None:
    pacing = Pacing(limits())
    simulation = Simulation(pacing)

    assert pacing.flooded("-1", 5, simulation.now, dice=0.5) == "chat"
    assert pacing.flooded("-1", 5, simulation.now, dice=0.5) == "chat"
    simulation.ask(("a", "-2", "promo"), ("b", "-1", "promo"))
    (first,) = simulation.run(5.4)
    _, second = simulation.run(1)

    assert (first.chat, second.chat) == ("-2", "-1")
    assert second.at == pytest.approx(1_005.5, abs=0.1)
    assert (pacing.slowed_chats, pacing.share) == (1, 1.0)

    simulation.ask(*((str(n), "-1", "promo") for n in range(6)))
    grants = [g for g in simulation.run(60) if g.chat == "-1"]
    gaps = [after.at - before.at for before, after in itertools.pairwise(grants)]
    assert gaps[0] > 1.6
    assert gaps[-1] < gaps[0]
    assert pacing.slowed_chats == 0


def test_three_chats_within_ten_seconds_slow_all_of_them_once() -> None:
    pacing = Pacing(limits())
    now = 100.0

    scopes = [pacing.flooded(f"-{n}", 2, now + n, dice=0) for n in range(3)]
    more = [pacing.flooded(f"-{n}", 2, now + 2.5, dice=0) for n in range(5, 8)]

    assert scopes == ["chat", "chat", "whole"]
    assert more == ["chat", "chat", "whole"]
    assert pacing.share == 0.5
    pacing.ask("a", "-9", "promo", now + 3, PATIENCE)
    assert pacing.choose(now + 3) == pytest.approx(1.5)


def test_three_chats_over_a_longer_time_slow_only_themselves() -> None:
    pacing = Pacing(limits())

    scopes = [pacing.flooded(f"-{n}", 1, 100.0 + 6 * n, dice=0) for n in range(5)]

    assert scopes == ["chat"] * 5
    assert pacing.share == 1.0


def test_what_goes_above_the_free_rate_is_paid_until_the_purse_is_empty() -> None:
    pacing = Pacing(limits(paid_per_second=70))
    pacing.purse = 100
    simulation = Simulation(pacing)
    simulation.ask(*((str(n), f"-{n}", "promo") for n in range(600)))

    first = simulation.run(1)
    paid_at_first = sum(g.paid for g in first)
    free_at_first = len(first) - paid_at_first
    grants = simulation.run(9)

    assert 60 <= paid_at_first <= 71
    assert 28 <= free_at_first <= 31
    assert sum(g.paid for g in grants) == 100
    assert most_in([g.at for g in grants if not g.paid], 1.0) <= 30
    assert most_in([g.at for g in grants], 1.0) <= 100


def test_without_paying_nothing_is_paid() -> None:
    pacing = Pacing(limits())
    pacing.purse = 100
    simulation = Simulation(pacing)
    simulation.ask(*((str(n), f"-{n}", "promo") for n in range(90)))

    assert not any(g.paid for g in simulation.run(4))


def test_who_leaves_gives_up_its_place() -> None:
    pacing = Pacing(limits())
    pacing.ask("a", "-1", "promo", 0.0, PATIENCE)
    pacing.leave("a")

    assert pacing.choose(0.0) is None
    assert pacing.ask("b", "-1", "promo", 0.0, PATIENCE) == 0.0
    assert isinstance(pacing.choose(0.0), Grant)


def test_a_turn_that_never_goes_counts_only_for_a_while() -> None:
    pacing = Pacing(limits(per_second=1))
    pacing.ask("a", "-1", "promo", 0.0, PATIENCE)
    assert isinstance(pacing.choose(0.0), Grant)
    pacing.ask("b", "-2", "promo", 0.0, PATIENCE)

    assert pacing.choose(2.9) == pytest.approx(0.1)
    assert isinstance(pacing.choose(3.0), Grant)


def test_an_album_counts_each_of_its_messages() -> None:
    pacing = Pacing(limits())
    simulation = Simulation(pacing)
    for n in range(5):
        assert pacing.ask(f"a{n}", f"-{n}", "promo", simulation.now, PATIENCE, count=10) == 0
    pacing.ask("again", "-1", "promo", simulation.now, PATIENCE, count=10)
    pacing.ask("later", "-1", "promo", simulation.now, PATIENCE, count=10)

    grants = simulation.run(80)
    everything = [g.at for g in grants for _ in range(g.count)]
    in_chat = [g.at for g in grants for _ in range(g.count) if g.chat == "-1"]

    assert {g.key for g in grants} == {"a0", "a1", "a2", "a3", "a4", "again", "later"}
    assert most_in(everything, 1.0) <= 30
    assert most_in(in_chat, 60.0) <= 20


def test_an_album_that_another_sender_sent_counts_as_all_of_its_messages() -> None:
    pacing = Pacing(limits())
    pacing.remember("-1", 990.0, 1_000.0, count=20)

    assert pacing.ask("a", "-1", "promo", 1_000.0, PATIENCE) > 50
    assert pacing.ask("b", "-2", "promo", 1_000.0, PATIENCE) == 0


def test_a_call_aside_counts_for_the_rate_over_all() -> None:
    pacing = Pacing(limits(per_second=10))
    granted = [now / 100 for now in range(1_000) if not pacing.aside(now / 100)]

    assert most_in(granted, 1.0) <= 10
    assert len(granted) > 60


def test_a_call_aside_lets_every_post_go_first_until_it_is_pressing() -> None:
    pacing = Pacing(limits(per_second=10))
    pacing.ask("a", "-1", "promo", 0.0, PATIENCE)

    assert pacing.aside(0.0) > 0
    assert pacing.aside(0.0, pressing=True) == 0.0
    assert isinstance(pacing.choose(0.0), float)
    assert isinstance(pacing.choose(0.11), Grant)
    assert pacing.aside(0.3) == 0.0


def test_a_post_that_waits_for_its_chat_keeps_no_call_aside_waiting() -> None:
    pacing = Pacing(limits())
    pacing.ask("a", "-1", "promo", 0.0, PATIENCE)
    assert isinstance(pacing.choose(0.0), Grant)
    pacing.ask("b", "-1", "promo", 0.0, PATIENCE)

    assert pacing.aside(0.5) == 0.0


UNHURRIED = {"shares": {**SHARES, "withdrawal": 0.05}, "unhurried": ("withdrawal",)}


def test_however_many_unhurried_ones_wait_for_a_chat_a_post_there_waits_for_one_of_them() -> None:
    simulation = Simulation(Pacing(Limits(**UNHURRIED)))  # type: ignore[arg-type]
    simulation.ask(*((f"w{n}", "-1", "withdrawal") for n in range(600)))
    waits = []
    for number in range(20):
        simulation.run(30)
        begun = simulation.now
        simulation.ask((f"p{number}", "-1", "promo"))
        simulation.run(15)
        waits += [g.at - begun for g in simulation.grants if g.key == f"p{number}"]

    assert len(waits) == 20
    assert max(waits) < 12
    assert most_in([g.at for g in simulation.grants], 60.0) <= 20


def test_unhurried_ones_are_not_put_off_for_ever() -> None:
    alone = Simulation(Pacing(Limits(**UNHURRIED)))  # type: ignore[arg-type]
    alone.ask(*((f"w{n}", "-1", "withdrawal") for n in range(100)))
    crowded = Simulation(Pacing(Limits(**UNHURRIED)))  # type: ignore[arg-type]
    crowded.ask(*((f"w{n}", "-1", "withdrawal") for n in range(20)))
    crowded.ask(*((f"p{n}", "-1", "promo") for n in range(400)))

    assert len(alone.run(400)) == 100
    assert sum(grant.kind == "withdrawal" for grant in crowded.run(600)) >= 5


def test_an_unhurried_one_that_does_not_come_back_holds_up_the_others_for_seconds_only() -> None:
    pacing = Pacing(Limits(**UNHURRIED))  # type: ignore[arg-type]
    pacing.flooded("-1", 5, 0.0, dice=0)
    assert pacing.ask("lost", "-1", "withdrawal", 0.0, PATIENCE) > 0

    assert pacing.ask("next", "-1", "withdrawal", 6.0, PATIENCE) > 0
    assert pacing.ask("next", "-1", "withdrawal", 25.0, PATIENCE) == 0


def test_an_unhurried_one_of_several_calls_is_not_overtaken_for_ever() -> None:
    pacing = Pacing(Limits(**UNHURRIED, per_second=2, paid_per_second=1))  # type: ignore[arg-type]
    simulation = Simulation(pacing)
    simulation.ask(*((f"p{n}", f"-{n}", "promo") for n in range(200)))
    pacing.ask("w", "-1000", "withdrawal", simulation.now, PATIENCE, count=2)

    granted = [grant.key for grant in simulation.run(30)]

    assert "w" in granted


def test_nothing_is_paid_for_what_is_unhurried_and_it_keeps_nobody_from_paying() -> None:
    pacing = Pacing(Limits(**UNHURRIED, per_second=1, paid_per_second=10))  # type: ignore[arg-type]
    pacing.purse = 50
    simulation = Simulation(pacing)
    simulation.ask(*((f"w{n}", f"-{n}", "withdrawal") for n in range(50)))
    simulation.ask(*((f"p{n}", f"-{n}", "promo") for n in range(100, 130)))

    grants = simulation.run(5)

    assert {grant.kind for grant in grants if grant.paid} == {"promo"}
    assert sum(grant.kind == "promo" for grant in grants) == 30
