"""The tokens of the bots: which are taken, and what is said of those that are not."""

from collections.abc import Callable, Mapping

import pytest

from chassis.settings import load
from sender.settings import Settings

SECRET = "AAE-hunter2_hunter2_hunter2_hunter2"
MAIN = f"100:{SECRET}"
Environment = Callable[[Mapping[str, str]], None]


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Environment:
    needed = {"TELEGRAM_BOT_TOKEN": MAIN, "FINGERPOST_CTA_KEYS": "k1:a-secret-of-16-bytes"}
    monkeypatch.delenv("TELEGRAM_BOT_TOKENS", raising=False)

    def set_to(variables: Mapping[str, str]) -> None:
        for name, value in {**needed, **variables}.items():
            monkeypatch.setenv(name, value)

    return set_to


@pytest.mark.parametrize("more", [{}, {"TELEGRAM_BOT_TOKENS": ""}])
def test_one_token_is_the_main_bot(environment: Environment, more: Mapping[str, str]) -> None:
    environment(more)

    assert load(Settings).tokens() == {"main": MAIN}


def test_more_bots_have_names_and_stand_behind_the_main_one(environment: Environment) -> None:
    environment({"TELEGRAM_BOT_TOKENS": f"second=200:{SECRET}, third=300:{SECRET}"})

    tokens = load(Settings).tokens()

    assert list(tokens.items()) == [
        ("main", MAIN),
        ("second", f"200:{SECRET}"),
        ("third", f"300:{SECRET}"),
    ]


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        (f"200:{SECRET}", "entry 1 must be <name>=<token>"),
        (f"second=200:{SECRET},", "entry 2 must be <name>=<token>"),
        (f"Second Bot=200:{SECRET}", "entry 1 must begin with a name"),
        (f"200:{SECRET}=second", "entry 1 must begin with a name"),
        (f"main=200:{SECRET}", "that is the bot of TELEGRAM_BOT_TOKEN"),
        (f"second=200:{SECRET},second=300:{SECRET}", "entry 2 repeats the name second"),
        ("second=200:hunter2", "entry 1 (second): its token must look like"),
        (f"second=two:{SECRET}", "entry 1 (second): its token must look like"),
        (f"second=200:{SECRET},third=200:x{SECRET}", "entry 2 (third) is a bot that has a name"),
        (f"second=100:x{SECRET}", "entry 1 (second) is a bot that has a name"),
    ],
)
def test_what_is_wrong_is_named_and_no_token_is_shown(
    environment: Environment, capsys: pytest.CaptureFixture[str], tokens: str, said: str
) -> None:
    environment({"TELEGRAM_BOT_TOKENS": tokens})

    with pytest.raises(SystemExit):
        load(Settings)

    told = capsys.readouterr().err
    assert told.startswith("TELEGRAM_BOT_TOKENS: ")
    assert said in told
    assert "hunter2" not in told


def test_a_main_token_that_is_none_is_named_and_not_shown(
    environment: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    environment({"TELEGRAM_BOT_TOKEN": "hunter2"})

    with pytest.raises(SystemExit):
        load(Settings)

    told = capsys.readouterr().err
    assert told.startswith("TELEGRAM_BOT_TOKEN: ")
    assert "hunter2" not in told
