"""Fixtures that every folder of tests may ask for."""

from collections.abc import AsyncIterator, Iterator
from functools import cache
from pathlib import Path

import httpx._transports.default
import hypothesis
import pytest
import pytest_asyncio
import structlog

from harness import servers
from harness.logs import Log, open_log

# How long an example takes is the machine's business.
hypothesis.settings.register_profile("fingerpost", deadline=None)
hypothesis.settings.load_profile("fingerpost")

# Each client reads all certificates of the world anew, which takes longer than many requests.
httpx._transports.default.create_ssl_context = cache(httpx.create_ssl_context)


@pytest.fixture(autouse=True)
def logs_of_its_own() -> Iterator[None]:
    """Forget how a test set up logging: its standard error is closed when it ends."""
    yield
    structlog.reset_defaults()


@pytest_asyncio.fixture
async def nats_url(tmp_path: Path) -> AsyncIterator[str]:
    async with servers.nats_url(tmp_path) as url:
        yield url


@pytest_asyncio.fixture
async def log(nats_url: str) -> AsyncIterator[Log]:
    async with open_log(nats_url) as log:
        yield log


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    async with servers.postgres_dsn(tmp_path_factory.mktemp("postgres")) as dsn:
        yield dsn


@pytest_asyncio.fixture
async def postgres_dsn(postgres_server: str) -> AsyncIterator[str]:
    async with servers.database(postgres_server) as dsn:
        yield dsn
