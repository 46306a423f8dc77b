"""What was moved to the archive and what stands in the log, as one: in the order of the log.

What is in both, as it was being moved when somebody was killed, is handed over once.
"""

import asyncio
from collections.abc import Iterator

from analytics.archive import Archive, Record
from analytics.domain.guard import HaltError
from analytics.domain.messages import Message
from analytics.feed import MOST, Feed, FeedError


class History:
    """Stands in the place of a feed, and hands over the archive's events behind `after` as well."""

    def __init__(self, feed: Feed, archive: Archive | None, *, after: int = 0) -> None:
        self._feed = feed
        self._archive = archive
        self._files: Iterator[list[Record]] = archive.after(after) if archive else iter(())
        self._past: list[Record] = []
        self._present: list[Message] = []
        self._handed: list[Message] = []
        self._over = archive is None

    @property
    def waiting(self) -> bool:
        """Whether messages are here that nobody took yet."""
        return bool(self._past or self._present or self._feed.waiting)

    async def exhausted(self) -> bool:
        """Wait for something to be taken; True once it is certain that nothing is, see `Feed`."""
        await self._read()
        return self._over and not self._present and await self._feed.exhausted()

    async def take(self) -> list[Message]:
        """Wait for messages and return those that are here; raises FeedError, or HaltError."""
        await self._read()
        if self._over and not self._present:
            return await self._feed.take()
        if not self._present and (self._feed.waiting or not await self._feed.exhausted()):
            self._present = await self._feed.take()
        return self._merged()

    async def acknowledge(self, last: Message) -> None:
        """Tell the server that all up to `last` is done with, and wait until it knows."""
        done = [one for one in self._handed if one.sequence <= last.sequence]
        self._handed = self._handed[len(done) :]
        if newest := last if last.reply else next(reversed(done), None):
            await self._feed.acknowledge(newest)

    def end(self, problem: str) -> None:
        """Make `take` raise FeedError, now and from now on."""
        self._feed.end(problem)

    async def _read(self) -> None:
        """Have something of the archive at hand, unless all of it was handed over."""
        while not (self._past or self._over):
            try:
                found = await asyncio.to_thread(next, self._files, None)
            except HaltError as error:
                if self._archive is not None and self._archive.changed():
                    raise FeedError("the archive was written anew meanwhile") from error
                raise
            self._over, self._past = found is None, found or []

    def _merged(self) -> list[Message]:
        """Take what certainly comes next: no further than to the end of what is at hand of both."""
        ends = [part[-1].sequence for part in (self._past, self._present) if part]
        till = min(ends)
        past = [one.message for one in self._past[:MOST] if one.sequence <= till]
        if past:
            till = min(till, past[-1].sequence) if len(past) == MOST else till
        present = [one for one in self._present if one.sequence <= till]
        self._past, self._present = self._past[len(past) :], self._present[len(present) :]
        self._handed += present
        both = {one.sequence: one for one in (*past, *present)}
        return [both[sequence] for sequence in sorted(both)]
