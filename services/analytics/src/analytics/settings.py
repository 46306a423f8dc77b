"""What analytics is told."""

from pydantic import Field, SecretStr, field_validator

from chassis.settings import ServiceSettings

_SCHEMES = ("postgresql://", "postgres://")


class Settings(ServiceSettings):
    """Settings of one analytics replica."""

    postgres_dsn: SecretStr = Field(
        validation_alias="POSTGRES_DSN",
        description="database of the tables, e.g. postgresql://user:secret@postgres:5432/fingerpost",
    )

    @field_validator("postgres_dsn")
    @classmethod
    def _is_postgres(cls, dsn: SecretStr) -> SecretStr:
        if not dsn.get_secret_value().startswith(_SCHEMES):
            raise ValueError("must begin with postgresql://")
        return dsn
