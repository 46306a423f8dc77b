"""Makes sure that a version goes on in the very log that it was folded from."""

import asyncio
from dataclasses import replace
from pathlib import Path

from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from analytics.archive import Archive
from analytics.domain.guard import Checkpoint, HaltError, Stream, regression
from analytics.domain.messages import Message, decode
from analytics.feed import FeedError
from chassis.topology import moved_out
from contracts.streams import EVENTS


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


async def past(js: JetStreamContext, folder: Path | None, *, after: int = 0) -> Archive | None:
    """Return the archive that holds what was moved out of the log behind `after`, None for none.

    The log itself says what was moved, and into which archive; raises HaltError where that is not
    the one in `folder`. Asked after a consumer begins to read, it misses nothing that is moved from
    then on: whoever moves events looks who reads them, once the log says that they are moved.
    """
    moved = await moved_out(js, EVENTS)
    if moved is None or after >= moved.through:
        return None
    words = f"events up to sequence {moved.through} were moved to the archive {moved.archive}"
    if folder is None:
        raise HaltError(words, "set FINGERPOST_ARCHIVE to its folder")
    archive = await asyncio.to_thread(Archive.open, folder)
    if archive is None:
        raise HaltError(
            f"{words}, and {folder} holds none",
            "set FINGERPOST_ARCHIVE to its folder, or restore it",
        )
    manifest = archive.manifest
    if manifest.name != moved.archive:
        raise HaltError(
            f"{words}, and {folder} holds the archive {manifest.name}",
            "set FINGERPOST_ARCHIVE to the folder of this log's archive",
        )
    if manifest.through < moved.through:
        raise HaltError(
            f"{words}, and {folder} holds it up to {manifest.through}: an old copy",
            "set FINGERPOST_ARCHIVE to the folder that was written last, or restore it",
        )
    await asyncio.to_thread(archive.check)
    return archive


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
