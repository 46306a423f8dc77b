"""Which version of the projection a replica works on. Pure: the database's versions go in."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Version:
    """One version in the database.

    `fold` is the number of its tables and fold, `ours` whether they are this release's. `live`:
    analysts read it; `built`: it has its indexes, and can be.
    """

    number: int
    fold: int
    ours: bool
    live: bool
    built: bool
    checkpoint: int
    identity: str | None = None
    stream_created: datetime | None = None
    updated_at: datetime | None = None
    replaced_at: datetime | None = None


@dataclass(frozen=True)
class Follow:
    """Fold what comes into the live version."""

    version: int


@dataclass(frozen=True)
class Begin:
    """There is no version yet: make one. Of a short log it can be shown at once, and followed."""

    version: int


@dataclass(frozen=True)
class Build:
    """Build a version beside the live one, or go on with it, and show it when it is as far."""

    version: int
    new: bool


@dataclass(frozen=True)
class Wait:
    """A newer release's version is live; this release has nothing to fold."""

    version: int


Task = Follow | Begin | Build | Wait


def task(versions: Sequence[Version], fold: int) -> Task:
    """Return what a replica of the release with this `fold` has to do."""
    live = next((version for version in versions if version.live), None)
    if live is None:
        begun = build(versions)
        return Begin(begun.version) if begun.new else begun
    if live.ours:
        return Follow(live.number)
    if live.fold > fold:
        return Wait(live.number)
    return build(versions)


def build(versions: Sequence[Version]) -> Build:
    """Return which version to build: the one that was begun since the live one was, or a new one.

    One that was live before and was replaced is not taken up again: it may have been replaced
    because it was wrong.
    """
    begun = [v for v in versions if v.ours and not v.live and v.replaced_at is None]
    if begun:
        return Build(begun[-1].number, new=False)
    return Build(next_number(versions), new=True)


def next_number(versions: Sequence[Version]) -> int:
    """Return the number of the next version."""
    return max((version.number for version in versions), default=0) + 1
