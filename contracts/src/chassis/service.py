"""One service process: HTTP, one connection to NATS, and the parts that do its work.

HTTP answers from the first moment, so that readiness can say what is still missing. SIGTERM stops
in the order that loses nothing: no new requests, open ones are answered, parts finish what they
hold, then the connection closes.
"""

import asyncio
import gc
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial

import nats.errors
import uvicorn
from faststream.middlewares import AckPolicy
from faststream.nats import NatsBroker
from faststream.security import BaseSecurity
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.errors import Error as JetStreamError
from nats.js.errors import NotFoundError
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Route

from chassis import logs, metrics, tracing
from chassis.clock import Clock, utc_now
from chassis.front import Front
from chassis.health import Check, Health
from chassis.leader import leaders_info
from chassis.log import Publisher, Reader
from chassis.settings import ServiceSettings
from chassis.topology import (
    NotProvisionedError,
    copies,
    ensure_bucket,
    ensure_consumer,
    ensure_stream,
)
from contracts.streams import EVENTS, Bucket, Consumer
from contracts.subjects import inbox_of

_RETRY_SECONDS = 1
_STOP_SECONDS = 20
_GRACE_SECONDS = 5
_NOT_READY = (JetStreamError, nats.errors.Error, NotProvisionedError, TimeoutError, OSError)
_REFUSED = "authorization violation"
_CREDENTIALS = "NATS refuses this service; check NATS_URL and its credentials"
_REFUSED_SECONDS = 15.0
"""Who is refused and not connected so long after has the wrong credentials."""
_YOUNG_OBJECTS = 10_000
"""As many are made before the collector looks for cycles: 700 are those of a few requests."""

log = logs.logger(__name__)


@dataclass(frozen=True)
class Connection:
    """What a part of a service needs of the log."""

    js: JetStreamContext
    publisher: Publisher
    reader: Reader


