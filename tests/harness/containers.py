"""NATS and PostgreSQL in containers, where `TEST_SERVERS=containers` asks for them.

One of each for a whole run, started when it is first wanted; a log is emptied between tests, and
each test has a database of its own. `TEST_NATS_IMAGE` and `TEST_POSTGRES_IMAGE` name other images.
"""

import atexit
import os
from functools import cache

from docker.errors import DockerException
from testcontainers.community.postgres import PostgresContainer
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

from stack.process import StartError

_NATS = "nats:2.15"
_POSTGRES = "postgres:18"
_REMEDY = "start a container engine; TEST_NATS_IMAGE and TEST_POSTGRES_IMAGE name local images"


@cache
def nats_url() -> str:
    """Return the URL of a NATS server in a container."""
    # The library's own NatsContainer waits in a way that the library warns of.
    container = DockerContainer(os.environ.get("TEST_NATS_IMAGE", _NATS))
    container.with_command("--jetstream --store_dir /data").with_exposed_ports(4222)
    container.waiting_for(LogMessageWaitStrategy("Server is ready"))
    _start(container)
    return f"nats://{container.get_container_host_ip()}:{container.get_exposed_port(4222)}"


@cache
def postgres_dsn() -> str:
    """Return the DSN of a PostgreSQL server in a container."""
    image = os.environ.get("TEST_POSTGRES_IMAGE", _POSTGRES)
    container = PostgresContainer(
        image, username="fingerpost", password="tests", dbname="fingerpost"
    )
    _start(container)
    return container.get_connection_url(driver=None)


def _start(container: DockerContainer) -> None:
    try:
        container.start()
    except DockerException as error:
        raise StartError(f"{container.image} does not start: {error}\n{_REMEDY}") from None
    atexit.register(container.stop)
