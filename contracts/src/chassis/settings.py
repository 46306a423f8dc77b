"""Settings from the environment, and one clear line for each that is wrong.

Names begin with `FINGERPOST_`, but for the few that carry a name of their own (`NATS_URL`,
`POSTGRES_DSN`, `TELEGRAM_BOT_TOKEN`, ...), which a field says by `validation_alias`. What the
environment does not say may stand in a folder of files, one a setting: so container engines and
systemd hand over secrets.
"""

import os
import ssl
import sys
from pathlib import Path
from typing import Annotated, Literal, NoReturn, TypeVar

from pydantic import (
    BeforeValidator,
    DirectoryPath,
    Field,
    FilePath,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

PREFIX = "FINGERPOST_"
EXIT_BAD_SETTINGS = 78
"""EX_CONFIG of sysexits.h."""


_CONFIG = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")


class ServiceSettings(BaseSettings):
    """What every service is told."""

    model_config = _CONFIG

    nats_url: SecretStr = Field(
        SecretStr("nats://127.0.0.1:4222"),
        validation_alias="NATS_URL",
        description="NATS servers, comma-separated, e.g. nats://user:secret@nats:4222",
    )
    nats_ca: FilePath | None = Field(
        None, description="file with the certificates that vouch for the NATS servers, in PEM"
    )
    provision: bool = Field(
        True,  # noqa: FBT003  a default
        description="make the log's stream, consumers and buckets; false where"
        " `python -m chassis.provision` makes them",
    )
    log_replicas: int = Field(
        1, ge=1, le=5, description="replicas of the log: 1, or 3 on a cluster"
    )
    http_host: str = Field("127.0.0.1", description="address that the HTTP port listens on")
    http_port: int = Field(8080, ge=0, le=65535, description="HTTP port: health, metrics, pages")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="least severity that is logged"
    )
    instance: str = Field(
        "0", pattern=r"^[A-Za-z0-9_.-]{1,64}$", description="name of this replica, e.g. the pod's"
    )
    traces_endpoint: str | None = Field(
        None,
        validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT",
        pattern=r"^(https?://[^\s/]+\S*)?$",
        description="OpenTelemetry collector that takes OTLP over HTTP, e.g. http://collector:4318",
    )
    secrets: Annotated[DirectoryPath | None, BeforeValidator(lambda value: value or None)] = Field(
        None, description="folder of files, each named as a setting and holding its value"
    )

    def tls(self) -> ssl.SSLContext | None:
        """Return how NATS servers prove who they are, None: as they and the system say."""
        return ssl.create_default_context(cafile=self.nats_ca) if self.nats_ca else None

    @field_validator("nats_ca")
    @classmethod
    def _holds_certificates(cls, path: FilePath | None) -> FilePath | None:
        if path is not None:
            try:
                ssl.create_default_context(cafile=path)
            except (ssl.SSLError, OSError) as error:
                raise ValueError(f"{path} cannot be used: {error}") from None
        return path


class CtaKeysMixin(BaseSettings):
    """For the services that sign or verify CTA tokens."""

    model_config = _CONFIG

    cta_keys: SecretStr = Field(
        description="CTA keys, the signing one first, e.g. k2:<secret>,k1:<older secret>"
    )

    def cta_secrets(self) -> dict[str, bytes]:
        """Return key id to secret, in the order given; raises ValueError without showing any."""
        keys = {}
        for number, pair in enumerate(self.cta_keys.get_secret_value().split(","), start=1):
            key_id, colon, secret = pair.strip().partition(":")
            if not colon:
                raise ValueError(f"{PREFIX}CTA_KEYS: entry {number} must be <key id>:<secret>")
            if key_id in keys:
                raise ValueError(f"{PREFIX}CTA_KEYS: entry {number} repeats a key id")
            keys[key_id] = secret.encode()
        return keys


S = TypeVar("S", bound=BaseSettings)


def load(settings: type[S]) -> S:
    """Read `settings` from the environment, or end the process with a line for each error."""
    folder = os.environ.get(f"{PREFIX}SECRETS")
    there = folder if folder and Path(folder).is_dir() else None  # else its field is refused
    try:
        return settings(_secrets_dir=there)
    except ValidationError as error:
        refuse(*_explain(settings, error))
    except SettingsError as error:
        refuse(f"{PREFIX}SECRETS: cannot read {folder}: {error.__cause__ or error}")


def refuse(*problems: str) -> NoReturn:
    """End the process with exit status 78, saying what is wrong with its settings."""
    for problem in problems:
        sys.stderr.write(f"{problem}\n")
    sys.exit(EXIT_BAD_SETTINGS)


def _explain(settings: type[BaseSettings], error: ValidationError) -> list[str]:
    lines = []
    for problem in error.errors(include_input=False, include_url=False):
        place = str(problem["loc"][0]) if problem["loc"] else ""
        name, hint = variable(settings, place)
        lines.append(
            f"{name}: {problem['msg'].removeprefix('Value error, ')}"
            + (f" ({hint})" if hint else "")
        )
    return lines


def variable(settings: type[BaseSettings], place: str) -> tuple[str, str]:
    """Return the environment variable of a field, given by its name or alias, and its meaning."""
    for name, field in settings.model_fields.items():
        alias = field.validation_alias
        if place in (name, alias):
            return str(alias or f"{PREFIX}{name.upper()}"), field.description or ""
    return place or "settings", ""
