"""Each setting of each service: a wrong value gets one line with its name, its rule, an example."""

import os
import sys
from collections.abc import Mapping
from subprocess import CompletedProcess, run

import pytest

from analytics.settings import Settings as AnalyticsSettings
from chassis.settings import ServiceSettings, load, variable
from clicks.settings import Settings as ClicksSettings
from scheduler.settings import Settings as SchedulerSettings
from sender.settings import Settings as SenderSettings

SERVICES: dict[str, type[ServiceSettings]] = {
    "scheduler": SchedulerSettings,
    "sender": SenderSettings,
    "clicks": ClicksSettings,
    "analytics": AnalyticsSettings,
}
SECRET = "hunter2"
TOKEN = f"123456789:{'A' * 35}"
GOOD = {
    "TELEGRAM_BOT_TOKEN": TOKEN,
    "FINGERPOST_CTA_KEYS": "k1:a-secret-of-16-bytes",
    "POSTGRES_DSN": "postgresql://fingerpost@127.0.0.1:1/fingerpost",
}
WRONG: dict[str, tuple[str, ...]] = {
    "NATS_URL": (
        "",
        "http://nats:4222",
        f"nats://user:{SECRET}/7@nats:4222",
        f"nats://user:{SECRET}@nats:99999",
        f"nats://user:{SECRET}@nats:4222,",
        "nats://two words:4222",
    ),
    "FINGERPOST_NATS_CA": ("/nowhere", __file__),
    "FINGERPOST_PROVISION": ("perhaps",),
    "FINGERPOST_LOG_REPLICAS": ("0", "three"),
    "FINGERPOST_HTTP_HOST": ("", "two words", "999.1.1.1", "http://127.0.0.1"),
    "FINGERPOST_HTTP_PORT": ("eighty", "70000"),
    "FINGERPOST_LOG_LEVEL": ("loud",),
    "FINGERPOST_INSTANCE": ("", "two words"),
    "OTEL_EXPORTER_OTLP_ENDPOINT": ("collector:4318",),
    "FINGERPOST_SECRETS": ("/nowhere",),
    "FINGERPOST_EVERY": ("0s", "4"),
    "GUIDES_CHAT_IDS_JSON": ("-100123", "[true]", "{}"),
    "PROMOS_CHAT_IDS_JSON": ("-100123", '["two words"]'),
    "FINGERPOST_CTA_KEYS": ("", SECRET, f"k1:{SECRET}", f"{SECRET * 2}:k1", f"k1:{SECRET * 3},"),
    "TELEGRAM_BOT_TOKEN": ("", SECRET),
    "TELEGRAM_BOT_TOKENS": (SECRET, f"second={SECRET}", f"main={TOKEN}"),
    "FINGERPOST_TELEGRAM_API": ("telegram.org", "https://telegram.org:99999"),
    "FINGERPOST_PUBLIC_URL": ("clicks.example.org", "http://localhost:8080"),
    "FINGERPOST_SEND_TIMEOUT": ("60", "1s"),
    "FINGERPOST_QUARANTINE": ("90", "61s"),
    "FINGERPOST_AUDIT_CHAT": ("two words",),
    "FINGERPOST_RATE": ("0", "nan"),
    "FINGERPOST_CHAT_RATE": ("0", "many"),
    "FINGERPOST_CHANNEL_RATE": ("0", "0.5"),
    "FINGERPOST_GUIDE_SHARE": ("60", "half"),
    "FINGERPOST_PAID_RATE": ("-1", "20", "100"),
    "FINGERPOST_PAID_STARS": ("-1", "inf"),
    "FINGERPOST_CLICKS_MODE": ("both", "webhook"),
    "FINGERPOST_WEBHOOK_SECRET": ("", f"{SECRET} ü", f"{SECRET},", SECRET * 40),
    "FINGERPOST_WEBHOOK_URL": ("", "clicks.example.org"),
    "FINGERPOST_WEBHOOK_CONNECTIONS": ("0", "101"),
    "FINGERPOST_CONVERSION_SECRETS": (SECRET,),
    "FINGERPOST_STRIPE_SECRETS": (SECRET,),
    "FINGERPOST_STRIPE_TEST_EVENTS": ("perhaps",),
    "FINGERPOST_TAPS_PER_MINUTE": ("0", "many"),
    "FINGERPOST_LINKS_PER_MINUTE": ("0", "many"),
    "FINGERPOST_REMEMBERED_DELIVERIES": ("0", "many"),
    "FINGERPOST_TRUSTED_PROXIES": ("-1", "99"),
    "FINGERPOST_STARS_SECONDS": ("0", "inf", "10m"),
    "POSTGRES_DSN": (
        "",
        f"mysql://user:{SECRET}@postgres/fingerpost",
        "postgresql://",
        f"postgresql://user:{SECRET}@postgres:port/fingerpost",
        f"postgresql://user:{SECRET}@7@postgres/fingerpost",
        f"postgresql://user:{SECRET}#7@postgres/fingerpost",
    ),
    "FINGERPOST_ARCHIVE": (__file__,),
    "FINGERPOST_LOGIN_PASSWORD": ("", f"ann:{SECRET}"),
    "FINGERPOST_LOGIN_HEADER": ("X Forwarded User", "X-Forwarded-User"),
    "FINGERPOST_LOGIN_PROXIES": ("the proxy", "10.0.0.0/8"),
}
"""What is wrong where all else is right. `FINGERPOST_CAMPAIGNS` may name any path: it is read."""

