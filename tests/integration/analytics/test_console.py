"""Commands tell whose fault it was."""

import nats.errors
import pytest

from analytics.console.catalogue import database
from chassis.console import UnavailableError


async def test_a_fault_of_the_log_is_not_told_as_one_of_postgres(postgres_dsn: str) -> None:
    with pytest.raises(nats.errors.TimeoutError):
        async with database(postgres_dsn):
            raise nats.errors.TimeoutError

    with pytest.raises(UnavailableError, match="Postgres does not answer"):
        async with database(postgres_dsn):
            raise TimeoutError
