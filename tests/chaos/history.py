"""What was done, asked and answered, written as it happens: one JSON object a line."""

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any


class History:
    """The file `history.jsonl` of one run, and how many records of each sort it holds."""

    def __init__(self, path: Path) -> None:
        self.counts: Counter[str] = Counter()
        self._file = path.open("a", buffering=1, encoding="utf-8")
        self._requests = 0

    def add(self, what: str, **fields: Any) -> float:
        """Write one record, and return its time."""
        at = now()
        line = json.dumps({"at": at, "what": what, **fields}, ensure_ascii=False, default=str)
        self._file.write(f"{line}\n")
        self.counts[what] += 1
        return at

    def next_request(self) -> int:
        """Return the id of the next request."""
        self._requests += 1
        return self._requests

    def close(self) -> None:
        """End the file."""
        self._file.close()


def now() -> float:
    """Return the real time, in Unix seconds."""
    return time.time()


def write_lines(path: Path, records: list[dict[str, Any]]) -> None:
    """Write a whole file of JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(record, ensure_ascii=False, default=str) + "\n" for record in records)
    path.write_text("".join(lines), encoding="utf-8")
