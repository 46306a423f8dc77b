"""Hands over the log's messages in order, none left out, as soon as they are there.

Written on bare requests: nats-py's `fetch` may drop the part of a batch that it holds when it times
out, and waits longer than it must. Here a request is always outstanding, the server's heartbeats
tell a quiet log from a lost connection, and the consumer's own numbering shows what went missing.
Messages are taken as nats-py reads them: its objects, queue and task cost as much as all the rest.
"""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import Error as JetStreamError
from nats.js.errors import NotFoundError

from analytics.domain.messages import Message
from chassis.leader import leaders_info
from contracts.streams import Consumer, Stream

MOST = 2_000
"""Messages handed over at once, at most."""

_EXPIRES_SECONDS = 30
_HEARTBEAT_SECONDS = 1
_SILENCE_SECONDS = 3.0
_ACK_SECONDS = 5
_LOOK_SECONDS = 0.1
_BEHIND_SECONDS = 30.0
_RESETS = 3
_IDLE_SECONDS = 60.0
_HEARTBEAT, _EXPIRED, _NOBODY = "100", "408", "503"


class FeedError(RuntimeError):
    """The feed cannot go on where it is; open another one at the checkpoint."""


Taker = Callable[[bytes, bytes, bytes, bytes | None], None]
"""Takes subject, where to answer, data and headers."""


class _Shortcut:
    """Takes the place of a client's `_process_msg`: hands what is answered to a taker at once.

    What has no taker, or no place to be answered at (the server's own words), goes its usual way.
    """

    def __init__(self, client: Client) -> None:
        self.takers: dict[int, Taker] = {}
        self._usual = client._process_msg

    @classmethod
    def of(cls, client: Client) -> "_Shortcut":
        """Return the one of this client."""
        present = vars(client).get("_process_msg")
        if isinstance(present, cls):
            return present
        new = vars(client)["_process_msg"] = cls(client)
        return new

    async def __call__(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes | None
    ) -> None:
        taker = self.takers.get(sid)
        if taker and reply:
            taker(subject, reply, data, headers)
        else:
            await self._usual(sid, subject, reply, data, headers or b"")


