"""The README tells the truth about settings and commands."""

import re
from pathlib import Path

import pytest

from analytics.settings import Settings as AnalyticsSettings
from chassis.settings import ServiceSettings, variable
from clicks.settings import Settings as ClicksSettings
from scheduler.settings import Settings as SchedulerSettings
from sender.settings import Settings as SenderSettings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
SETTINGS = (
    ServiceSettings,
    SchedulerSettings,
    SenderSettings,
    ClicksSettings,
    AnalyticsSettings,
)


@pytest.mark.parametrize("settings", SETTINGS)
def test_every_setting_stands_in_the_table(settings: type[ServiceSettings]) -> None:
    missing = [
        name
        for field in settings.model_fields
        if f"`{(name := variable(settings, field)[0])}`" not in README
    ]

    assert missing == []


def test_every_setting_of_the_table_exists() -> None:
    known = {
        variable(settings, field)[0] for settings in SETTINGS for field in settings.model_fields
    }

    table = set(re.findall(r"^\| `([A-Z][A-Z_]+)`", README, re.MULTILINE))

    assert table
    assert table - known == set()


def test_every_make_target_stands_in_the_help_and_the_readme_names_no_other() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):.*##", makefile, re.MULTILINE))

    named = set(re.findall(r"`make ([a-z-]+)", README))

    assert named
    assert named - targets == set()
