"""All services as processes, each with its own user of NATS and Postgres, and no right beyond."""

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from harness.secured import SecuredNats, secured_nats
from stack.local import LocalStack, Options, by_python

ROLES = Path(__file__).parents[2] / "deploy" / "postgres" / "roles" / "roles.sql"
ANALYTICS, ANALYST = "fingerpost_analytics", "fingerpost_analyst"
PASSWORDS = {
    ANALYTICS: "password-of-analytics-in-postgres",
    ANALYST: "password-of-analysts-in-postgres",
}
_OF_THE_MACHINE = ("TELEGRAM_", "GUIDES_", "PROMOS_", "FINGERPOST_", "NATS_", "POSTGRES_")


def dsn_of(role: str, dsn: str) -> str:
    """Return how `role` comes into the database of `dsn`."""
    server = urlsplit(dsn)
    return f"postgresql://{role}:{PASSWORDS[role]}@{server.hostname}:{server.port}{server.path}"


async def make_roles(dsn: str) -> None:
    """Do what an administrator of the database does."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(ROLES.read_text())
        for role, password in PASSWORDS.items():
            await connection.execute(f"ALTER ROLE {role} PASSWORD '{password}'")
    finally:
        await connection.close()


@asynccontextmanager
async def secured_stack(
    folder: Path, dsn: str, *, every: str, overrides: Mapping[str, str] | None = None
) -> AsyncIterator[tuple[LocalStack, SecuredNats]]:
    """Start everything in `folder`, with the tables in the database of `dsn`; stop it at the end.

    The stack's own addresses are those of administrators.
    """
    await make_roles(dsn)
    own = {name: value for name, value in os.environ.items() if not _is_told(name)}
    async with secured_nats(folder) as log:

        def command(name: str, environment: Mapping[str, str]) -> Sequence[str]:
            tables = dsn_of(ANALYTICS, dsn) if name == "analytics" else ""
            return [*log.command(name, [f"POSTGRES_DSN={tables}"]), *by_python(name, environment)]

        environment = {**own, "NATS_URL": log.url("admin"), "POSTGRES_DSN": dsn}
        options = Options(
            folder=folder,
            environment=environment,
            every=every,
            command=command,
            overrides=overrides or {},
            first_port=None,  # another test may be starting its own
        )
        stack = LocalStack(options)
        await stack.start()
        try:
            yield stack, log
        finally:
            await stack.stop()


def _is_told(name: str) -> bool:
    return name.startswith(_OF_THE_MACHINE)
