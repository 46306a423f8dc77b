"""What a stream is, by the word of its leader."""

import asyncio

import nats.errors
from nats.js import JetStreamContext
from nats.js.api import StreamInfo

_PAUSES = (0.05, 0.1, 0.2, 0.5, 1.0)


async def leaders_info(
    js: JetStreamContext, stream: str, *, subjects: str | None = None
) -> StreamInfo:
    """Return what the stream's leader says of it; how much stands on `subjects`, where given.

    A server that was frozen and wakes answers as well, for half a second, by what it knew before it
    slept: it names no leader then. Raises nats.errors.Error where nobody leads, or NotFoundError.
    """
    for pause in _PAUSES:
        info = await js.stream_info(stream, subjects_filter=subjects)
        if info.cluster is None or info.cluster.leader:
            return info
        await asyncio.sleep(pause)
    raise nats.errors.Error(f"nobody leads the stream {stream} now")
