"""Reads the log: one event by its subject, or all events of some subjects in their order."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import nats.errors
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, ReplayPolicy
from nats.js.errors import Error as JetStreamError
from nats.js.errors import NotFoundError

from chassis.cancellation import heed_cancellation
from chassis.logs import logger
from contracts.envelope import Envelope, UnreadableEventError
from contracts.streams import EVENTS

_BATCH = 500
_WAIT = 1.0
_IDLE_CONSUMER_SECONDS = 30.0
_PAUSE = 0.5

log = logger(__name__)


@dataclass(frozen=True)
class Entry:
    """An event, its place in the log, and the log's own time of it."""

    sequence: int
    envelope: Envelope
    stored_at: datetime


class Reader:
    """Reads without acknowledging: what was read is the reader's own to remember."""

    def __init__(self, js: JetStreamContext) -> None:
        self._js = js

    async def last(self, subject: str) -> Entry | None:
        """Return the newest event on `subject` (wildcards allowed), None where there is none.

        Raises UnreadableEventError, or an error of nats-py while the log is out of reach.
        """
        try:
            message = await self._js.get_last_msg(EVENTS.name, subject, direct=True)
        except NotFoundError:
            # A direct get may be answered by a replica that lags; the leader knows.
            try:
                message = await self._js.get_last_msg(EVENTS.name, subject)
            except NotFoundError:
                return None
        envelope = Envelope.parse(message.data or b"")
        return Entry(message.seq or 0, envelope, message.time or envelope.time)

    async def time(self) -> datetime:
        """Return the present by the clock of the log's leader."""
        # The answer of the JetStream API says when it was written; nats-py keeps that to itself.
        answer = await self._js._nc.request(f"$JS.API.STREAM.INFO.{EVENTS.name}", timeout=1)
        said = json.loads(answer.data)
        if "ts" not in said:
            raise JetStreamError(description=f"the log did not say its time: {said.get('error')}")
        return datetime.fromisoformat(said["ts"])

    async def newest(self, subject: str) -> int:
        """Return the sequence of the newest event on `subject`, readable or not; 0 for none."""
        try:
            message = await self._js.get_last_msg(EVENTS.name, subject)
        except NotFoundError:
            return 0
        return message.seq or 0

    async def replay(
        self, subjects: Sequence[str], *, after: int = 0, since: datetime | None = None
    ) -> list[Entry]:
        """Return what stands on `subjects` now, in order, from `after` or `since` on."""
        entries = []
        async for entry in self.follow(subjects, after=after, since=since, stop_at_end=True):
            entries.append(entry)  # noqa: PERF401  an async comprehension would hide the loop
        return entries

    async def follow(
        self,
        subjects: Sequence[str],
        *,
        after: int = 0,
        since: datetime | None = None,
        stop_at_end: bool = False,
    ) -> AsyncIterator[Entry]:
        """Yield the events on `subjects` in order, each once, from `after` or `since` on, for ever.

        Survives a NATS server that goes away: it goes on after the last event that it yielded.
        An event that cannot be read is logged and passed over: quarantine is the projector's.
        """
        position = after
        while True:
            heed_cancellation()
            try:
                async for message in self._messages(
                    subjects, position, since, stop_at_end=stop_at_end
                ):
                    position = message.metadata.sequence.stream
                    if entry := _read(message):
                        yield entry
            except (JetStreamError, nats.errors.Error, TimeoutError, OSError) as error:
                log.warning("reading the log failed; will go on", problem=repr(error))
                await asyncio.sleep(_PAUSE)
            else:
                return

    async def _messages(
        self, subjects: Sequence[str], after: int, since: datetime | None, *, stop_at_end: bool
    ) -> AsyncIterator[Msg]:
        info = await self._js.add_consumer(EVENTS.name, _ephemeral(subjects, after, since))
        subscription = await self._js.pull_subscribe_bind(info.name, EVENTS.name)
        left = info.num_pending or 0
        expected = 1
        try:
            while left > 0 or not stop_at_end:
                heed_cancellation()
                messages = await _fetch(subscription)
                if not messages:
                    left = await _left(subscription, expected)
                for message in messages:
                    _in_turn(message.metadata.sequence.consumer, expected)
                    expected += 1
                    left = message.metadata.num_pending
                    yield message
        finally:
            await subscription.unsubscribe()


async def _fetch(subscription: JetStreamContext.PullSubscription) -> list[Msg]:
    # nats-py may raise its own TimeoutError or asyncio's; both mean that nothing came.
    try:
        return await subscription.fetch(_BATCH, timeout=_WAIT)
    except TimeoutError:
        return []


async def _left(subscription: JetStreamContext.PullSubscription, expected: int) -> int:
    """Return how many messages wait, where nothing came; raises where the consumer is gone."""
    info = await subscription.consumer_info()
    # What was handed over as a fetch timed out is lost to us, and will not come again.
    _in_turn((info.delivered.consumer_seq if info.delivered else 0) + 1, expected)
    return info.num_pending or 0


def _in_turn(number: int, expected: int) -> None:
    if number != expected:
        raise nats.errors.Error(f"delivery {expected} of the log did not arrive")


def _ephemeral(subjects: Sequence[str], after: int, since: datetime | None) -> ConsumerConfig:
    by_time = since is not None and not after
    return ConsumerConfig(
        deliver_policy=DeliverPolicy.BY_START_TIME if by_time else DeliverPolicy.BY_START_SEQUENCE,
        opt_start_seq=None if by_time else after + 1,
        opt_start_time=since if by_time else None,
        ack_policy=AckPolicy.NONE,
        replay_policy=ReplayPolicy.INSTANT,
        filter_subjects=list(subjects),
        inactive_threshold=_IDLE_CONSUMER_SECONDS,
        mem_storage=True,
        num_replicas=1,
    )


def _read(message: Msg) -> Entry | None:
    sequence = message.metadata.sequence.stream
    try:
        return Entry(sequence, Envelope.parse(message.data), message.metadata.timestamp)
    except UnreadableEventError as error:
        log.warning("unreadable event passed over", sequence=sequence, problem=str(error))
        return None
