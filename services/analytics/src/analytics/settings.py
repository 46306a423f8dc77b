"""What analytics is told."""

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import parse_qsl, urlsplit

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator

from analytics.domain.access import Rules
from analytics.domain.passwords import Password
from chassis.settings import ServiceSettings

_SCHEMES = ("postgresql", "postgres")
_HOST = re.compile(r"([\w.%-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?", re.ASCII)


class Settings(ServiceSettings):
    """Settings of one analytics replica."""

    postgres_dsn: SecretStr = Field(
        validation_alias="POSTGRES_DSN",
        description="database of the tables",
        examples=["postgresql://user:secret@postgres:5432/fingerpost"],
    )
    archive: Annotated[Path | None, BeforeValidator(lambda value: value or None)] = Field(
        None,
        description="folder of the archive, once events were moved there out of the log",
        examples=["/var/lib/fingerpost-analytics/archive"],
    )
    login_password: SecretStr | None = Field(
        None,
        description="name and hash for the dashboard, as `python -m analytics.password` prints it",
        examples=["ann:scrypt:<salt>:<hash>"],
    )
    login_header: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9-]{1,64}$",
        description="header in which a proxy says who signed in",
        examples=["X-Forwarded-User"],
    )
    login_proxies: str = Field(
        "",
        description="addresses or networks of that proxy, comma-separated",
        examples=["10.0.0.0/8"],
    )

    def rules(self) -> Rules:
        """Return who may read."""
        parts = [part.strip() for part in self.login_proxies.split(",") if part.strip()]
        return Rules(
            host=self.http_host,
            header=self.login_header,
            proxies=tuple(ip_network(part, strict=False) for part in parts),
            password=self.login_password is not None,
        )

    def password(self) -> Password | None:
        """Return the name and hash of `login_password`."""
        said = self.login_password
        return None if said is None else Password.parse(said.get_secret_value())

    @field_validator("login_password")
    @classmethod
    def _is_hashed(cls, password: SecretStr | None) -> SecretStr | None:
        if password is not None:
            Password.parse(password.get_secret_value())
        return password

    @field_validator("login_proxies")
    @classmethod
    def _are_networks(cls, proxies: str) -> str:
        for part in filter(None, (part.strip() for part in proxies.split(","))):
            try:
                ip_network(part, strict=False)
            except ValueError:
                raise ValueError(f"{part} is no address or network") from None
        return proxies

    @model_validator(mode="after")
    def _header_has_proxies(self) -> Self:
        if bool(self.login_header) != bool(self.login_proxies):
            raise ValueError(
                "FINGERPOST_LOGIN_HEADER and FINGERPOST_LOGIN_PROXIES need each other: a header is"
                " believed from trusted addresses only"
            )
        return self

    @field_validator("postgres_dsn")
    @classmethod
    def _is_postgres(cls, dsn: SecretStr) -> SecretStr:
        if not _is_dsn(dsn.get_secret_value()):
            raise ValueError(
                "must be postgresql://<user>:<password>@<host>:<port>/<database>; what is no letter"
                " or number in a password is written as %40 for @, and so on"
            )
        return dsn

    @field_validator("archive")
    @classmethod
    def _is_no_file(cls, path: Path | None) -> Path | None:
        if path and path.exists() and not path.is_dir():
            raise ValueError(f"{path} is no folder")
        return path


def _is_dsn(text: str) -> bool:
    try:
        parts = urlsplit(text)
        parse_qsl(parts.query, strict_parsing=bool(parts.query))
    except ValueError:
        return False
    user, at, behind = parts.netloc.partition("@")
    place = behind if at else user
    hosts = place.split(",") if place else []  # none: the socket of this machine
    named = place or parts.path.strip("/")
    return parts.scheme in _SCHEMES and bool(named) and all(map(_HOST.fullmatch, hosts))
