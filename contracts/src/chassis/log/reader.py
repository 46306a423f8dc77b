"""Reads the log: one event by its subject, or all events of a subject in their order.

Every question names its subject in the address that it is sent to, and answers come to the asker's
own inbox: so a NATS server can let each service read what it needs, and nothing else.
"""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    ConsumerInfo,
    DeliverPolicy,
    RawStreamMsg,
    ReplayPolicy,
)
from nats.js.errors import Error as JetStreamError
from nats.js.errors import NotFoundError

from chassis.cancellation import heed_cancellation
from chassis.leader import leaders_info
from chassis.logs import logger
from contracts.envelope import Envelope, UnreadableEventError
from contracts.streams import EVENTS

_HEARTBEAT_SECONDS = 1.0
_SILENCE_SECONDS = 3.0
_IDLE_CONSUMER_SECONDS = 5.0
_PAUSE = 0.5
_LAGGING = (0.02, 0.1, 0.3, 1.0, 1.0)
"""Pauses in which a replica of the log may catch up with its leader."""
_PLACING = 30
"""Consumers made in vain, at most: the server places each at random, on one replica of three."""

log = logger(__name__)


@dataclass(frozen=True)
class Entry:
    """An event, its place in the log, the log's own time of it, and its message's headers."""

    sequence: int
    envelope: Envelope
    stored_at: datetime
    headers: Mapping[str, str] = field(default_factory=dict)


class LogSilentError(nats.errors.Error):
    """The log was asked, and does not answer now, or not in time."""


class Reader:
    """Reads without acknowledging: what was read is the reader's own to remember."""

    def __init__(self, js: JetStreamContext) -> None:
        self._js = js

    async def last(self, subject: str) -> Entry | None:
        """Return the newest event on `subject` (wildcards allowed), None where there is none.

        Raises UnreadableEventError, or LogSilentError while the log is out of reach.
        """
        message = await self._newest(subject)
        if message is None:
            return None
        envelope = Envelope.parse(message.data or b"")
        stored_at = message.time or envelope.time
        return Entry(message.seq or 0, envelope, stored_at, message.headers or {})

    async def time(self) -> datetime:
        """Return the present by the clock of the log's leader; raises LogSilentError."""
        # The answer of the JetStream API says when it was written; nats-py keeps that to itself.
        with _asking():
            answer = await self._js._nc.request(f"$JS.API.STREAM.INFO.{EVENTS.name}", timeout=1)
        said = json.loads(answer.data)
        if "ts" not in said:
            raise LogSilentError(f"the log did not say its time: {said.get('error')}")
        return datetime.fromisoformat(said["ts"])

    async def newest(self, subject: str) -> int:
        """Return the sequence of the newest event on `subject`, readable or not; 0 for none.

        Of a cluster it may be a replica's, which lags: whoever publishes after it is then refused.
        Raises LogSilentError.
        """
        message = await self._newest(subject)
        return message.seq or 0 if message else 0

    async def replay(
        self, subjects: Sequence[str], *, after: int = 0, since: datetime | None = None
    ) -> list[Entry]:
        """Return what stands on `subjects` now, in order, from `after` or `since` on.

        They are read one after the other: of a later one there may be news that is younger. Of a
        cluster the leader's copy is read: another's end may be behind what was acknowledged.
        """
        entries = []
        for subject in subjects:
            async for entry in self.follow(subject, after=after, since=since, stop_at_end=True):
                entries.append(entry)  # noqa: PERF401  an async comprehension would hide the loop
        return sorted(entries, key=lambda entry: entry.sequence)

    async def follow(
        self,
        subject: str,
        *,
        after: int = 0,
        since: datetime | None = None,
        stop_at_end: bool = False,
    ) -> AsyncIterator[Entry]:
        """Yield the events on `subject` in order, each once, from `after` or `since` on, for ever.

        Survives a NATS server that goes away: it goes on after the last event that it yielded.
        An event that cannot be read is logged and passed over: quarantine is the projector's.
        """
        position = after
        while True:
            heed_cancellation()
            try:
                consumer = _of_leader if stop_at_end else _delivered
                async with consumer(self._js, subject, position, since) as delivery:
                    async for message in delivery.messages(stop_at_end=stop_at_end):
                        position = message.metadata.sequence.stream
                        if entry := _read(message):
                            yield entry
            except (JetStreamError, nats.errors.Error, TimeoutError, OSError) as error:
                log.warning("reading the log failed; will go on", problem=repr(error))
                await asyncio.sleep(_PAUSE)
            else:
                return

    async def _newest(self, subject: str) -> RawStreamMsg | None:
        for pause in _LAGGING:
            with _asking():
                try:
                    return await self._js.get_last_msg(EVENTS.name, subject, direct=True)
                except NotFoundError:
                    # A replica answered, which may lag; the leader knows whether there is anything.
                    info = await leaders_info(self._js, EVENTS.name, subjects=subject)
                    if not info.state.subjects:
                        return None
            await asyncio.sleep(pause)
        raise LogSilentError(f"the log's replicas lack {subject}, which its leader has")


@contextmanager
def _asking() -> Iterator[None]:
    """Tell the log's silence from every other TimeoutError and OSError."""
    try:
        yield
    except (JetStreamError, nats.errors.Error, TimeoutError, OSError) as error:
        raise LogSilentError(repr(error)) from error


