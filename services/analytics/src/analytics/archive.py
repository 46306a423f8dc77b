"""Events that were moved out of the log: Parquet files, and a manifest that says which they are.

A file is written under another name, forced to disk and renamed, and counts once the manifest,
which is replaced in the same way, names it with its digest. So whatever is killed leaves the files
that the manifest names, whole; what it does not name is removed by the next who writes.
"""

import io
import json
import os
import secrets
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from errno import ENOLCK, EOPNOTSUPP
from fcntl import LOCK_EX, LOCK_NB, flock
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from arro3.core import Array, DataType, Field, RecordBatch, Schema, Table
from arro3.io import read_parquet, write_parquet

from analytics.domain.guard import HaltError
from analytics.domain.messages import Message

MOST_RECORDS = 50_000
"""Events in one file."""

MOST_BYTES = 32_000_000
"""Of events in one file, before they are packed: a file is read at once."""

_MANIFEST = "manifest.json"
_FORMAT = 1
_COLUMNS = (
    Field("sequence", DataType.int64()),
    Field("subject", DataType.utf8()),
    Field("headers", DataType.binary()),
    Field("stored_at", DataType.timestamp("ns", tz="UTC")),
    Field("data", DataType.binary()),
)
_RESTORE = "restore the folder from its backup"


class Record(NamedTuple):
    """One message as the log held it; `stored_at` in nanoseconds since 1970, by the log's clock."""

    sequence: int
    subject: str
    headers: bytes
    stored_at: int
    data: bytes

    @property
    def message(self) -> Message:
        """The same, as it would have been handed over."""
        return Message(self.sequence, self.subject, self.headers, self.data)


@dataclass(frozen=True)
class File:
    """One file; a person who was forgotten may have taken its `first` or `last` away."""

    name: str
    first: int
    last: int
    records: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """All that is in the folder.

    `name` is the archive's own, `stream_created` when the log was made that it belongs to. Of the
    events that are moved, all up to sequence `through` are here.
    """

    name: str
    stream_created: str
    through: int = 0
    files: tuple[File, ...] = ()
    format: int = _FORMAT

    @property
    def records(self) -> int:
        """How many events are here."""
        return sum(file.records for file in self.files)


