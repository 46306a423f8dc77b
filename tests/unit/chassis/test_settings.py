"""A wrong setting ends the process with a line that names the variable and shows no secret."""

from pathlib import Path
from typing import Any, Self

import pytest
from pydantic import Field, SecretStr, model_validator

from chassis.settings import CtaKeysMixin, ServiceSettings, load, variable

SECRET = "very-secret-5f2e"


class Settings(CtaKeysMixin, ServiceSettings):
    postgres_dsn: SecretStr = Field(
        validation_alias="POSTGRES_DSN", description="the database", max_length=40
    )
    lanes: int = Field(1, ge=1, description="how many at once", examples=["4"])
    most: int = Field(9, description="how many at most", examples=["9"])

    @model_validator(mode="after")
    def _lanes_are_not_too_many(self) -> Self:
        if self.lanes > self.most:
            raise ValueError("FINGERPOST_LANES must be FINGERPOST_MOST or less")
        return self


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NATS_URL", "FINGERPOST_HTTP_PORT", "FINGERPOST_LANES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("POSTGRES_DSN", f"postgresql://u:{SECRET}@db")
    monkeypatch.setenv("FINGERPOST_CTA_KEYS", f"k1:{SECRET}-of-sixteen")


def refusal(capsys: pytest.CaptureFixture[str]) -> str:
    """Load the settings, which must be refused, and return what was said."""
    with pytest.raises(SystemExit) as ended:
        load(Settings)

    assert ended.value.code == 78
    return capsys.readouterr().err


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINGERPOST_HTTP_PORT", "9000")
    monkeypatch.setenv("NATS_URL", "nats://nats:4222")

    settings = load(Settings)

    assert settings.http_port == 9000
    assert settings.nats_url.get_secret_value() == "nats://nats:4222"
    assert settings.lanes == 1


def test_what_the_environment_does_not_say_stands_in_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("POSTGRES_DSN")
    monkeypatch.setenv("NATS_URL", "nats://from-the-environment")
    monkeypatch.setenv("FINGERPOST_SECRETS", str(tmp_path))
    for name in ("POSTGRES_DSN", "FINGERPOST_LANES", "NATS_URL"):
        (tmp_path / name).write_text("7\n")

    settings = load(Settings)

    assert settings.postgres_dsn.get_secret_value() == "7"
    assert settings.lanes == 7
    assert settings.nats_url.get_secret_value() == "nats://from-the-environment"


def test_a_folder_of_secrets_that_is_not_there_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FINGERPOST_SECRETS", str(tmp_path / "nowhere"))

    assert refusal(capsys).startswith("FINGERPOST_SECRETS: Path does not point to a directory")


def test_a_file_that_cannot_be_read_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FINGERPOST_SECRETS", str(tmp_path))
    (tmp_path / "NATS_URL").write_bytes(b"\xff\xfe")

    assert refusal(capsys).startswith(f"FINGERPOST_SECRETS: cannot read {tmp_path}: ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FINGERPOST_HTTP_PORT", "eighty"),
        ("FINGERPOST_HTTP_PORT", "70000"),
        ("FINGERPOST_LANES", "0"),
        ("FINGERPOST_LOG_LEVEL", "loud"),
        ("FINGERPOST_LOG_REPLICAS", "-1"),
        ("FINGERPOST_INSTANCE", "a b"),
    ],
)
def test_a_wrong_value_is_told_with_its_variable_and_meaning(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, value)
    field = Settings.model_fields[name.removeprefix("FINGERPOST_").lower()]
    assert field.examples

    [line] = refusal(capsys).splitlines()

    assert line.startswith(f"{name}: ")
    assert line.endswith(f"({field.description}, e.g. {field.examples[0]})")


def test_what_two_settings_say_against_each_other_is_told_with_an_example_of_both(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FINGERPOST_LANES", "10")

    assert refusal(capsys) == (
        "FINGERPOST_LANES must be FINGERPOST_MOST or less"
        " (e.g. FINGERPOST_LANES=4 FINGERPOST_MOST=9)\n"
    )


def test_a_missing_setting_is_told_by_its_own_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("POSTGRES_DSN")

    assert refusal(capsys) == "POSTGRES_DSN: Field required (the database)\n"


def test_every_wrong_setting_gets_its_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FINGERPOST_HTTP_PORT", "eighty")
    monkeypatch.delenv("FINGERPOST_CTA_KEYS")

    names = {line.split(":")[0] for line in refusal(capsys).splitlines()}

    assert names == {"FINGERPOST_HTTP_PORT", "FINGERPOST_CTA_KEYS"}


def test_a_wrong_secret_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("POSTGRES_DSN", SECRET * 10)

    said = refusal(capsys)

    assert said.startswith("POSTGRES_DSN: ")
    assert SECRET not in said


def test_settings_can_be_logged_without_showing_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NATS_URL", f"nats://u:{SECRET}@nats:4222")

    settings = load(Settings)

    assert SECRET in settings.nats_url.get_secret_value()
    assert SECRET not in repr(settings)
    assert SECRET not in str(settings)
    assert SECRET not in settings.model_dump_json()


def test_cta_keys_keep_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    new, old = f"new-{SECRET}", f"old:{SECRET}"
    monkeypatch.setenv("FINGERPOST_CTA_KEYS", f"k2:{new}, k1:{old}")

    secrets = load(Settings).cta_secrets()

    assert list(secrets.items()) == [("k2", new.encode()), ("k1", old.encode())]


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        (SECRET, "entry 1 must be"),
        (f"k1:a,{SECRET}", "entry 2 must be"),
        (f"k1:{SECRET},k1:b", "entry 2 repeats"),
        (f"{SECRET}-of-sixteen:k1", "the id of CTA key 1 must be"),
        ("k1:very-secret", "CTA key 'k1' needs a secret of at least 16 bytes"),
    ],
)
def test_cta_keys_that_make_no_sense_are_refused_without_showing_them(
    keys: str,
    problem: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("FINGERPOST_CTA_KEYS", keys)

    said = refusal(capsys)

    assert said.startswith(f"FINGERPOST_CTA_KEYS: {problem}")
    assert "very-secret" not in said


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("http_port", "FINGERPOST_HTTP_PORT"),
        ("nats_url", "NATS_URL"),
        ("NATS_URL", "NATS_URL"),
        ("cta_keys", "FINGERPOST_CTA_KEYS"),
    ],
)
def test_a_field_knows_its_variable(place: str, name: Any) -> None:
    assert variable(Settings, place)[0] == name
