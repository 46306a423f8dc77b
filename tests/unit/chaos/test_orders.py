import pytest

from chaos.__main__ import ordered
from chaos.campaigns import CAMPAIGNS, described, file_of
from chaos.front import click_in, route_of
from chaos.plan import ALL
from contracts.campaign import IntervalSchedule, read_plan


def test_without_words_a_run_takes_two_minutes_and_all_faults() -> None:
    order = ordered({})

    assert (order.seed, order.minutes, order.faults) == (1, 2, ALL)


def test_words_are_read() -> None:
    order = ordered({"SEED": "7", "MINUTES": "0.5", "FAULTS": "kill, net"})

    assert (order.seed, order.seconds, order.faults) == (7, 30, ("kill", "net"))


def test_the_same_load_runs_without_faults() -> None:
    assert ordered({"FAULTS": "none"}).faults == ()


@pytest.mark.parametrize(
    ("variable", "value"),
    [("FAULTS", "kill,flood"), ("SEED", "x"), ("MINUTES", "long"), ("MINUTES", "0")],
)
def test_a_wrong_word_is_named(variable: str, value: str) -> None:
    with pytest.raises(ValueError, match=variable):
        ordered({variable: value})


def test_the_campaigns_are_those_that_the_checker_is_told_of() -> None:
    end = "2026-12-01T00:00:00+00:00"

    plan = read_plan(file_of(end))

    for campaign, raw in zip(plan.campaigns, CAMPAIGNS, strict=True):
        told = described(raw, 0.0, None)
        schedule = campaign.schedule
        assert isinstance(schedule, IntervalSchedule)
        assert campaign.end is not None
        assert campaign.end.isoformat() == end
        assert told["id"] == campaign.id
        assert told["every_seconds"] == schedule.every.total_seconds()
        assert told["phase_seconds"] == schedule.phase.total_seconds()
        assert told["jitter_seconds"] == campaign.jitter.total_seconds()
        assert told["channel_offset_seconds"] == campaign.channel_offset.total_seconds()
        assert [channel["id"] for channel in told["channels"]] == list(campaign.channels)
        window = campaign.catch_up.window
        assert told["catchup"] == {
            "policy": campaign.catch_up.policy,
            "window_seconds": window and window.total_seconds(),
            "max": campaign.catch_up.max,
        }


def test_updates_are_told_apart() -> None:
    assert route_of({"callback_query": {}}) == "tap"
    assert route_of({"message": {"text": "/start k1-x"}}) == "start"
    assert route_of({"message": {"text": "/start"}}) == "update"
    assert route_of({"message": {"successful_payment": {}}}) == "pay"
    assert route_of({"pre_checkout_query": {}}) == "update"


def test_the_click_is_read_from_where_a_link_leads() -> None:
    assert click_in("https://example.org/a?utm_source=telegram&fp_click=abc") == "abc"
    assert click_in("https://example.org/a") is None