class Feed:
    """What one consumer was not handed yet; for one reader."""

    def __init__(
        self,
        js: JetStreamContext,
        stream: str,
        durable: str,
        *,
        after: int = 0,
        subjects: Sequence[str] = (),
    ) -> None:
        # nats-py has no public way from a JetStream context back to its client.
        client: Client = js._nc
        self._js = js
        self._client = client
        self._stream = stream
        self._subjects = subjects or (">",)
        self._last = after
        self._silent = 0.0
        self._request_subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{durable}"
        self._inbox = client.new_inbox()
        self._buffer: list[Message] = []
        self._arrived = asyncio.Event()
        self._requested = 0
        self._expected = 1
        self._problem: str | None = None
        self._reconnects = client.stats["reconnects"]

    @classmethod
    @asynccontextmanager
    async def open(
        cls, js: JetStreamContext, stream: Stream, consumer: Consumer, *, after: int
    ) -> AsyncIterator["Feed"]:
        """Read on after sequence `after`, whatever the consumer handed to others before."""
        await _reset(js, stream.name, consumer.durable, after + 1)
        async with cls._subscribed(js, stream.name, consumer.durable, after=after) as feed:
            yield feed

    @classmethod
    @asynccontextmanager
    async def replay(
        cls, js: JetStreamContext, stream: Stream, subjects: Sequence[str] = ()
    ) -> AsyncIterator["Feed"]:
        """Read from the beginning by a consumer of one's own, which needs no acknowledgement.

        Only what stands on `subjects`, where some are given.
        """
        config = ConsumerConfig(
            name=secrets.token_hex(8),
            filter_subjects=list(subjects) or None,
            deliver_policy=DeliverPolicy.ALL,
            ack_policy=AckPolicy.NONE,
            inactive_threshold=_IDLE_SECONDS,
            mem_storage=True,
            num_replicas=1,
        )
        info = await js.add_consumer(stream.name, config)
        try:
            async with cls._subscribed(js, stream.name, info.name, subjects=subjects) as feed:
                yield feed
        finally:
            with suppress(nats.errors.Error, JetStreamError):  # it goes by itself, a minute later
                await js.delete_consumer(stream.name, info.name)

    @classmethod
    @asynccontextmanager
    async def _subscribed(
        cls,
        js: JetStreamContext,
        stream: str,
        durable: str,
        *,
        after: int = 0,
        subjects: Sequence[str] = (),
    ) -> AsyncIterator["Feed"]:
        feed = cls(js, stream, durable, after=after, subjects=subjects)
        subscription = await feed._client.subscribe(feed._inbox, cb=feed._hear)
        takers = _Shortcut.of(feed._client).takers
        takers[subscription._id] = feed._receive
        try:
            yield feed
        finally:
            del takers[subscription._id]
            with suppress(nats.errors.Error):
                await subscription.unsubscribe()

    @property
    def waiting(self) -> bool:
        """Whether messages are here that nobody took yet."""
        return bool(self._buffer)

    async def exhausted(self) -> bool:
        """Wait for messages, or until it is certain that the log has none that was not taken.

        True for the latter. The log's leader is asked: a consumer stands on any of its servers, and
        says that nothing is pending there, though that server may be behind the others.
        """
        self._silent = 0.0
        await self._ask()
        patience = asyncio.get_running_loop().time() + _BEHIND_SECONDS
        while not (self._buffer or self._problem):
            if not await self._more():
                await leaders_info(self._js, self._stream)  # so that it was no leader of the past
                return not self._buffer
            if asyncio.get_running_loop().time() > patience:
                self.end("the server of the log that hands over its events stays behind the others")
            elif not self._buffer:
                await self._listen(_LOOK_SECONDS)
        return False

    async def take(self) -> list[Message]:
        """Wait for messages and return those that are here; raises FeedError."""
        self._silent = 0.0
        await self._ask()
        while not (self._buffer or self._problem):
            await self._listen(_HEARTBEAT_SECONDS)
        if self._client.stats["reconnects"] != self._reconnects:
            self.end(
                "NATS was away: it may have lost the end of the log, and got another one since"
            )
        if self._problem:
            raise FeedError(self._problem)
        taken, self._buffer = self._buffer[:MOST], self._buffer[MOST:]
        return taken

    async def acknowledge(self, last: Message) -> None:
        """Tell the server that all up to `last` is done with, and wait until it knows."""
        await self._client.request(last.reply, b"+ACK", timeout=_ACK_SECONDS)

    def end(self, problem: str) -> None:
        """Make `take` raise FeedError, now and from now on."""
        self._problem = problem
        self._arrived.set()

    async def _more(self) -> bool:
        """Tell whether the log's leader has something behind what was handed over so far."""
        return any(await asyncio.gather(*map(self._stands, self._subjects)))

    async def _stands(self, subject: str) -> bool:
        try:
            await self._js.get_msg(self._stream, self._last + 1, subject=subject, next=True)
        except NotFoundError:
            return False
        return True

    async def _listen(self, seconds: float) -> None:
        """Wait so long for what the server says; where it says nothing again and again, end."""
        self._arrived.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._arrived.wait()
            self._silent = 0.0
        except TimeoutError:
            self._silent += seconds
            if self._silent >= _SILENCE_SECONDS:
                self.end("the log fell silent")
        await self._ask()

    async def _ask(self) -> None:
        """Keep requests outstanding, so that the next messages arrive while these are written."""
        if self._requested > MOST or len(self._buffer) > MOST:
            return
        self._requested += MOST
        request = {
            "batch": MOST,
            "expires": _EXPIRES_SECONDS * 1_000_000_000,
            "idle_heartbeat": _HEARTBEAT_SECONDS * 1_000_000_000,
        }
        await self._client.publish(
            self._request_subject, json.dumps(request).encode(), reply=self._inbox
        )

    def _receive(self, subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
        # $JS.ACK.[<domain>.<account>.]<stream>.<consumer>.<times>.<sequence>.<number>.<time>.<left>
        place = reply.decode()
        tokens = place.split(".")
        start = 5 if len(tokens) == 9 else 7  # noqa: PLR2004  the longer form has two more
        if (number := int(tokens[start + 1])) != self._expected:
            self.end(f"delivery {self._expected} is missing: {number} came in its place")
            return
        self._expected += 1
        self._requested -= 1
        sequence = int(tokens[start])
        self._last = max(self._last, sequence)  # what comes again is behind it
        self._buffer.append(
            Message(
                sequence,
                subject.decode(),
                headers or b"",
                data,
                place,
                int(tokens[start + 3]),
            )
        )
        self._arrived.set()

    async def _hear(self, word: Msg) -> None:
        """Heed what the server says about the requests."""
        headers = word.headers or {}
        status = headers.get("Status")
        if status == _EXPIRED:
            # Of several requests it is the oldest, and this is what it did not get.
            lacking = int(headers.get("Nats-Pending-Messages", self._requested))
            self._requested = max(0, self._requested - lacking)
        elif status == _NOBODY:
            # A new consumer is not known to all servers at once: what asked is asked again.
            self._requested = 0
            return
        elif status != _HEARTBEAT:
            self.end(f"the log ended the reading: {status} {headers.get('Description', '')}")
        self._arrived.set()


async def _reset(js: JetStreamContext, stream: str, durable: str, sequence: int) -> None:
    """Let a consumer begin anew at `sequence`."""
    for left in reversed(range(_RESETS)):
        try:
            await js.reset_consumer(stream, durable, seq=sequence)
        except nats.errors.TimeoutError:  # it has no leader yet: then nobody answers, ever
            if not left:
                raise
        else:
            return