class _Delivery:
    """What a consumer of one's own pushes; the server waits where it is not taken."""

    def __init__(self, js: JetStreamContext, consumer: str) -> None:
        self._js = js
        self._client: Client = js._nc
        self._consumer = consumer
        self._buffer: list[Msg] = []
        self._arrived = asyncio.Event()
        self._taken = 0
        self.left = 0
        self.server: str | None = None  # of a cluster: the one that reads for us

    async def receive(self, message: Msg) -> None:
        """Take what the server pushes."""
        self._buffer.append(message)
        self._arrived.set()

    async def messages(self, *, stop_at_end: bool) -> AsyncIterator[Msg]:
        """Yield what comes, for ever or until nothing is left; raises where something is lost."""
        while self.left > 0 or not stop_at_end:
            heed_cancellation()
            for message in await self._next():
                if not message.headers or "Status" not in message.headers:
                    self._in_turn(message.metadata.sequence.consumer)
                    self.left = message.metadata.num_pending
                    yield message
                elif await self._is_heartbeat(message, message.headers) and stop_at_end:
                    await self._look_again()

    async def _next(self) -> list[Msg]:
        if not self._buffer:
            self._arrived.clear()
            try:
                async with asyncio.timeout(_SILENCE_SECONDS):
                    await self._arrived.wait()
            except TimeoutError:
                raise nats.errors.Error("the log fell silent") from None
        taken, self._buffer = self._buffer, []
        return taken

    async def _is_heartbeat(self, message: Msg, headers: dict[str, str]) -> bool:
        """Answer what asks whether we are done so far; return whether nothing came for a while."""
        asked = message.reply or headers.get("Nats-Consumer-Stalled")
        if asked:
            await self._client.publish(asked)
        if message.reply:
            return False
        self._in_turn(int(headers.get("Nats-Last-Consumer", self._taken)) + 1, count=False)
        return True

    async def _look_again(self) -> None:
        """Ask what is left: what was waited for may have been erased."""
        info = await self._js.consumer_info(EVENTS.name, self._consumer)
        if _pushed(info) == self._taken:
            self.left = info.num_pending or 0

    def _in_turn(self, number: int, *, count: bool = True) -> None:
        if number != self._taken + 1:
            raise nats.errors.Error(f"delivery {self._taken + 1} of the log did not arrive")
        self._taken += count


@asynccontextmanager
async def _delivered(
    js: JetStreamContext, subject: str, after: int, since: datetime | None
) -> AsyncIterator[_Delivery]:
    client: Client = js._nc
    inbox, name = client.new_inbox(), secrets.token_hex(8)
    delivery = _Delivery(js, name)
    subscription = await client.subscribe(inbox, cb=delivery.receive)
    try:
        info = await js.add_consumer(EVENTS.name, _consumer(name, inbox, subject, after, since))
        delivery.left = (info.num_pending or 0) + _pushed(info)
        delivery.server = (info.cluster.leader or "") if info.cluster else None
        yield delivery
    finally:
        await subscription.unsubscribe()


@asynccontextmanager
async def _of_leader(
    js: JetStreamContext, subject: str, after: int, since: datetime | None
) -> AsyncIterator[_Delivery]:
    """Yield what a consumer pushes that reads the copy of the log's leader."""
    for _ in range(_PLACING):
        leader = await _leader(js)  # who led before has all that was acknowledged before
        async with _delivered(js, subject, after, since) as delivery:
            if delivery.server in (None, leader):
                yield delivery
                return
    raise nats.errors.Error(f"{leader}, which leads the log, takes no consumer")


async def _leader(js: JetStreamContext) -> str | None:
    cluster = (await leaders_info(js, EVENTS.name)).cluster
    return cluster.leader if cluster else None


def _pushed(info: ConsumerInfo) -> int:
    return info.delivered.consumer_seq if info.delivered else 0


def _consumer(
    name: str, inbox: str, subject: str, after: int, since: datetime | None
) -> ConsumerConfig:
    by_time = since is not None and not after
    return ConsumerConfig(
        name=name,
        # To pull it would take the right to pull from any consumer: no pattern fits half a name.
        deliver_subject=inbox,
        flow_control=True,
        idle_heartbeat=_HEARTBEAT_SECONDS,
        deliver_policy=DeliverPolicy.BY_START_TIME if by_time else DeliverPolicy.BY_START_SEQUENCE,
        opt_start_seq=None if by_time else after + 1,
        opt_start_time=since if by_time else None,
        ack_policy=AckPolicy.NONE,
        replay_policy=ReplayPolicy.INSTANT,
        filter_subject=subject,
        inactive_threshold=_IDLE_CONSUMER_SECONDS,
        mem_storage=True,
        num_replicas=1,
    )


def _read(message: Msg) -> Entry | None:
    sequence = message.metadata.sequence.stream
    try:
        stored_at = message.metadata.timestamp
        return Entry(sequence, Envelope.parse(message.data), stored_at, message.headers or {})
    except UnreadableEventError as error:
        log.warning("unreadable event passed over", sequence=sequence, problem=str(error))
        return None
