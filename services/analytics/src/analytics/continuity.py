"""Makes sure that a version goes on in the very log that it was folded from."""

from dataclasses import replace

from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from analytics.domain.guard import Checkpoint, Stream, regression
from analytics.domain.messages import Message, decode
from analytics.feed import FeedError
from contracts.streams import EVENTS


class HaltError(RuntimeError):
    """Going on would spoil the tables: a person must decide. `remedy` says between what."""

    def __init__(self, problem: str, remedy: str) -> None:
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{problem}; {remedy}")


async def same_log(js: JetStreamContext, checkpoint: Checkpoint) -> Checkpoint:
    """Return the checkpoint, with the log that it stands in; raises HaltError, or FeedError."""
    info = await js.stream_info(EVENTS.name)
    if info.created is None:
        raise FeedError("the server does not say when the log was created")
    stream = Stream(info.created, info.state.last_seq, await _identity(js, checkpoint.sequence))
    if problem := regression(checkpoint, stream):
        raise HaltError(
            problem,
            "correct NATS_URL or POSTGRES_DSN if one names a wrong server; or restore the log from"
            " its backup; or accept the loss and fold this log anew:"
            " python -m analytics rebuild --accept-differences",
        )
    return replace(checkpoint, stream_created=info.created)


async def last_sequence(js: JetStreamContext) -> int:
    """Return the sequence of the log's last message."""
    return (await js.stream_info(EVENTS.name)).state.last_seq


async def _identity(js: JetStreamContext, sequence: int) -> str | None:
    """Return whose message stands at `sequence`, None where there is none (any more)."""
    if sequence == 0:
        return None
    try:
        found = await js.get_msg(EVENTS.name, sequence)
    except NotFoundError:
        return None
    return decode(Message(sequence, found.subject or "", {}, found.data or b"")).identity
