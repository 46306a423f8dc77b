"""The command line: what it understands, what it answers without a log, and how it ends."""

import json
import sys
from collections.abc import Iterator
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest
import structlog
import yaml

from scheduler import app, cli

PLAN = {
    "campaigns": [
        {
            "id": "guides",
            "kind": "guide",
            "title": "Guides",
            "schedule": {"every": "4h"},
            "variants": [{"id": "a", "text": "Hello"}],
        }
    ]
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("GUIDES_CHAT_IDS_JSON", "PROMOS_CHAT_IDS_JSON", "FINGERPOST_EVERY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NATS_URL", "nats://somebody:secret@127.0.0.1:1")
    yield
    structlog.reset_defaults()  # a command logs to the stream that pytest closes now


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "plan.yaml"
    path.write_text(yaml.safe_dump(PLAN))
    return path


@pytest.mark.parametrize("arguments", [[], ["run"]])
def test_without_a_command_the_scheduler_runs(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "main", lambda: 7)

    assert cli.main(arguments) == 7


@pytest.mark.parametrize(
    "arguments",
    [
        ["bogus"],
        ["describe"],
        ["describe", "guides", "--js"],
        ["preview", "guides", "--count", "0"],
        ["preview", "guides", "--zone", "Nowhere"],
        ["trigger", "guides", "--key", "two words"],
        ["trigger", "guides", "--channel", "news"],
        ["trigger", "guides", "--wait", "soon"],
        ["backfill", "guides", "--from", "2026-01-01"],
    ],
)
def test_words_that_make_no_sense_end_in_2_and_name_the_help(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments) == 2

    said = capsys.readouterr()
    assert "--help" in said.err
    assert said.out == ""


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_an_argument_that_is_no_text_is_refused(
    more: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["pause", "guides", "--note", "\udcff", *more]) == 2

    assert "UTF-8" in "".join(capsys.readouterr())


def test_a_terminal_gets_what_it_can_show(plan: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = plan.with_name("pläne.yaml")
    plan.rename(path)
    terminal = TextIOWrapper(BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", terminal)

    assert cli.main(["validate", str(path)]) == 0

    terminal.seek(0)
    assert "pl?ne.yaml: 1 campaign, no errors" in terminal.read()


def test_every_command_explains_itself_by_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    for command in cli._COMMANDS:
        with pytest.raises(SystemExit):
            cli.main([command, "--help"])

        told = " ".join(capsys.readouterr().out.split())
        assert f"example: python -m scheduler {command} " in told


def test_a_file_is_valid_where_its_channels_are_not_known(
    plan: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["validate", str(plan)]) == 0

    out = capsys.readouterr().out
    assert out.splitlines() == [
        "guides  guide  every 4 h  1 variant  GUIDES_CHAT_IDS_JSON",
        f"{plan}: 1 campaign, no errors",
        "Note: the channels of GUIDES_CHAT_IDS_JSON are not known here, and not checked.",
    ]


def test_channels_of_the_environment_are_used(
    plan: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GUIDES_CHAT_IDS_JSON", "[-1001]")

    assert cli.main(["validate", str(plan), "--json"]) == 0

    answer = json.loads(capsys.readouterr().out)
    assert answer["campaigns"][0]["channels"] == ["-1001"]
    assert answer["notes"] == []


def test_all_errors_of_a_file_are_told_with_their_lines(
    plan: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan.write_text(plan.read_text().replace("every: 4h", "every: 4").replace("guide\n", "gide\n"))

    assert cli.main(["validate", str(plan)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert cli.main(["validate", str(plan), "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)

    assert len(lines) == 2
    assert all(line.startswith(f"{plan}:") for line in lines)
    assert answer["problems"] == lines
    assert answer["remedy"]


def test_a_file_is_previewed_without_a_log(plan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["preview", str(plan), "--count", "3", "--zone", "Asia/Tokyo"]

    assert cli.main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert cli.main([*arguments, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)

    assert lines[0] == "guides  guide, every 4 h"
    assert all("+09:00" in line for line in lines[2:5])
    slots = answer["campaigns"][0]["slots"]
    assert len(slots) == 3
    assert slots[0]["at"].endswith("Z")
    assert slots[0]["deliveries"][0]["variant"] == "a"


def test_a_nats_server_out_of_reach_ends_in_69_and_its_password_is_not_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["list"]) == 69
    told = capsys.readouterr().err
    assert cli.main(["list", "--json"]) == 69
    answer = json.loads(capsys.readouterr().out)

    assert "nats://127.0.0.1:1 " in told
    assert "NATS_URL" in told
    assert "secret" not in f"{told}{answer}"
    assert set(answer) == {"error", "remedy"}


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("nats://somebody:sec@ret@[::1]:1", "nats://[::1]:1"),
        ("somebody:secret@127.0.0.1:1,tls://127.0.0.1:2", "nats://127.0.0.1:1,tls://127.0.0.1:2"),
    ],
)
def test_of_a_nats_url_only_hosts_and_ports_are_shown(
    url: str, shown: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NATS_URL", url)

    assert cli.main(["list"]) == 69

    told = capsys.readouterr().err
    assert f" {shown} (" in told
    assert "somebody" not in told
    assert "sec" not in told


@pytest.mark.parametrize(
    "url", ["", "nats://somebody:sec,ret@127.0.0.1:1", "nats://somebody:s://ecret@127.0.0.1:1/"]
)
def test_of_a_nats_url_that_is_wrong_nothing_is_shown(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NATS_URL", url)

    assert cli.main(["list"]) == 78

    told = capsys.readouterr().err
    assert told.startswith("NATS_URL: server ")
    assert "somebody" not in told
    assert "127.0.0.1" not in told


def test_a_bad_setting_ends_in_78(
    plan: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GUIDES_CHAT_IDS_JSON", "-1001")

    assert cli.main(["validate", str(plan)]) == 78
    assert "GUIDES_CHAT_IDS_JSON" in capsys.readouterr().err
    assert cli.main(["validate", str(plan), "--json"]) == 78
    assert "GUIDES_CHAT_IDS_JSON" in json.loads(capsys.readouterr().out)["error"]


def test_an_interrupted_command_is_quiet(
    monkeypatch: pytest.MonkeyPatch, plan: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(_: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(app, "plan_to_look_at", interrupted)

    assert cli.main(["validate", str(plan)]) == 130
    assert capsys.readouterr() == ("", "")


def test_a_key_of_its_own_fits_a_subject() -> None:
    key = cli.trigger_key("Jörg Müller@" + "host." * 30)

    assert len(key) == 64
    assert key.isascii()
    assert key.replace("-", "").replace("_", "").isalnum()
