"""What a stream is, by the word of the server that leads it."""

import asyncio

import nats.errors
from nats.js import JetStreamContext
from nats.js.api import ClusterInfo, StreamInfo

_PAUSES = (0.05, 0.1, 0.2, 0.4)
_HEARD_NANOSECONDS = 3_000_000_000
"""A follower is heard each second, and wants to lead after 4 s at least (nats-server, raft.go)."""


def leads(cluster: ClusterInfo | None) -> bool:
    """Whether who answered leads the stream for certain: nobody else can have what it lacks.

    Two answer by what they knew: a follower that was frozen, until it has learned who leads (it
    names nobody then), and a leader that is cut off from the others, until it steps down (it heard
    no majority of late). A stream on one server has neither.
    """
    if cluster is None:
        return True
    others = cluster.replicas or []
    near = [other for other in others if (other.active or 0) < _HEARD_NANOSECONDS]
    return bool(cluster.leader) and 2 * (1 + len(near)) > 1 + len(others)


async def leaders_info(
    js: JetStreamContext, stream: str, *, subjects: str | None = None
) -> StreamInfo:
    """Return what the stream's leader says of it; how much stands on `subjects`, where given.

    Raises nats.errors.Error where nobody leads within a second, or NotFoundError.
    """
    pauses = iter(_PAUSES)
    while not leads((info := await js.stream_info(stream, subjects_filter=subjects)).cluster):
        if (pause := next(pauses, None)) is None:
            raise nats.errors.Error(f"nobody leads the stream {stream} now")
        await asyncio.sleep(pause)
    return info
