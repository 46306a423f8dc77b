"""Fixtures that every folder of tests may ask for."""

import threading
from collections.abc import AsyncIterator, Iterator
from functools import cache
from pathlib import Path

import httpx._transports.default
import hypothesis
import pytest
import pytest_asyncio
import structlog
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from harness import servers
from harness.logs import Log, open_log
from stack.nats_server import NatsServer

# How long an example takes is the machine's business.
hypothesis.settings.register_profile("fingerpost", deadline=None)
hypothesis.settings.load_profile("fingerpost")

# Each client reads all certificates of the world anew, which takes longer than many requests.
httpx._transports.default.create_ssl_context = cache(httpx.create_ssl_context)

_LAST_SECONDS = 10.0
_ROOT = Path(__file__).parents[1]


class OneByOne(LoadScopeScheduling):
    """Gives one test at a time to who is free, and a file whose tests share a fixture as a whole.

    Several workers would each make that fixture: a whole stack, or a run of import-linter.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return file if _shares(file) else nodeid


@cache
def _shares(file: str) -> bool:
    return 'scope="module"' in (_ROOT / file).read_text()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> OneByOne:
    return OneByOne(config, log)


@pytest.fixture(autouse=True)
def logs_of_its_own() -> Iterator[None]:
    """Forget how a test set up logging: its standard error is closed when it ends."""
    yield
    structlog.reset_defaults()


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    """Wait for a test's threads to end, and fail it where they run on.

    They would disturb others, which are blamed then: one that throws the dice (as an exporter of
    OpenTelemetry does before it asks again) makes Hypothesis refuse what it draws for just then.
    """
    before = set(threading.enumerate())
    yield
    left = set(threading.enumerate()) - before
    assert not [thread.name for thread in left if runs_on(thread)]


def runs_on(thread: threading.Thread) -> bool:
    """Whether a thread does not end by itself; those of an event loop end with it."""
    if thread.name.startswith("asyncio"):
        return False
    thread.join(_LAST_SECONDS)
    return thread.is_alive()


@pytest_asyncio.fixture
async def nats_url(tmp_path: Path) -> AsyncIterator[str]:
    async with servers.nats_url(tmp_path) as url:
        yield url


@pytest_asyncio.fixture
async def own_nats(tmp_path: Path) -> AsyncIterator[NatsServer]:
    """Yield a server that the test may stop, kill and start again."""
    async with servers.nats_server(tmp_path) as server:
        yield server


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