Part = Callable[[Connection], Awaitable[None]]
"""A part runs until it is cancelled; one that ends or raises ends the process."""


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Obey SIGTERM, and do not raise it again at the end: to stop when asked is no crash."""
        with super().capture_signals():
            yield
            self._captured_signals.clear()


class Service:
    """Gathers the parts of one service and runs them; `app.py` of each service builds one."""

    def __init__(
        self,
        name: str,
        settings: ServiceSettings,
        *,
        routes: Sequence[BaseRoute] = (),
        consumers: Sequence[Consumer] = (),
        buckets: Sequence[Bucket] = (),
        hot: Sequence[Route] = (),
        stop_seconds: int = _STOP_SECONDS,
        clock: Clock = utc_now,
    ) -> None:
        """Prepare; on SIGTERM the parts have `stop_seconds` to finish what they hold.

        The `hot` routes, whose endpoints are plain ASGI, are served before the router.
        """
        self.name = name
        self.health = Health(name)
        self.broker = NatsBroker(
            settings.nats_url.get_secret_value().split(","),
            name=f"{name}-{settings.instance}",
            ack_policy=AckPolicy.NACK_ON_ERROR,
            # Handlers are closures over what they need. To inject it takes a thread a message.
            apply_types=False,
            graceful_timeout=stop_seconds,
            max_reconnect_attempts=-1,
            reconnect_time_wait=_RETRY_SECONDS,
            connect_timeout=_RETRY_SECONDS,
            inbox_prefix=inbox_of(name),
            security=_security(settings),
            error_cb=self._nats_error,
            disconnected_cb=self._nats_disconnected,
            reconnected_cb=self._nats_reconnected,
            closed_cb=self._nats_closed,
            logger=None,
        )
        self._settings = settings
        replicas, provision = settings.log_replicas, settings.provision
        self._ensure_stream = partial(ensure_stream, replicas=replicas, provision=provision)
        self._ensure_consumer = partial(ensure_consumer, provision=provision)
        self._ensure_bucket = partial(ensure_bucket, replicas=replicas, provision=provision)
        self._consumers = tuple(consumers)
        self._buckets = tuple(buckets)
        self._stop_seconds = stop_seconds
        self._clock = clock
        self._parts: list[Part] = []
        self._client: Client | None = None
        self._failed = False
        self._judging: asyncio.TimerHandle | None = None
        self._stopping = False
        self.asgi = Starlette(
            routes=[
                Route("/healthz", self.health.live),
                Route("/readyz", self.health.ready),
                Route("/metrics", metrics.expose),
                *hot,
                *routes,
            ],
            lifespan=self._lifespan,
        )
        # It would lead to whatever host the request names, and to http, whatever the proxy speaks.
        self.asgi.router.redirect_slashes = False
        self.served = Front(self.asgi, hot)
        self._server = _Server(self._uvicorn_config())

    @property
    def stopping(self) -> bool:
        """Whether the process is to end: whoever streams an answer for long ends it now."""
        return self._server.should_exit

    def add(self, part: Part) -> None:
        """Run `part` once the log is there."""
        self._parts.append(part)

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT; return the exit status."""
        logs.configure(self.name, self._settings.instance, self._settings.log_level)
        metrics.introduce(self.name)
        tracing.start(self.name, self._settings.instance, self._settings.traces_endpoint)
        spare_the_collector()
        listener = self._listen()
        log.info("starting", address="http://{}:{}".format(*listener.getsockname()[:2]))
        self._server.run(sockets=[listener])
        tracing.stop()
        log.info("stopped", failed=self._failed)
        return 1 if self._failed else 0

    def _listen(self) -> socket.socket:
        try:
            return socket.create_server((self._settings.http_host, self._settings.http_port))
        except OSError as error:
            sys.exit(
                f"cannot listen on {self._settings.http_host}:{self._settings.http_port}:"
                f" {error.strerror}; set FINGERPOST_HTTP_PORT to a free port"
            )

    def _uvicorn_config(self) -> uvicorn.Config:
        return uvicorn.Config(
            self.served,
            http="httptools",
            loop="uvloop",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # who is behind a proxy is for a service to judge, if it asks
            timeout_graceful_shutdown=_STOP_SECONDS,
        )

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        self.health.add("nats", self._check_log)
        for consumer in self._consumers:
            self.health.add(f"consumer {consumer.durable}", self._consumer_check(consumer))
        for bucket in self._buckets:
            self.health.add(f"bucket {bucket.name}", self._bucket_check(bucket))
        work = asyncio.create_task(self._work())
        try:
            yield
        finally:
            self._stopping = True
            await _end(work, self._stop_seconds + _GRACE_SECONDS)
            await self.disconnect()

    async def disconnect(self) -> None:
        """Let handlers finish, then close the connection to NATS; a part may ask for it."""
        self._stopping = True
        try:
            await self.broker.stop()
        except (nats.errors.Error, TimeoutError, OSError) as error:
            log.warning("NATS was not there to say goodbye to", problem=repr(error))

    async def _work(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.health.watch())
                connection = await self._connect()
                for part in self._parts:
                    group.create_task(self._part(part, connection))
        except Exception as error:  # noqa: BLE001  whatever it is, it is logged and ends the process
            self._fail("a part of the service failed; ending the process", error)

    async def _part(self, part: Part, connection: Connection) -> None:
        await part(connection)
        raise RuntimeError(f"{part!r} ended by itself")

    async def _connect(self) -> Connection:
        self._client = await self._admitted()
        js = self._client.jetstream()
        await self._retry(partial(self._ensure_stream, js, EVENTS))
        for consumer in self._consumers:
            await self._retry(partial(self._ensure_consumer, js, EVENTS, consumer))
        for bucket in self._buckets:
            await self._retry(partial(self._ensure_bucket, js, bucket))
        publisher = Publisher(js, source=self.name, clock=self._clock)
        return Connection(js, publisher, Reader(js))

    async def _admitted(self) -> Client:
        try:
            return await self.broker.connect()
        except nats.errors.Error as error:
            if _REFUSED not in str(error).lower():
                raise
            self._fail(_CREDENTIALS)
        never: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        return await never  # the process ends meanwhile

    async def _retry(self, action: Callable[[], Awaitable[None]]) -> None:
        # JetStream may still be electing a leader, or recovering its store.
        while True:
            try:
                return await action()
            except _NOT_READY as error:
                log.warning("the log is not ready; will retry", problem=repr(error))
                await asyncio.sleep(_RETRY_SECONDS)

    async def _check_log(self) -> None:
        if self._client is None or not self._client.is_connected:
            raise RuntimeError("NATS is not connected")
        found = await leaders_info(self._client.jetstream(timeout=1), EVENTS.name)
        metrics.COPIES.set(copies(found))
        metrics.COPIES_WANTED.set(found.config.num_replicas or 1)

    def _consumer_check(self, consumer: Consumer) -> Check:
        async def check() -> None:
            if self._client is None:
                raise RuntimeError("NATS is not connected")
            js = self._client.jetstream()
            try:
                await js.consumer_info(EVENTS.name, consumer.durable, timeout=1)
            except NotFoundError:
                # Whoever reads by it would read nothing for ever, and FastStream spin meanwhile.
                await self._ensure_consumer(js, EVENTS, consumer)
                raise RuntimeError("the consumer was gone; it was created anew") from None

        return check

    def _bucket_check(self, bucket: Bucket) -> Check:
        async def check() -> None:
            if self._client is None:
                raise RuntimeError("NATS is not connected")
            js = self._client.jetstream()
            try:
                await js.stream_info(f"KV_{bucket.name}")
            except NotFoundError:
                await self._ensure_bucket(js, bucket)
                raise RuntimeError("the bucket was gone; it was created anew") from None

        return check

    def _fail(self, problem: str, error: Exception | None = None) -> None:
        log.critical(problem, exc_info=error)
        self._failed = True
        self._server.should_exit = True

    async def _nats_error(self, error: Exception) -> None:
        log.warning("NATS error", problem=repr(error))
        if _REFUSED not in str(error).lower() or self._stopping:
            return
        # Another server may know us, or this one soon; else a new process reads the secret anew.
        # Not by counting refusals: the client may give up after one.
        if self._judging is None:
            loop = asyncio.get_running_loop()
            self._judging = loop.call_later(_REFUSED_SECONDS, self._judge_refusal)

    def _judge_refusal(self) -> None:
        self._judging = None
        if not self._stopping and not (self._client and self._client.is_connected):
            self._fail(_CREDENTIALS)

    async def _nats_disconnected(self) -> None:
        if not self._stopping:
            log.warning("NATS disconnected; will reconnect")

    async def _nats_reconnected(self) -> None:
        log.info("NATS reconnected")

    async def _nats_closed(self) -> None:
        # FastStream's pull loop spins on a closed connection: better to end and be started again.
        if not self._stopping:
            self._fail("NATS closed the connection for good; check NATS_URL and its credentials")


def _security(settings: ServiceSettings) -> BaseSecurity | None:
    context = settings.tls()
    return BaseSecurity(ssl_context=context) if context else None


def spare_the_collector() -> None:
    """Keep what is loaded by now, which stays, out of every later garbage collection."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, 20, 20)


async def _end(work: asyncio.Task[None], seconds: int) -> None:
    # Python 3.11's wait_for, by which nats-py connects, loses a cancellation that comes together
    # with a failure: ask until it is heard. Parts that clean up are not disturbed by the repeat.
    for _ in range(seconds):
        work.cancel()
        await asyncio.wait([work], timeout=1)
        if work.done():
            return
    log.error("a part does not stop; the process ends without it")
