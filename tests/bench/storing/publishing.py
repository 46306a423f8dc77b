"""Clicks published raw, so many at once, each acknowledged; and a disk that does nothing else."""

import asyncio
import os
from tempfile import NamedTemporaryFile
from time import perf_counter

from nats.js import JetStreamContext

from contracts.envelope import CONTENT_TYPE, Envelope
from contracts.events import CtaClicked
from contracts.examples import example
from contracts.streams import EVENTS

_SECONDS = 30
_CLICKED = example(CtaClicked)
_DOCUMENT = Envelope.of(_CLICKED, source="/clicks", now=_CLICKED.clicked_at, cause=None).document()


async def published(js: JetStreamContext, count: int, at_once: int) -> float:
    """Return the events a second of `count` clicks of as many people, `at_once` under way."""
    numbers = iter(range(count))

    async def publish() -> None:
        for number in numbers:
            headers = {"Nats-Msg-Id": f"{at_once}.{number}", "Content-Type": CONTENT_TYPE}
            subject = f"cta.clicked.{number}"
            await js.publish(
                subject, _DOCUMENT, timeout=_SECONDS, stream=EVENTS.name, headers=headers
            )

    begun = perf_counter()
    await asyncio.gather(*(publish() for _ in range(at_once)))
    return count / (perf_counter() - begun)


def synced(*, count: int) -> float:
    """Return the writes a second of `count` clicks to a file, each on disk before the next."""
    with NamedTemporaryFile() as file:
        begun = perf_counter()
        for _ in range(count):
            file.write(_DOCUMENT)
            file.flush()
            os.fsync(file.fileno())
        return count / (perf_counter() - begun)
