"""Makes sure that a version goes on in the very log that it was folded from."""

import asyncio
from dataclasses import replace
from pathlib import Path

from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from analytics.archive import Archive, File
from analytics.domain.guard import Checkpoint, HaltError, Stream, regression
from analytics.domain.messages import Message, decode
from analytics.domain.sealing import MESSAGES
from analytics.feed import FeedError
from chassis.leader import leaders_info
from chassis.topology import Moved, moved_out
from contracts.streams import EVENTS

_OF_MESSAGES = MESSAGES.removesuffix(">")


async def same_log(js: JetStreamContext, checkpoint: Checkpoint) -> Checkpoint:
    """Return the checkpoint, with the log that it stands in; raises HaltError, or FeedError."""
    info = await leaders_info(js, EVENTS.name)
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

    The log itself says what was moved, and into which archive: of that no more is read. Raises
    HaltError where it is not the one in `folder`. Asked after a consumer begins to read, it misses
    nothing that is moved from then on: whoever moves events looks who reads them, once the log says
    that they are moved. Raises HaltError as well where the log has lost that note.
    """
    moved = await moved_out(js, EVENTS)
    if folder and (unsaid := await unnoted(js, folder, moved, after=after)):
        raise HaltError(
            f"the log has lost its note of what was moved: it says nothing of {unsaid.name}, and"
            " lacks what that file of the archive holds",
            "python -m analytics archive --before DAY writes the note again; DAY may be one before"
            " all that is in the log",
        )
    return await noted(moved, folder, after=after)


async def noted(moved: Moved | None, folder: Path | None, *, after: int = 0) -> Archive | None:
    """Return the archive of which the log says `moved`, to be read that far; see `past`."""
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
    archive = archive.up_to(moved.through)
    await asyncio.to_thread(archive.check)
    return archive


async def unnoted(
    js: JetStreamContext, folder: Path, moved: Moved | None, *, after: int = 0
) -> File | None:
    """Return a file behind `after` that was moved, and of which the log says nothing.

    None: no events were moved but those that the log says. Its note stands in the stream's
    settings, and who changes these at the same moment may write over it.
    """
    archive = None if moved and after >= moved.through else await _here(js, folder, moved)
    newer = archive.behind(max(after, moved.through if moved else 0)) if archive else []
    if archive is None or not newer:
        return None
    records = await asyncio.to_thread(archive.records, newer[0])
    # Messages are removed first, and are nobody's: that they are gone says that they were moved.
    witness = next((one for one in records if one.subject.startswith(_OF_MESSAGES)), records[0])
    gone = await _nothing_at(js, witness.sequence)
    return newer[0] if gone else None


async def _here(js: JetStreamContext, folder: Path, moved: Moved | None) -> Archive | None:
    """Return the archive in the folder where it is this log's."""
    archive = await asyncio.to_thread(Archive.open, folder)
    if archive is None:
        return None
    if moved:
        return archive if archive.manifest.name == moved.archive else None
    created = (await leaders_info(js, EVENTS.name)).created
    ours = created is not None and created.isoformat() == archive.manifest.stream_created
    return archive if ours else None


async def _nothing_at(js: JetStreamContext, sequence: int) -> bool:
    """Tell whether the log goes beyond a sequence, and has nothing there."""
    try:
        await js.get_msg(EVENTS.name, sequence)
    except NotFoundError:
        return await last_sequence(js) >= sequence
    return False


async def last_sequence(js: JetStreamContext) -> int:
    """Return the sequence of the log's last message."""
    return (await leaders_info(js, EVENTS.name)).state.last_seq


async def _identity(js: JetStreamContext, sequence: int) -> str | None:
    """Return whose message stands at `sequence`, None where there is none (any more)."""
    if sequence == 0:
        return None
    try:
        found = await js.get_msg(EVENTS.name, sequence)
    except NotFoundError:
        return None
    return decode(Message(sequence, found.subject or "", {}, found.data or b"")).identity
