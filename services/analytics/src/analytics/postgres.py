"""Connections that write to Postgres, and what goes wrong with them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TypeAlias

import asyncpg

Postgres: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

GONE = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # for a word of a dying server that comes between two commands
    OSError,
    TimeoutError,
)
"""What is raised while Postgres is out of reach, or refuses."""

_CONNECT_SECONDS = 5
_CLOSE_SECONDS = 2
_STATEMENT_SECONDS = 60
# A host that vanished must not hold the lock for the two hours of the system's default.
_KEEPALIVE = {
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}


@asynccontextmanager
async def connect(dsn: str, purpose: str) -> AsyncIterator[Postgres]:
    """Connect for as long as the context lasts; `purpose` is what `pg_stat_activity` shows."""
    connection = await asyncpg.connect(
        dsn,
        timeout=_CONNECT_SECONDS,
        command_timeout=_STATEMENT_SECONDS,
        server_settings={"application_name": f"fingerpost-analytics-{purpose}", **_KEEPALIVE},
    )
    try:
        yield connection
    finally:
        with suppress(*GONE):
            await connection.close(timeout=_CLOSE_SECONDS)
