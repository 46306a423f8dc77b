"""Channels from the environment: a JSON array of chat ids, anything else is a clear error."""

from datetime import timedelta

import pytest

from chassis.settings import load
from scheduler.settings import Settings


def refusal(capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        load(Settings)

    assert ended.value.code == 78
    return capsys.readouterr().err


def test_channels_are_a_json_array_of_numbers_texts_or_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GUIDES_CHAT_IDS_JSON", '[-1001, "-1002", "@fingerpost"]')

    assert load(Settings).guides_chat_ids == ("-1001", "-1002", "@fingerpost")
    assert load(Settings).promos_chat_ids == ()


@pytest.mark.parametrize("name", ["GUIDES_CHAT_IDS_JSON", "PROMOS_CHAT_IDS_JSON"])
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("-1001,-1002", "must be a JSON array of chat ids"),
        ("-1001", "must be a JSON array of chat ids"),
        ('{"a": 1}', "must be a JSON array of chat ids"),
        ("", "must be a JSON array of chat ids"),
        ("null", "must be a JSON array of chat ids"),
        ('[-1, "news"]', "entry 1 is no chat id"),
        ("[1.5]", "entry 0 is no chat id"),
        ("[true]", "entry 0 is no chat id"),
        ("[[1]]", "entry 0 is no chat id"),
    ],
)
def test_anything_else_is_told_with_the_variable_and_an_example(
    name: str,
    text: str,
    problem: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(name, text)

    said = refusal(capsys)

    assert said.startswith(f"{name}: {problem}")
    assert said.endswith("e.g. [-1001234567890, -1009876543210])\n")


def test_the_interval_can_be_overridden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINGERPOST_EVERY", "15s")

    assert load(Settings).every == timedelta(seconds=15)


@pytest.mark.parametrize("text", ["often", "0s", "PT0.5S", "-PT1S", "999999d"])
def test_an_interval_that_cannot_be_is_told(
    text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FINGERPOST_EVERY", text)

    assert refusal(capsys).startswith("FINGERPOST_EVERY: ")
