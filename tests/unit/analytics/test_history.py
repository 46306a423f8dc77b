"""Archive and log are handed over as one: in order, each event once, none left out."""

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.archive import Archive, Record
from analytics.domain.messages import Message
from analytics.feed import Feed
from analytics.history import History


class Log:
    """A feed that hands over some messages, so many at a time."""

    def __init__(self, sequences: list[int], step: int) -> None:
        self._left = [Message(n, "s", b"", b"log", f"reply {n}") for n in sequences]
        self._step = step
        self.acknowledged: list[int] = []

    waiting = False

    async def exhausted(self) -> bool:
        return not self._left

    async def take(self) -> list[Message]:
        assert self._left, "it would wait for ever"
        taken, self._left = self._left[: self._step], self._left[self._step :]
        return taken

    async def acknowledge(self, last: Message) -> None:
        self.acknowledged.append(last.sequence)


class Files:
    def __init__(self, files: list[list[int]]) -> None:
        self._files = files

    def after(self, sequence: int) -> Any:
        for file in self._files:
            if found := [Record(n, "s", b"", 0, b"file") for n in file if n > sequence]:
                yield found


SEQUENCES = st.sets(st.integers(1, 60)).map(sorted)


@given(past=SEQUENCES, present=SEQUENCES, cut=st.integers(1, 9), step=st.integers(1, 9),
       most=st.integers(1, 9), after=st.integers(0, 20))  # fmt: skip
def test_all_is_handed_over_once_and_in_order(
    past: list[int], present: list[int], cut: int, step: int, most: int, after: int
) -> None:
    async def read() -> tuple[list[int], list[int]]:
        log = Log([n for n in present if n > after], step)
        files = Files([past[n : n + cut] for n in range(0, len(past), cut)])
        history = History(cast("Feed", log), cast("Archive", files), after=after)
        handed: list[int] = []
        while history.waiting or not await history.exhausted():
            taken = await history.take()
            handed += [message.sequence for message in taken]
            if taken:
                await history.acknowledge(taken[-1])
        return handed, log.acknowledged

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("analytics.history.MOST", most)
        handed, acknowledged = asyncio.run(read())

    assert handed == sorted({n for n in (*past, *present) if n > after})
    assert acknowledged == sorted(set(acknowledged))
    assert acknowledged[-1:] == [n for n in present if n > after][-1:]


def test_records_come_back_from_files_as_they_were(tmp_path: Path) -> None:
    records = [
        Record(n, f"cta.clicked.{n}", b"NATS/1.0\r\n\r\n", 1_700_000_000_123_456_789 + n, b"\xff\0")
        for n in range(1, 5)
    ]
    archive = Archive.begin(tmp_path / "a", "today")
    archive.add(records[:2])
    archive.add(records[2:])

    opened = Archive.open(tmp_path / "a")

    assert opened is not None
    opened.check()
    assert [one for file in opened.after(0) for one in file] == records
    assert [one for file in opened.after(3) for one in file] == records[3:]
    assert opened.manifest == archive.manifest
    assert opened.manifest.records == 4
    assert opened.without(lambda subject: subject == "cta.clicked.2") == 1
    assert [one.sequence for file in opened.after(0) for one in file] == [1, 3, 4]
    assert opened.manifest.through == 4