class Archive:
    """The archive in one folder; one writes at a time, any number read.

    Read is what stands up to `till`, None for all.
    """

    def __init__(self, folder: Path, manifest: Manifest, *, till: int | None = None) -> None:
        self.folder = folder
        self.manifest = manifest
        self._till = till

    @classmethod
    def begin(cls, folder: Path, stream_created: str) -> "Archive":
        """Make an archive that is empty; it is there once something is added."""
        with _writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        return cls(folder, Manifest(secrets.token_hex(8), stream_created))

    @classmethod
    def open(cls, folder: Path) -> "Archive | None":
        """Return what is in the folder, None for nothing; raises HaltError where it is damaged."""
        try:
            said = json.loads((folder / _MANIFEST).read_bytes())
            if said["format"] != _FORMAT:
                raise HaltError(
                    f"{folder / _MANIFEST} is of format {said['format']}",
                    "use the release that wrote it, or a newer one",
                )
            files = tuple(File(**file) for file in said.pop("files"))
            return cls(folder, Manifest(**said, files=files))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise HaltError(f"{folder / _MANIFEST} cannot be read ({error!r})", _RESTORE) from error

    def up_to(self, through: int) -> "Archive":
        """Return the same, to be read up to `through`, as its log says.

        What follows here the log has itself; or it was restored, and has other events there.
        """
        return Archive(self.folder, self.manifest, till=through)

    def check(self) -> None:
        """Raise HaltError where a file that is read is missing, or has another size."""
        for file in self._files():
            path = self.folder / file.name
            size = path.stat().st_size if path.is_file() else None
            if size != file.bytes:
                found = "is missing" if size is None else f"has {size} bytes, not {file.bytes}"
                raise HaltError(f"{path} of the archive {found}", _RESTORE)

    def changed(self) -> bool:
        """Whether somebody wrote here since this was opened."""
        present = Archive.open(self.folder)
        return present is None or present.manifest != self.manifest

    def records(self, file: File) -> list[Record]:
        """Return what is in a file, in the log's order; raises HaltError where it is damaged."""
        path = self.folder / file.name
        try:
            packed = path.read_bytes()
        except OSError as error:
            raise HaltError(
                f"{path} of the archive cannot be read ({error!r})", _RESTORE
            ) from error
        if sha256(packed).hexdigest() != file.sha256:
            raise HaltError(f"{path} is not the file that the archive's manifest names", _RESTORE)
        return list(_unpacked(packed))

    def after(self, sequence: int) -> Iterator[list[Record]]:
        """Yield what stands behind `sequence`, in the log's order, a file at a time."""
        for file in self._files():
            if file.last > sequence:
                yield [one for one in self.records(file) if one.sequence > sequence]

    def behind(self, through: int) -> list[File]:
        """Return the files behind `through` that are there."""
        newer = (file for file in self.manifest.files if file.last > through)
        return [file for file in newer if (self.folder / file.name).exists()]

    def add(self, records: Sequence[Record]) -> None:
        """Add what follows, as one file; it is there, or nothing is."""
        file = self._write(records)
        files = (*self.manifest.files, file)
        self._replace(replace(self.manifest, through=file.last, files=files))

    def back_to(self, through: int) -> None:
        """Give up what follows `through`."""
        if self.manifest.through > through:
            files = tuple(file for file in self.manifest.files if file.last <= through)
            self._replace(replace(self.manifest, through=through, files=files))

    def without(self, unwanted: Callable[[str], bool]) -> int:
        """Write anew the files that hold unwanted subjects, without them; return how many went."""
        files: list[File] = []
        gone = 0
        for file in self.manifest.files:
            records = self.records(file)
            kept = [one for one in records if not unwanted(one.subject)]
            if len(kept) == len(records):
                files.append(file)
                continue
            gone += len(records) - len(kept)
            if kept:
                files.append(self._write(kept))
        if gone:
            self._replace(replace(self.manifest, files=tuple(files)))
        self.sweep()
        return gone

    def sweep(self) -> None:
        """Remove files that the manifest does not name: somebody was killed who wrote."""
        named = {file.name for file in self.manifest.files}
        with _writing(self.folder):
            for path in self.folder.iterdir():
                if path.suffix in {".parquet", ".part"} and path.name not in named:
                    path.unlink()
            _sync(self.folder)

    def _files(self) -> list[File]:
        # The log says of whole files that they were moved: `till` is the end of one.
        return [f for f in self.manifest.files if self._till is None or f.last <= self._till]

    def _write(self, records: Sequence[Record]) -> File:
        packed = _packed(records)
        digest = sha256(packed).hexdigest()
        first, last = records[0].sequence, records[-1].sequence
        name = f"{first:012}-{last:012}-{digest[:8]}.parquet"
        _put(self.folder / name, packed)
        return File(name, first, last, len(records), len(packed), digest)

    def _replace(self, manifest: Manifest) -> None:
        _put(self.folder / _MANIFEST, json.dumps(asdict(manifest), indent=1).encode())
        self.manifest = manifest


@contextmanager
def alone(folder: Path) -> Iterator[bool]:
    """Keep others of this machine, or of a volume that knows locks, from writing; False: one does.

    Beside the lock in Postgres, which ends with its connection.
    """
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield _locked(descriptor)
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        flock(descriptor, LOCK_EX | LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in {ENOLCK, EOPNOTSUPP}:  # of a volume that knows no locks
            raise
    return True


def names_one_of(people: Collection[str], facts: Sequence[str]) -> Callable[[str], bool]:
    """Return what tells whether a subject of these patterns is one of these people's."""
    of_people = tuple(fact.removesuffix(">") for fact in facts)
    return lambda subject: subject.startswith(of_people) and subject.split(".")[2] in people


def _packed(records: Sequence[Record]) -> bytes:
    sequences, subjects, headers, moments, data = zip(*records, strict=True)
    arrays = [
        Array(sequences, type=DataType.int64()),
        Array(subjects, type=DataType.utf8()),
        Array(headers, type=DataType.binary()),
        Array(moments, type=DataType.int64()).cast(DataType.timestamp("ns", tz="UTC")),
        Array(data, type=DataType.binary()),
    ]
    schema = Schema(list(_COLUMNS))
    batch = RecordBatch.from_arrays(arrays, schema=schema)
    file = io.BytesIO()
    write_parquet(Table.from_batches([batch], schema=schema), file, compression="zstd(3)")
    return file.getvalue()


def _unpacked(packed: bytes) -> Iterator[Record]:
    for batch in read_parquet(io.BytesIO(packed)):
        columns = [batch.column(field.name) for field in _COLUMNS]
        columns[3] = columns[3].cast(DataType.int64())
        yield from map(Record._make, zip(*(one.to_pylist() for one in columns), strict=True))


def _put(path: Path, content: bytes) -> None:
    """Write a file so that it is there, whole and on disk, or the one before it is."""
    part = path.with_name(f"{path.name}.part")
    with _writing(path):
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        _sync(path.parent)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise HaltError(
            f"{path} of the archive cannot be written ({error.strerror})",
            "make room, or grant access, then repeat: it goes on where it was",
        ) from error


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
