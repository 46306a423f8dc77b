"""What survives a kill: JSON documents and file contents in one SQLite file, written through."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Store:
    """Documents by (kind, key). Changes become durable together at `commit`.

    WAL without a sync for each commit: nothing is lost when the process is killed, and
    hundreds of commits a second are cheap; only a power cut may lose the last of them.
    """

    def __init__(self, path: str):
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS documents"
            " (kind TEXT, key TEXT, body TEXT, PRIMARY KEY (kind, key)) WITHOUT ROWID"
        )
        self._connection.execute("CREATE TABLE IF NOT EXISTS blobs (key TEXT PRIMARY KEY, b BLOB)")
        self._dirty: dict[tuple[str, str], Any] = {}

    def load(self, kind: str) -> Iterator[tuple[str, Any]]:
        rows = self._connection.execute("SELECT key, body FROM documents WHERE kind = ?", (kind,))
        return ((key, json.loads(body)) for key, body in rows)

    def put(self, kind: str, key: str, document: object) -> None:
        self._dirty[kind, key] = document

    def drop(self, kind: str, key: str) -> None:
        self._dirty[kind, key] = None

    def commit(self) -> None:
        """Make every change so far durable, all or none."""
        if not self._dirty:
            return
        changes, self._dirty = self._dirty, {}
        saved = [(k, n, json.dumps(_plain(d))) for (k, n), d in changes.items() if d is not None]
        dropped = [name for name, document in changes.items() if document is None]
        self._connection.execute("BEGIN")
        self._connection.executemany("INSERT OR REPLACE INTO documents VALUES (?, ?, ?)", saved)
        self._connection.executemany("DELETE FROM documents WHERE kind = ? AND key = ?", dropped)
        self._connection.execute("COMMIT")

    def put_blob(self, key: str, content: bytes) -> None:
        self._connection.execute("INSERT OR REPLACE INTO blobs VALUES (?, ?)", (key, content))

    def blob(self, key: str) -> bytes | None:
        row = self._connection.execute("SELECT b FROM blobs WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None

    def close(self) -> None:
        self.commit()
        self._connection.close()


def _plain(document: object) -> object:
    return document if isinstance(document, int | str | list | dict) else vars(document)


class Shelf(Generic[T]):
    """All dataclass instances of one kind, held in memory and written through to the store."""

    def __init__(self, store: Store, kind: str, make: type[T], key: Callable[[T], str]):
        self._store, self._kind, self._key = store, kind, key
        self._items: dict[str, T] = {k: make(**body) for k, body in store.load(kind)}

    def get(self, key: object) -> T | None:
        return self._items.get(str(key))

    def save(self, item: T) -> T:
        key = self._key(item)
        self._items[key] = item
        self._store.put(self._kind, key, item)
        return item

    def drop(self, item: T) -> None:
        key = self._key(item)
        self._items.pop(key, None)
        self._store.drop(self._kind, key)

    def __iter__(self) -> Iterator[T]:
        return iter(list(self._items.values()))

    def __len__(self) -> int:
        return len(self._items)


class Counters:
    """Numbers that only grow, also across restarts: message ids, update ids and the like."""

    def __init__(self, store: Store):
        self._store = store
        self._values: dict[str, int] = dict(store.load("counter"))

    def next(self, name: str, step: int = 1, start: int = 0) -> int:
        value = self._values.get(name, start) + step
        self._values[name] = value
        self._store.put("counter", name, value)
        return value
