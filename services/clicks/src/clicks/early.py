"""Keeps what Stripe says too early: a refund may arrive before the payment that it pays back.

Stripe's events come in any order, and what it repeats after an outage of ours it repeats at a time
of its own for each. What leads back to nothing by itself but follows another sale waits for that
one in a bucket. Most of it is none of ours: it runs out there.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import nats.errors
from nats.js import JetStreamContext
from nats.js.errors import Error as JetStreamError
from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue
from pydantic import TypeAdapter

from chassis.log import LogUnavailableError
from clicks.domain.stripe_events import Sale
from clicks.journal import PATIENCE
from contracts.streams import CLICKS_STRIPE

_SALES = TypeAdapter(tuple[Sale, ...])
_AWAY = (JetStreamError, nats.errors.Error, TimeoutError, OSError)


class Early:
    """Keeps and finds nothing until the bucket's server is there (`open`).

    Raises LogUnavailableError where the server does not answer: Stripe is to say it again.
    """

    def __init__(self) -> None:
        self._js: JetStreamContext | None = None

    def open(self, js: JetStreamContext) -> None:
        """Keep it in the bucket of this server from now on."""
        self._js = js

    async def keep(self, sale: Sale, *, until: str) -> None:
        """Keep `sale` for the one that has the id `until`."""
        async with self._bucket() as bucket:
            while not await _has(bucket, until, sale):
                pass  # something else was kept at the same moment

    async def followers(self, id_: str) -> tuple[Sale, ...]:
        """Return what was kept for the sale of this id."""
        async with self._bucket() as bucket:
            kept, _ = await _kept(bucket, id_)
        return kept

    @asynccontextmanager
    async def _bucket(self) -> AsyncIterator[KeyValue]:
        if self._js is None:
            raise LogUnavailableError("the log is not there yet")
        try:
            async with asyncio.timeout(PATIENCE):
                yield await self._js.key_value(CLICKS_STRIPE.name)
        except _AWAY as error:
            problem = f"what came too early cannot be kept or found: {error!r}"
            raise LogUnavailableError(problem) from error


async def _has(bucket: KeyValue, key: str, sale: Sale) -> bool:
    """Tell whether `sale` is kept under `key` now; False: somebody was quicker, look again."""
    kept, revision = await _kept(bucket, key)
    if sale in kept:
        return True
    try:
        await bucket.update(key, _SALES.dump_json((*kept, sale)), last=revision)
    except KeyWrongLastSequenceError:
        return False
    return True


async def _kept(bucket: KeyValue, key: str) -> tuple[tuple[Sale, ...], int]:
    """Return what is kept under `key`, and the revision of it: 0 where nothing is."""
    try:
        entry = await bucket.get(key)
    except KeyNotFoundError:
        return (), 0
    return _SALES.validate_json(entry.value or b"[]"), entry.revision or 0
