"""Sorts more than memory holds: parts are sorted and put aside in temporary files, then merged."""

import pickle
from collections.abc import Iterator
from contextlib import ExitStack
from heapq import merge
from itertools import groupby
from operator import itemgetter
from tempfile import TemporaryFile
from typing import IO, Any

Item = tuple[str, tuple[str, ...], int, bytes]
"""Table, key, sequence, and the event's document."""

MOST_BYTES = 64_000_000
"""What is held in memory."""

_OVERHEAD = 300
"""Bytes that an item takes beside its document, about."""


class Spool:
    """What the log says, by the row that it says it about; its files are gone when it is closed."""

    def __init__(self) -> None:
        self._held: list[Item] = []
        self._bytes = 0
        self._files = ExitStack()
        self._runs: list[IO[bytes]] = []

    def __enter__(self) -> "Spool":
        return self

    def __exit__(self, *_: object) -> None:
        self._files.close()

    def add(self, item: Item) -> None:
        """Put an item in."""
        self._held.append(item)
        self._bytes += len(item[3]) + _OVERHEAD
        if self._bytes > MOST_BYTES:
            self._put_aside()

    def tables(self) -> Iterator[tuple[str, Iterator[tuple[tuple[str, ...], list[Any]]]]]:
        """Yield table after table, each as its keys in order, each with its documents in order.

        A table has to be read before the next one is asked for.
        """
        self._held.sort()
        runs = (_read(file) for file in self._runs)
        whole = merge(*runs, self._held)
        for table, items in groupby(whole, key=itemgetter(0)):
            yield table, _stories(items)

    def _put_aside(self) -> None:
        self._held.sort()
        file = self._files.enter_context(TemporaryFile())  # noqa: SIM115  closed with the rest
        pickler = pickle.Pickler(file, protocol=pickle.HIGHEST_PROTOCOL)
        for item in self._held:
            pickler.dump(item)
            pickler.clear_memo()
        self._runs.append(file)
        self._held, self._bytes = [], 0


def _stories(items: Iterator[Item]) -> Iterator[tuple[tuple[str, ...], list[Any]]]:
    for key, story in groupby(items, key=itemgetter(1)):
        yield key, [(sequence, document) for _, _, sequence, document in story]


def _read(file: IO[bytes]) -> Iterator[Item]:
    file.seek(0)
    while True:
        try:
            # Written by this very process, in a file without a name.
            yield pickle.load(file)  # noqa: S301
        except EOFError:
            return
