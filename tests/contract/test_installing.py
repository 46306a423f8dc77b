"""What Compose and systemd hand to the services exists, and is what they are told by."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from analytics.settings import Settings as AnalyticsSettings
from chassis.settings import ServiceSettings, variable
from clicks.settings import Settings as ClicksSettings
from scheduler.settings import Settings as SchedulerSettings
from sender.settings import Settings as SenderSettings

DEPLOY = Path(__file__).parents[2] / "deploy"
UNITS = DEPLOY / "systemd"
SETTINGS: dict[str, type[ServiceSettings]] = {
    "scheduler": SchedulerSettings,
    "sender": SenderSettings,
    "clicks": ClicksSettings,
    "analytics": AnalyticsSettings,
}
OF_PYTHON = {"PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}


def names(service: str) -> set[str]:
    """Return the variables that a service knows."""
    return {variable(SETTINGS[service], field)[0] for field in SETTINGS[service].model_fields}


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Return the files that the script makes, and those that it tells the operator to write."""
    folder = tmp_path_factory.mktemp("empty") / "secrets"
    script = [DEPLOY / "make-secrets.sh", folder, "127.0.0.1"]
    said = subprocess.run(script, check=True, capture_output=True, text=True).stdout
    told = re.findall(rf"to be written by you: {folder}/(\w+)", said)
    assert told == ["TELEGRAM_BOT_TOKEN", "FINGERPOST_LOGIN_PASSWORD"]
    return {*(path.name for path in folder.iterdir()), *told}


@pytest.mark.parametrize("service", SETTINGS)
def test_a_unit_gives_its_service_settings_that_it_has_from_files_that_are_made(
    service: str, secrets: set[str]
) -> None:
    unit = (UNITS / f"fingerpost-{service}.service").read_text()
    handed = dict(
        re.findall(r"^LoadCredential=(\w+):/etc/fingerpost/secrets/(\w+)$", unit, re.MULTILINE)
    )
    told = set(re.findall(r"^Environment=(\w+)=", unit, re.MULTILINE))

    required = {
        variable(SETTINGS[service], name)[0]
        for name, field in SETTINGS[service].model_fields.items()
        if field.is_required()
    }

    assert handed["NATS_URL"] == f"NATS_URL_{service.upper()}"
    assert set(handed.values()) <= secrets
    assert {*handed, *told} <= names(service)
    assert required <= handed.keys()


def test_no_unit_makes_the_log_and_the_operator_is_told_to() -> None:
    shared = (UNITS / "fingerpost-.service.d" / "hardening.conf").read_text()
    [line] = re.findall(r"^Environment=(.+)$", shared, re.MULTILINE)
    told = dict(part.split("=", 1) for part in line.split())

    assert told["FINGERPOST_PROVISION"] == "false"
    assert told.keys() - OF_PYTHON <= names("scheduler")
    assert "-m chassis.provision" in (UNITS / "README.md").read_text()


def test_compose_mounts_secrets_that_are_made(secrets: set[str]) -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    files = {secret["file"].rpartition("/")[2] for secret in compose["secrets"].values()}

    assert files <= secrets
    for service in SETTINGS:
        mounted = compose["services"][service]["secrets"]
        targets = {one if isinstance(one, str) else one["target"] for one in mounted}
        assert targets <= names(service)


def test_the_settings_of_compose_are_such_as_exist() -> None:
    example = (DEPLOY / "compose.env.example").read_text()
    told = set(re.findall(r"^#?(FINGERPOST_\w+|\w+_JSON)=", example, re.MULTILINE))

    assert told
    assert told <= {name for service in SETTINGS for name in names(service)}