CASES = [
    (service, name, value)
    for service, settings in SERVICES.items()
    for name in (variable(settings, field)[0] for field in settings.model_fields)
    for value in WRONG.get(name, ())
]
EXAMPLES = [
    (settings, name, example)
    for settings in SERVICES.values()
    for field, described in settings.model_fields.items()
    for name in [variable(settings, field)[0]]
    for example in described.examples or [""]
]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*WRONG, "FINGERPOST_CAMPAIGNS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)


def started(service: str, environment: Mapping[str, str]) -> CompletedProcess[str]:
    """Run a service that is to be refused; return how it ended."""
    return run(
        [sys.executable, "-m", service],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def test_no_setting_is_left_out() -> None:
    names = {variable(s, field)[0] for s in SERVICES.values() for field in s.model_fields}

    assert names - WRONG.keys() == {"FINGERPOST_CAMPAIGNS"}
    assert WRONG.keys() - names == set()


@pytest.mark.parametrize(("service", "name", "value"), CASES)
def test_a_wrong_value_is_refused_by_a_line_that_tells_name_rule_and_example(
    service: str,
    name: str,
    value: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(SystemExit) as ended:
        load(SERVICES[service])

    [line] = capsys.readouterr().err.splitlines()
    rule, _, example = line.rpartition("e.g. ")
    assert ended.value.code == 78
    assert rule.startswith(name) or f" {name}" in rule
    assert len(rule.removeprefix(name)) > 20, "it says what the value must be"
    assert len(example) > len(")")
    assert SECRET not in line


@pytest.mark.parametrize(("settings", "name", "example"), EXAMPLES)
def test_each_setting_has_an_example_which_is_right(
    settings: type[ServiceSettings],
    name: str,
    example: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert example
    if "..." in example or "<" in example:
        return  # the form of a secret that is not written down
    monkeypatch.setenv(name, example)
    try:
        load(settings)
    except SystemExit:
        said = capsys.readouterr().err

        # It needs another one, or a folder that is on another machine.
        assert "need" in said or "FINGERPOST_PAID_STARS say" in said or "does not point to" in said


@pytest.mark.parametrize("service", SERVICES)
def test_the_service_ends_with_78_and_a_line_for_each_that_is_missing_or_wrong(
    service: str,
) -> None:
    missing = {name for name in GOOD if name in needed(service)}
    wrong = {"FINGERPOST_HTTP_PORT": "eighty", **dict.fromkeys(missing, "")}

    ended = started(service, wrong)

    names = {line.partition(":")[0] for line in ended.stderr.splitlines()}
    assert (ended.returncode, names) == (78, {"FINGERPOST_HTTP_PORT", *missing})
    assert all("e.g. " in line for line in ended.stderr.splitlines())
    assert ended.stdout == ""


def test_a_campaign_file_that_is_not_there_is_named_with_its_setting() -> None:
    ended = started("scheduler", {"FINGERPOST_CAMPAIGNS": "/nowhere.yaml"})

    assert (ended.returncode, ended.stdout) == (78, "")
    assert ended.stderr.count("\n") == 1
    assert "/nowhere.yaml: " in ended.stderr
    assert "FINGERPOST_CAMPAIGNS, e.g. deploy/campaigns/default.yaml" in ended.stderr


def test_the_campaign_file_that_ships_asks_for_its_channels_by_their_setting() -> None:
    ended = started("scheduler", {"FINGERPOST_CAMPAIGNS": "deploy/campaigns/default.yaml"})

    assert ended.returncode == 78
    assert "set GUIDES_CHAT_IDS_JSON to [-1001234567890]" in ended.stderr


def needed(service: str) -> set[str]:
    """Return the settings that have no default."""
    settings = SERVICES[service]
    return {
        variable(settings, name)[0]
        for name, field in settings.model_fields.items()
        if field.is_required()
    }
