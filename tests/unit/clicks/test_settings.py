"""What the environment may say, and how it is refused without showing a secret."""

import pytest

from chassis.settings import load
from clicks.app import build
from clicks.settings import Settings, several
from clicks.telegram import TelegramError

OURS = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NEEDED = {
    "TELEGRAM_BOT_TOKEN": "123:the-bot-token",
    "FINGERPOST_CTA_KEYS": "k1:a-secret-of-16-bytes",
}
WEBHOOK = {
    **NEEDED,
    "FINGERPOST_CLICKS_MODE": "webhook",
    "FINGERPOST_WEBHOOK_SECRET": "hook-secret",
    "FINGERPOST_WEBHOOK_URL": "https://clicks.example.org/",
}


@pytest.fixture
def environment(monkeypatch):
    for name in WEBHOOK:
        monkeypatch.delenv(name, raising=False)

    def set_to(variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return set_to


def test_the_two_secrets_are_enough_to_poll(environment):
    environment(NEEDED)

    settings = load(Settings)

    assert (settings.clicks_mode, settings.telegram_api) == ("polling", "https://api.telegram.org")
    assert settings.bot_token.get_secret_value() == "123:the-bot-token"


def test_a_webhook_s_address_is_read_without_its_last_slash(environment):
    environment(WEBHOOK)

    assert load(Settings).webhook_url == "https://clicks.example.org"


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"TELEGRAM_BOT_TOKEN": "no-token-hunter2"}, "TELEGRAM_BOT_TOKEN"),
        ({"FINGERPOST_WEBHOOK_SECRET": "no secret hunter2"}, "FINGERPOST_WEBHOOK_SECRET"),
        ({"FINGERPOST_WEBHOOK_URL": "clicks.example.org"}, "FINGERPOST_WEBHOOK_URL"),
        ({"FINGERPOST_TELEGRAM_API": "ftp://telegram"}, "FINGERPOST_TELEGRAM_API"),
        ({"FINGERPOST_TELEGRAM_API": "http://127.0.0.1:99999"}, "must be an http(s) address"),
        ({"FINGERPOST_TELEGRAM_API": "http://[::1"}, "must be an http(s) address"),
        ({"FINGERPOST_CLICKS_MODE": "both"}, "FINGERPOST_CLICKS_MODE"),
        ({"FINGERPOST_CTA_KEYS": "hunter2"}, "FINGERPOST_CTA_KEYS"),
        ({"FINGERPOST_CONVERSION_SECRETS": "hunter2"}, "FINGERPOST_CONVERSION_SECRETS"),
        ({"FINGERPOST_CONVERSION_SECRETS": f"{OURS},"}, "FINGERPOST_CONVERSION_SECRETS"),
        ({"FINGERPOST_STRIPE_SECRETS": "whsec_x,hunter2"}, "FINGERPOST_STRIPE_SECRETS"),
        ({"FINGERPOST_TAPS_PER_MINUTE": "0"}, "FINGERPOST_TAPS_PER_MINUTE"),
        ({"FINGERPOST_TRUSTED_PROXIES": "-1"}, "FINGERPOST_TRUSTED_PROXIES"),
    ],
)
def test_what_is_wrong_is_named_and_no_secret_is_shown(environment, capsys, change, name):
    environment({**WEBHOOK, **change})

    with pytest.raises(SystemExit):
        build(load(Settings))

    said = capsys.readouterr().err
    assert name in said
    assert "hunter2" not in said


@pytest.mark.parametrize("missing", ["FINGERPOST_WEBHOOK_SECRET", "FINGERPOST_WEBHOOK_URL"])
def test_a_webhook_needs_a_secret_and_an_address(environment, capsys, missing):
    environment({name: value for name, value in WEBHOOK.items() if name != missing})

    with pytest.raises(SystemExit):
        load(Settings)

    assert missing in capsys.readouterr().err


def test_the_webhook_is_there_in_webhook_mode_only(environment):
    def paths(service):
        return {route.path for route in service.asgi.routes}

    environment(NEEDED)
    polling = paths(build(load(Settings)))
    environment(WEBHOOK)

    assert "/telegram/webhook" not in polling
    assert "/telegram/webhook" in paths(build(load(Settings)))


@pytest.mark.parametrize(
    ("description", "remedy"),
    [
        (
            "Conflict: can't use getUpdates method while webhook is active",
            "`python -m clicks webhook delete`",
        ),
        (
            "Conflict: terminated by other getUpdates request",
            "replicas of clicks agree by their lease if they share one log",
        ),
    ],
)
def test_a_conflict_is_explained_by_its_cause(description, remedy):
    assert remedy in TelegramError(description, status=409).explanation()


def test_several_secrets_may_sign_while_one_is_changed(environment, monkeypatch):
    environment(NEEDED)
    monkeypatch.setenv("FINGERPOST_CONVERSION_SECRETS", f"{OURS}, {OURS}")

    assert several(load(Settings).conversion_secrets) == [OURS, OURS]
    assert several(load(Settings).stripe_secrets) == []
