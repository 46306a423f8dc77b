"""Settings from the environment, and one clear line for each that is wrong.

Names begin with `FINGERPOST_`, but for the few that carry a name of their own (`NATS_URL`,
`POSTGRES_DSN`, `TELEGRAM_BOT_TOKEN`, ...), which a field says by `validation_alias`. What the
environment does not say may stand in a folder of files, one a setting: so container engines and
systemd hand over secrets.
"""

import os
import re
import ssl
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, NoReturn, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    BeforeValidator,
    DirectoryPath,
    Field,
    FilePath,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from contracts.token import TokenSigner

PREFIX = "FINGERPOST_"
EXIT_BAD_SETTINGS = 78
"""EX_CONFIG of sysexits.h."""

_HOST_NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?", re.ASCII)
_VARIABLE = re.compile(r"\b[A-Z]+(?:_[A-Z]+)+\b")


_CONFIG = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")


class ServiceSettings(BaseSettings):
    """What every service is told."""

    model_config = _CONFIG

    nats_url: SecretStr = Field(
        SecretStr("nats://127.0.0.1:4222"),
        validation_alias="NATS_URL",
        description="NATS servers, comma-separated",
        examples=["nats://user:secret@nats:4222"],
    )
    nats_ca: FilePath | None = Field(
        None,
        description="file with the certificates that vouch for the NATS servers, in PEM",
        examples=["/etc/ssl/certs/ca-certificates.crt"],
    )
    provision: bool = Field(
        default=True,
        description="whether to make the log's stream, consumers and buckets; false where"
        " `python -m chassis.provision` makes them",
        examples=["false"],
    )
    log_replicas: int = Field(
        1, ge=1, le=5, description="replicas of the log: 1, or 3 on a cluster", examples=["3"]
    )
    http_host: str = Field(
        "127.0.0.1",
        description="address of this machine that the HTTP port listens on",
        examples=["0.0.0.0"],  # noqa: S104  an example, and the usual one in a container
    )
    http_port: int = Field(
        8080, ge=0, le=65535, description="HTTP port: health, metrics, pages", examples=["8080"]
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="least severity that is logged", examples=["debug"]
    )
    instance: str = Field(
        "0",
        pattern=r"^[A-Za-z0-9_.-]{1,64}$",
        description="name of this replica, such as the pod's: 1 to 64 of A-Z a-z 0-9 _ . -",
        examples=["sender-5d9f"],
    )
    traces_endpoint: str | None = Field(
        None,
        validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT",
        pattern=r"^(https?://[^\s/]+\S*)?$",
        description="http(s) address of an OpenTelemetry collector that takes OTLP over HTTP",
        examples=["http://collector:4318"],
    )
    secrets: Annotated[DirectoryPath | None, BeforeValidator(lambda value: value or None)] = Field(
        None,
        description="folder of files, each named as a setting and holding its value",
        examples=["/run/secrets"],
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

    @field_validator("nats_url")
    @classmethod
    def _are_servers(cls, url: SecretStr) -> SecretStr:
        for number, server in enumerate(url.get_secret_value().split(","), start=1):
            if not _is_server(server):
                raise ValueError(
                    f"server {number} must be nats://<user>:<password>@<host>:<port>, or tls://;"
                    " none of , / # ? may stand in a password"
                )
        return url

    @field_validator("http_host")
    @classmethod
    def _is_a_place(cls, host: str) -> str:
        if not _is_host(host):
            raise ValueError("must be an IP address or the name of a host")
        return host


class CtaKeysMixin(BaseSettings):
    """For the services that sign or verify CTA tokens."""

    model_config = _CONFIG

    cta_keys: SecretStr = Field(
        description="CTA keys, the signing one first, each <key id>:<secret>;"
        " `openssl rand -hex 32` makes a secret",
        examples=["k2:<secret>,k1:<older secret>"],
    )

    def cta_secrets(self) -> dict[str, bytes]:
        """Return key id to secret, in the order given."""
        return _cta_secrets(self.cta_keys)

    @field_validator("cta_keys")
    @classmethod
    def _are_keys(cls, keys: SecretStr) -> SecretStr:
        TokenSigner(_cta_secrets(keys))
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
        said = problem["msg"].removeprefix("Value error, ")
        if problem["loc"]:
            name, meaning = variable(settings, str(problem["loc"][0]))
            lines.append(f"{name}: {said} ({meaning})")
        else:  # about several, which it names
            lines.append(f"{said} (e.g. {_example(settings, said)})")
    return lines


def _example(settings: type[BaseSettings], said: str) -> str:
    """Return an example of each variable that is named."""
    named = dict.fromkeys(_VARIABLE.findall(said))
    known = {_variable(name, field): field for name, field in settings.model_fields.items()}
    return " ".join(
        f"{name}={known[name].examples[0]}"  # type: ignore[index]
        for name in named
        if name in known and known[name].examples
    )


def variable(settings: type[BaseSettings], place: str) -> tuple[str, str]:
    """Return the environment variable of a field, given by its name or alias, and its meaning."""
    for name, field in settings.model_fields.items():
        if place in (name, field.validation_alias):
            example = f", e.g. {field.examples[0]}" if field.examples else ""
            return _variable(name, field), f"{field.description}{example}"
    return place, ""


def _variable(name: str, field: FieldInfo) -> str:
    return str(field.validation_alias or f"{PREFIX}{name.upper()}")


def _cta_secrets(keys: SecretStr) -> dict[str, bytes]:
    """Return key id to secret; raises ValueError without showing any."""
    secrets = {}
    for number, pair in enumerate(keys.get_secret_value().split(","), start=1):
        key_id, colon, secret = pair.strip().partition(":")
        if not colon:
            raise ValueError(f"entry {number} must be <key id>:<secret>")
        if key_id in secrets:
            raise ValueError(f"entry {number} repeats a key id")
        secrets[key_id] = secret.encode()
    return secrets


def _is_server(server: str) -> bool:
    try:
        parts = urlsplit(server if "://" in server else f"nats://{server}")
        port = parts.port
    except ValueError:
        return False
    bare = not (parts.query or parts.fragment or parts.path.strip("/"))
    return parts.scheme in {"nats", "tls"} and bare and port != 0 and _is_host(parts.hostname or "")


def _is_host(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        # What is made of numbers alone was meant to be an address.
        return bool(_HOST_NAME.fullmatch(text)) and not text.replace(".", "").isdecimal()
    return True
