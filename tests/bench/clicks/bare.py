"""The floor of a tap, as a process: the bytes of its event published raw, so many at once."""

import asyncio
import json
import sys
import time

import nats
import uvloop

from bench.clicks.taps import TAPPED
from contracts.envelope import CONTENT_TYPE, Envelope
from contracts.events import CtaClicked
from contracts.examples import example
from contracts.streams import EVENTS

_SECONDS = 10


async def main(url: str, count: int, at_once: int) -> None:
    """Publish `count` clicks with acknowledgement; print how long it took."""
    client = await nats.connect(url)
    js = client.jetstream()
    clicked = example(CtaClicked)
    document = Envelope.of(clicked, source="/clicks", now=clicked.clicked_at, cause=None).document()
    numbers = iter(range(count))

    async def publish() -> None:
        for number in numbers:
            headers = {"Nats-Msg-Id": f"bare.{TAPPED}.{number}", "Content-Type": CONTENT_TYPE}
            subject = f"cta.clicked.{number}"
            await js.publish(
                subject, document, timeout=_SECONDS, stream=EVENTS.name, headers=headers
            )

    begun, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(publish() for _ in range(at_once)))
    figures = {"wall": time.perf_counter() - begun, "cpu": time.process_time() - cpu}
    await client.close()
    sys.stdout.write(json.dumps(figures))


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
