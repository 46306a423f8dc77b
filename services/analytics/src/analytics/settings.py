"""What analytics is told."""

from ipaddress import ip_network
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator

from analytics.domain.access import Rules
from analytics.domain.passwords import Password
from chassis.settings import ServiceSettings

_SCHEMES = ("postgresql://", "postgres://")


class Settings(ServiceSettings):
    """Settings of one analytics replica."""

    postgres_dsn: SecretStr = Field(
        validation_alias="POSTGRES_DSN",
        description="database of the tables, e.g. postgresql://user:secret@postgres:5432/fingerpost",
    )
    archive: Path | None = Field(
        None,
        description="folder of the archive, once events were moved there out of the log",
    )
    login_password: SecretStr | None = Field(
        None,
        description="name and hash for the dashboard, as `python -m analytics.password` prints it",
    )
    login_header: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9-]{1,64}$",
        description="header in which a proxy says who signed in, e.g. X-Forwarded-User",
    )
    login_proxies: str = Field(
        "", description="addresses or networks of that proxy, comma-separated, e.g. 10.0.0.0/8"
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
                raise ValueError(f"{part} is no address or network such as 10.0.0.0/8") from None
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
        if not dsn.get_secret_value().startswith(_SCHEMES):
            raise ValueError("must begin with postgresql://")
        return dsn
