"""A table as a Parquet file, with the columns' types as the database has them."""

import io
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from arro3.core import Array, DataType, Field, RecordBatch, Schema, Table
from arro3.io import write_parquet

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_INTEGERS = {"int2", "int4", "int8"}


class Parquet:
    """Gathers rows by column, some thousand at a time, then writes the file."""

    def __init__(self, columns: Sequence[tuple[str, str]]) -> None:
        self._columns = columns
        self._schema = Schema([Field(name, _type(kind)) for name, kind in columns])
        self._batches: list[RecordBatch] = []
        self.rows = 0

    def add(self, rows: Sequence[Sequence[Any]]) -> None:
        """Add rows, whose values stand in the order of the columns."""
        if not rows:
            return
        arrays = [
            _array([row[place] for row in rows], kind)
            for place, (_, kind) in enumerate(self._columns)
        ]
        self._batches.append(RecordBatch.from_arrays(arrays, schema=self._schema))
        self.rows += len(rows)

    def bytes(self) -> bytes:
        """Return the file."""
        file = io.BytesIO()
        table = Table.from_batches(self._batches, schema=self._schema)
        write_parquet(table, file, compression="zstd(3)")
        return file.getvalue()


def _type(kind: str) -> DataType:
    match kind:
        case "timestamptz":
            return DataType.timestamp("us", tz="UTC")
        case "numeric":
            return DataType.decimal128(38, 9)
        case "date":
            return DataType.date32()
        case "bool":
            return DataType.bool()
        case "float8":
            return DataType.float64()
        case _:
            return DataType.int64() if kind in _INTEGERS else DataType.utf8()


def _array(values: list[Any], kind: str) -> Array:
    """Make a column; times, days and exact numbers come by the form that Arrow can cast."""
    match kind:
        case "timestamptz":
            micros = [v if v is None else (v - _EPOCH) // _MICROSECOND for v in values]
            return Array(micros, type=DataType.int64()).cast(_type(kind))
        case "date":
            days = [
                v if v is None else v.toordinal() - date(1970, 1, 1).toordinal() for v in values
            ]
            return Array(days, type=DataType.int32()).cast(_type(kind))
        case "numeric":
            texts = [v if v is None else format(v, "f") for v in values]
            return Array(texts, type=DataType.utf8()).cast(_type(kind))
        case "bool" | "float8":
            return Array(values, type=_type(kind))
        case _ if kind in _INTEGERS:
            return Array(values, type=DataType.int64())
        case _:
            return Array([_text(value) for value in values], type=DataType.utf8())


def _text(value: object) -> str | None:
    if isinstance(value, Mapping):
        return json.dumps(value, default=str, sort_keys=True)
    return None if value is None else str(value)
