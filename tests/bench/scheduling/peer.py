"""The peer: APScheduler 3 with its memory job store, publishing the same messages."""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import attrgetter

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger
from nats.js import JetStreamContext

from bench.scheduling.stored import Message
from harness.servers import connected

_SECONDS = 60


class Peer:
    """Its jobs publish and wait for the acknowledgement, as our scheduler does."""

    def __init__(self, js: JetStreamContext, count: int) -> None:
        self._js = js
        self._count = count
        self._done = asyncio.Event()
        self.acknowledged: list[float] = []
        self.scheduler = AsyncIOScheduler(
            timezone=UTC,
            job_defaults={"misfire_grace_time": None, "coalesce": False, "max_instances": 1_000},
        )

    async def publish(self, waiting: deque[Message]) -> None:
        """Run as a job: publish the next of the job's messages."""
        if not waiting:
            return
        message = waiting.popleft()
        await self._js.publish(
            message.subject, message.body, headers=message.headers, timeout=_SECONDS
        )
        self.acknowledged.append(time.time() - message.due)
        if len(self.acknowledged) == self._count:
            self._done.set()

    async def run(self) -> list[float]:
        """Start, and return how late the acknowledgements were once all are there."""
        self.scheduler.start()
        try:
            await self._done.wait()
        finally:
            self.scheduler.shutdown(wait=False)
        return self.acknowledged


async def by_date(url: str, messages: Sequence[Message]) -> list[float]:
    """Publish by one date job a message."""
    async with connected(url) as client, asyncio.timeout(_limit(messages)):
        peer = Peer(client.jetstream(), len(messages))
        for message in messages:
            peer.scheduler.add_job(
                peer.publish, DateTrigger(_moment(message.due)), args=[deque([message])]
            )
        return await peer.run()


async def by_interval(url: str, messages: Sequence[Message], every: timedelta) -> list[float]:
    """Publish by one interval job a place on the grid, each with its messages in turn."""
    place = every.total_seconds()
    async with connected(url) as client, asyncio.timeout(_limit(messages)):
        peer = Peer(client.jetstream(), len(messages))
        ordered = sorted(messages, key=lambda m: (round(m.due % place, 6), m.due))
        for _, group in groupby(ordered, key=lambda m: round(m.due % place, 6)):
            queues = _one_each(list(group))
            for queue in queues:
                trigger = IntervalTrigger(
                    seconds=int(place), start_date=_moment(queue[0].due), timezone=UTC
                )
                peer.scheduler.add_job(peer.publish, trigger, args=[queue])
        return await peer.run()


def _one_each(messages: list[Message]) -> list[deque[Message]]:
    """Split what falls on one place of the grid so that no job has two messages at one instant."""
    queues: list[deque[Message]] = []
    for _, same in groupby(messages, key=attrgetter("due")):
        for number, message in enumerate(same):
            if number == len(queues):
                queues.append(deque())
            queues[number].append(message)
    return queues


def _moment(due: float) -> datetime:
    return datetime.fromtimestamp(due, UTC)


def _limit(messages: Sequence[Message]) -> float:
    return max(0.0, messages[-1].due - time.time()) + _SECONDS
