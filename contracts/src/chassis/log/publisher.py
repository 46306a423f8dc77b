"""Puts events into the log, and returns only when the log has them.

A publish is repeated with the same id until it is acknowledged, so an answer that was lost makes
no second event. With a `patience` it gives up after that time and raises, and the event may or may
not be in the log: the caller tells whoever asked to ask again.
"""

import asyncio
from time import perf_counter

import nats.errors
from nats.js import JetStreamContext
from nats.js.errors import APIError
from nats.js.errors import Error as JetStreamError

from chassis import tracing
from chassis.cancellation import heed_cancellation
from chassis.clock import Clock, utc_now
from chassis.log.cause import current
from chassis.logs import detailed, logger
from chassis.metrics import ACKNOWLEDGED, published
from contracts.envelope import CONTENT_TYPE, Envelope
from contracts.events import Event
from contracts.streams import EVENTS

_WRONG_LAST_SEQUENCE = (10071, 10164)
_ATTEMPT_SECONDS = 5.0
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 2.0
_EXPECTED_SEQUENCE = "Nats-Expected-Last-Subject-Sequence"
_EXPECTED_SCOPE = "Nats-Expected-Last-Subject-Sequence-Subject"

log = logger(__name__)


class LogUnavailableError(Exception):
    """The log did not acknowledge within the caller's patience."""


class Publisher:
    """Publishes as one service; safe to use from many tasks at once."""

    def __init__(self, js: JetStreamContext, *, source: str, clock: Clock = utc_now) -> None:
        self._js = js
        self._source = f"/{source}"
        self._clock = clock

    async def publish(
        self, event: Event, *, cause: Envelope | None = None, patience: float | None = None
    ) -> None:
        """Add `event`; one with the same id within the duplicate window is the same event.

        A server that was killed knows these ids again, but for those of events that were erased.
        `cause` is what it follows, where that is not the event that is being handled.
        """
        await self._send(event, {}, cause, patience)

    async def publish_once(
        self,
        event: Event,
        *,
        over: str | None = None,
        after: int = 0,
        known_as: str | None = None,
        cause: Envelope | None = None,
        patience: float | None = None,
    ) -> int:
        """Add `event` unless somebody already did; return its sequence, 0 if the log refused it.

        It is taken if the newest event on its subject (or on the wildcard `over`) has the sequence
        `after`, 0 meaning that there is none. A refusal may also mean that an earlier attempt of
        this very call was stored and its answer lost: who must know reads the event back.
        `known_as` takes the id's place in the duplicate window, for a fact that is said once more
        on purpose.
        """
        headers = {_EXPECTED_SEQUENCE: str(after)}
        if known_as:
            headers["Nats-Msg-Id"] = known_as
        if over:
            headers[_EXPECTED_SCOPE] = over
        return await self._send(event, headers, cause, patience)

    async def _send(
        self,
        event: Event,
        headers: dict[str, str],
        cause: Envelope | None,
        patience: float | None,
    ) -> int:
        cause = cause or current()
        envelope = Envelope.of(event, source=self._source, now=self._clock(), cause=cause)
        headers = {"Nats-Msg-Id": envelope.id, "Content-Type": CONTENT_TYPE, **headers}
        fact = event.fact()
        try:
            with tracing.span(
                f"publish {fact}",
                kind="producer",
                correlation=envelope.correlationid,
                attributes={tracing.SUBJECT: envelope.subject},
            ):
                headers |= tracing.carried()
                async with asyncio.timeout(patience):
                    stored = await self._until_acknowledged(envelope, headers)
        except TimeoutError as error:
            published(fact, "unavailable").inc()
            raise LogUnavailableError(f"no acknowledgement within {patience} s") from error
        published(fact, "stored" if stored else "already_said").inc()
        if detailed():
            story = envelope.correlationid
            log.debug("said", id=envelope.id, correlation_id=story, sequence=stored)
        return stored

    async def _until_acknowledged(self, envelope: Envelope, headers: dict[str, str]) -> int:
        document = envelope.document()
        pause = _FIRST_PAUSE
        while True:
            heed_cancellation()
            begun = perf_counter()
            try:
                # Not `publish_async`: in nats-py 2.16 a refusal never reaches its future.
                ack = await self._js.publish(
                    envelope.subject,
                    document,
                    timeout=_ATTEMPT_SECONDS,
                    stream=EVENTS.name,
                    headers=headers,
                )
            except APIError as error:
                if error.err_code in _WRONG_LAST_SEQUENCE:
                    return 0
                problem = repr(error)
            except nats.errors.MaxPayloadError:
                raise  # no repeat makes it smaller
            except (JetStreamError, nats.errors.Error, TimeoutError, OSError) as error:
                problem = repr(error)
            else:
                ACKNOWLEDGED.observe(perf_counter() - begun)
                return 0 if ack.duplicate else ack.seq
            log.warning(
                "the log did not acknowledge; will repeat",
                id=envelope.id,
                correlation_id=envelope.correlationid,
                problem=problem,
            )
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
