"""One active process of several: a key that only one holds, and that runs out.

It saves work and quarrels, no more: that nothing is done twice is the log's doing, and needs no
lease. The holder counts from before it asked, on a clock that no one sets, so it stops before the
key can run out; a process that was frozen finds its time over.
"""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable

import nats.errors
from nats.js import JetStreamContext
from nats.js.errors import Error as JetStreamError
from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue
from prometheus_client import Gauge

from chassis.cancellation import heed_cancellation
from chassis.clock import since_boot
from chassis.logs import logger
from contracts.streams import Bucket

_RENEW_SECONDS = 2.0
_TRY_SECONDS = 0.5
_MARGIN_SECONDS = 2.0
_ANSWER_SECONDS = 2.0
_AWAY = (JetStreamError, nats.errors.Error, TimeoutError, OSError)

log = logger(__name__)


class Lease:
    """The right to act for what `key` names, one holder in `bucket` at a time.

    `active` is a gauge of the service: 1 while this process holds the lease, 0 while it stands by.
    """

    def __init__(
        self,
        js: JetStreamContext,
        bucket: Bucket,
        key: str,
        instance: str,
        *,
        active: Gauge,
        now: Callable[[], float] = since_boot,
    ) -> None:
        self._js = js
        self._name = bucket.name
        self._key = key
        self._instance = instance
        self._holder = f"{instance}-{secrets.token_hex(8)}"
        self._active = active
        self._now = now
        self._lasts = bucket.lifetime.total_seconds() - _MARGIN_SECONDS
        self._revision = 0
        self._until = 0.0
        self._other: str | None = None
        self._opened: KeyValue | None = None
        active.set(0)

    @property
    def held(self) -> bool:
        """Whether this process may act at this very moment."""
        return self._now() < self._until

    @property
    def standing(self) -> str:
        """Return the state in words, for readiness."""
        if self.held:
            return "active"
        return f"standing by: {self._other} is active" if self._other else "standing by"

    async def acquire(self) -> None:
        """Return once this process is the active one; a key that ran out is seen within 1 s."""
        while not await self._try(self._take):  # noqa: ASYNC110  a key runs out and tells nobody
            await asyncio.sleep(_TRY_SECONDS)
        self._active.set(1)
        log.info("this process is now the active one", key=self._key)

    async def keep(self) -> None:
        """Renew until the lease is lost."""
        try:
            while self.held:
                renewed = await self._try(self._renew)
                await asyncio.sleep(_RENEW_SECONDS if renewed else _TRY_SECONDS)
        finally:
            self._active.set(0)
        log.warning(
            "this process is no longer the active one", key=self._key, problem=self.standing
        )

    async def release(self) -> None:
        """Let another process take over at once; nothing may be started any more."""
        held, self._until = self.held, 0.0
        self._active.set(0)
        if not held:
            return
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                bucket = await self._bucket()
                await bucket.delete(self._key, last=self._revision)
        except _AWAY as error:
            log.warning("the lease was not given back; it runs out", problem=repr(error))
        else:
            log.info("this process gave its lease back", key=self._key)

    async def _try(self, step: Callable[[KeyValue], Awaitable[bool]]) -> bool:
        heed_cancellation()
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                return await step(await self._bucket())
        except _AWAY as error:
            log.warning("the lease cannot be asked for now; will retry", problem=repr(error))
            return False

    async def _take(self, bucket: KeyValue) -> bool:
        asked = self._now()
        try:
            revision = await bucket.create(self._key, self._value())
        except KeyWrongLastSequenceError:
            # The log may have taken our own word, and its answer was lost.
            return await self._is_ours(bucket) and await self._renew(bucket)
        self._hold(revision, asked)
        return True

    async def _renew(self, bucket: KeyValue) -> bool:
        asked = self._now()
        try:
            revision = await bucket.update(self._key, self._value(), last=self._revision)
        except KeyWrongLastSequenceError:
            if not await self._is_ours(bucket):
                self._until = 0.0
            return False
        self._hold(revision, asked)
        return True

    async def _is_ours(self, bucket: KeyValue) -> bool:
        """Look who holds the key, and take over the revision where that is this process."""
        try:
            entry = await bucket.get(self._key)
        except KeyNotFoundError:
            self._other = None
            return False
        holder = json.loads(entry.value or b"{}")
        if holder.get("holder") == self._holder:
            self._revision = entry.revision or 0
            return True
        self._other = holder.get("instance")
        return False

    def _hold(self, revision: int, asked: float) -> None:
        self._revision, self._other = revision, None
        self._until = asked + self._lasts

    def _value(self) -> bytes:
        return json.dumps({"instance": self._instance, "holder": self._holder}).encode()

    async def _bucket(self) -> KeyValue:
        if self._opened is None:
            self._opened = await self._js.key_value(self._name)
        return self._opened
