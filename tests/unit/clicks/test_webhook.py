"""What Telegram is asked about the webhook: its address, and what it says it has."""

from datetime import UTC, datetime

import pytest

from chassis.console import CommandError
from chassis.settings import load
from clicks.console import report
from clicks.console import webhook as console
from clicks.console.answers import Deleted, State
from clicks.domain.updates import WANTED
from clicks.domain.webhook import Webhook, problem_of
from clicks.settings import Settings
from clicks.telegram import TelegramError

REAL = "https://api.telegram.org"
HOOK = Webhook("https://clicks.example.org/telegram/webhook")


@pytest.mark.parametrize("port", ["", ":443", ":80", ":88", ":8443"])
def test_telegram_posts_to_https_on_four_ports(port):
    assert problem_of(f"https://clicks.example.org{port}", REAL) is None


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://clicks.example.org", "write https://"),
        ("https://clicks.example.org:8080", "443, 80, 88 or 8443"),
        ("https://clicks.example.org:0", "443, 80, 88 or 8443"),
        ("https://clicks.example.org:99999", "443, 80, 88 or 8443"),
        ("https://localhost", "cannot reach localhost"),
        ("https://clicks.localhost", "cannot reach clicks.localhost"),
        ("https://127.0.0.1:8443", "cannot reach 127.0.0.1"),
        ("https://[::1]", "cannot reach ::1"),
        ("https://10.1.2.3", "cannot reach 10.1.2.3"),
        ("https://clicks.default.svc.cluster.local", "cannot reach clicks.default"),
    ],
)
def test_another_address_is_refused_with_the_remedy(address, said):
    assert said in (problem_of(address, REAL) or "")


def test_a_bot_api_server_of_one_s_own_takes_any_address():
    assert problem_of("http://127.0.0.1:1234", "http://127.0.0.1:8081") is None


def test_the_settings_refuse_an_address_that_telegram_would_not_take(monkeypatch, capsys):
    for name, value in {
        "TELEGRAM_BOT_TOKEN": "123:the-bot-token",
        "FINGERPOST_CTA_KEYS": "k1:a-secret-of-16-bytes",
        "FINGERPOST_CLICKS_MODE": "webhook",
        "FINGERPOST_WEBHOOK_SECRET": "hook-secret",
        "FINGERPOST_WEBHOOK_URL": "http://clicks.example.org",
    }.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(SystemExit):
        load(Settings)

    assert "FINGERPOST_WEBHOOK_URL=http://clicks.example.org" in capsys.readouterr().err


def test_what_telegram_has_as_wanted_differs_in_nothing():
    info = {
        "url": HOOK.url,
        "allowed_updates": list(reversed(WANTED)),
        "max_connections": 100,
        "ip_address": "1.2.3.4",
    }

    assert HOOK.differences(info) == ()


@pytest.mark.parametrize(
    ("info", "said"),
    [
        (None, ("no webhook is set",)),
        ({"url": "", "allowed_updates": WANTED}, ("no webhook is set",)),
        (
            {"url": "https://other.example", "allowed_updates": WANTED},
            (f"the webhook is 'https://other.example' instead of '{HOOK.url}'",),
        ),
        (
            {"url": HOOK.url, "allowed_updates": [*WANTED[1:], "poll"]},
            (f"allowed_updates are without {WANTED[0]} and with poll",),
        ),
        (
            {"url": HOOK.url, "allowed_updates": WANTED, "max_connections": 40},
            ("max_connections is 40 instead of 100",),
        ),
    ],
)
def test_each_difference_is_named(info, said):
    assert HOOK.differences(info)[:1] == said


def test_a_state_is_told_in_lines():
    state = State(HOOK.url, 3, "Wrong response: 503", 3_900, ("message",), ("no poll",), 100)

    assert report.text(state).splitlines() == [
        f"url              {HOOK.url}",
        "pending          3",
        "last error       Wrong response: 503, 1 h 5 min ago",
        "allowed updates  message",
        "connections      100",
        "DIFFERS          no poll",
    ]
    assert report.text(State("", 0, None, None, (), ())).splitlines() == [
        "url              none: updates are polled",
        "pending          0",
        "last error       none",
        "allowed updates  Telegram's default",
        "connections      none",
        "as the settings want it",
    ]


def test_who_sets_a_removed_webhook_again_is_said():
    assert "sets it again" in report.text(Deleted(HOOK.url, 2, set_again=True))
    assert "sets it again" not in report.text(Deleted(HOOK.url, 2, set_again=False))
    assert report.text(Deleted("", 0, set_again=True)) == "there was no webhook"


@pytest.mark.parametrize(("status", "ends"), [(None, 69), (502, 69), (429, 69), (401, 1), (400, 1)])
async def test_what_may_be_answered_when_asked_again_is_told_from_a_refusal(status, ends):
    class Telegram:
        async def call(self, method, parameters):
            raise TelegramError("Too Many Requests: retry after 1", status=status)

    with pytest.raises(CommandError) as refused:
        await console.look(Telegram(), HOOK, now=datetime(2026, 3, 1, tzinfo=UTC))

    assert refused.value.status == ends
