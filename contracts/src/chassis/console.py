"""One-shot commands of people: a connection that fails fast, and errors that name their remedy.

Standard output is for the answer alone; what is logged goes to standard error, warnings only.
"""

import asyncio
import logging
import re
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, redirect_stderr
from io import StringIO
from typing import Any, TypeVar

import nats
import nats.errors
import structlog
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.errors import Error as JetStreamError
from nats.js.errors import NotFoundError, ServiceUnavailableError
from pydantic_core import to_json

from chassis.clock import Clock, utc_now
from chassis.log import LogUnavailableError, Publisher, Reader
from chassis.service import Connection
from chassis.settings import EXIT_BAD_SETTINGS, ServiceSettings
from chassis.topology import DestructiveChangeError, NotProvisionedError, ensure_stream
from contracts.streams import EVENTS
from contracts.subjects import inbox_of

EXIT_REFUSED = 1
EXIT_USAGE = 2
EXIT_UNAVAILABLE = 69
"""EX_UNAVAILABLE of sysexits.h."""
EXIT_INTERRUPTED = 130
"""As a shell says it of who was ended by Ctrl-C."""

_CONNECT_SECONDS = 4.0
_ATTEMPT_SECONDS = 2
_HOST_AND_PORT = re.compile(r"([\w.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?", re.ASCII)


T = TypeVar("T")


class CommandError(Exception):
    """A command cannot do what it was asked for; `remedy` says what to do, `status` how it ends."""

    status = EXIT_REFUSED

    def __init__(self, problem: str, remedy: str) -> None:
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{problem}; {remedy}")


def tell(answer: object, text: Callable[[Any], str], *, as_json: bool) -> None:
    """Print an answer for programs as JSON, or for people as `text` makes it."""
    said = to_json(answer, indent=2).decode() if as_json else text(answer)
    sys.stdout.write(said + "\n")
    sys.stdout.flush()


def fail(error: CommandError, *, as_json: bool) -> int:
    """Print what went wrong and its remedy; return the exit status."""
    if as_json:
        tell({"error": error.problem, "remedy": error.remedy}, str, as_json=True)
    else:
        sys.stderr.write(f"{error.problem}; {error.remedy}\n")
    return error.status


class RefusedError(CommandError):
    """The plan or the log does not allow it."""


class NoLogError(RefusedError):
    """There is no log, and the command does not create one."""


class UsageError(CommandError):
    """It was asked for in words that make no sense."""

    status = EXIT_USAGE


class UnavailableError(CommandError):
    """NATS, or the log in it, does not answer."""

    status = EXIT_UNAVAILABLE


class BadSettingsError(CommandError):
    """The environment is wrong."""

    status = EXIT_BAD_SETTINGS


def settled(load: Callable[[], T]) -> T:
    """Return what `load` makes of the settings; raises BadSettingsError where they are wrong."""
    said = StringIO()
    try:
        with redirect_stderr(said):  # where `load` tells what is wrong before it ends the process
            return load()
    except SystemExit as error:
        raise BadSettingsError(said.getvalue().strip(), "correct the environment") from error


def quiet_logs() -> None:
    """Send what is logged to standard error, as lines for people, warnings only."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


@asynccontextmanager
async def console(
    settings: ServiceSettings, *, source: str, create_log: bool = False, clock: Clock = utc_now
) -> AsyncIterator[Connection]:
    """Connect to the log for one command; raises CommandError, also for what fails meanwhile.

    `source` is who speaks, in the envelopes. Only `create_log` makes a stream that is missing.
    """
    async with to_nats(settings, source=source) as client:
        js = client.jetstream()
        servers = _shown(settings.nats_url.get_secret_value().split(","))
        await _log_in_place(js, settings, servers, create=create_log)
        yield Connection(js, Publisher(js, source=source, clock=clock), Reader(js))


@asynccontextmanager
async def to_nats(settings: ServiceSettings, *, source: str) -> AsyncIterator[Client]:
    """Connect to NATS for one command; raises CommandError, also for what fails meanwhile."""
    servers = settings.nats_url.get_secret_value().split(",")
    client = await _connected(servers, source, settings.tls())
    try:
        yield client
    except (LogUnavailableError, JetStreamError, nats.errors.Error, TimeoutError) as error:
        raise UnavailableError(
            f"the log of {_shown(servers)} did not answer ({_told(error)})",
            "repeat the command; where it was to change something, look by `describe` first: that"
            " may be in the log already (with the same --key it counts once)",
        ) from error
    finally:
        await client.close()


async def _connected(servers: list[str], source: str, tls: ssl.SSLContext | None) -> Client:
    problems: list[str] = []

    async def remember(error: Exception) -> None:
        problems.append(_told(error))

    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            return await nats.connect(
                servers,
                name=f"{source}-console",
                inbox_prefix=inbox_of(source),
                tls=tls,
                connect_timeout=_ATTEMPT_SECONDS,
                reconnect_time_wait=0,
                max_reconnect_attempts=1,
                error_cb=remember,
            )
    except (nats.errors.Error, TimeoutError, OSError, ValueError) as error:
        problem = problems[0] if problems else _told(error)
        raise UnavailableError(
            f"NATS cannot be reached at {_shown(servers)} ({problem})",
            "start it, or set NATS_URL to where it is",
        ) from None  # the cause may show the password


async def _log_in_place(
    js: JetStreamContext, settings: ServiceSettings, server: str, *, create: bool
) -> None:
    try:
        if create:
            replicas, provision = settings.log_replicas, settings.provision
            await ensure_stream(js, EVENTS, replicas=replicas, provision=provision)
        else:
            await js.stream_info(EVENTS.name)
    except NotFoundError:
        raise NoLogError(
            "there is no log yet", "start a scheduler first, or `apply` a campaign file"
        ) from None
    except (ServiceUnavailableError, nats.errors.NoRespondersError):
        raise UnavailableError(
            f"JetStream does not answer at {server}",
            "start nats-server with -js, or wait until its cluster has a leader",
        ) from None
    except NotProvisionedError as error:
        raise NoLogError("there is no log as this version needs it", str(error)) from error
    except DestructiveChangeError as error:
        raise RefusedError(str(error), "see deploy/runbook.md") from error


def _shown(servers: list[str]) -> str:
    """Return NATS_URL without whatever proves who asks."""
    return ",".join(map(_without_secrets, filter(None, servers))) or "an empty NATS_URL"


def _without_secrets(server: str) -> str:
    # Not by urllib: what cannot be parsed must not be shown either. A password with a comma is cut
    # in two, and its first part has no @ behind it.
    scheme, _, rest = server.rpartition("://")
    place = rest.rpartition("@")[2].rstrip("/")
    place = place if _HOST_AND_PORT.fullmatch(place) else "…"
    return f"{scheme if scheme.isalpha() else 'nats'}://{place}"


def _told(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(error) or type(error).__name__
