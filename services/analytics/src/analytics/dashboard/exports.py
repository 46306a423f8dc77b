"""Tables to take away: CSV in a stream of bounded memory, or Parquet, for the same filter."""

import asyncio
import csv
import io
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from analytics import schema
from analytics.dashboard import reads, statements
from analytics.dashboard.reads import Question
from analytics.domain.cells import cell
from analytics.domain.figures import Figures
from analytics.domain.filters import BadFilterError, Filter, aspect, person
from analytics.reports import BusyError, Pooled, Reports
from chassis.logs import logger

BATCH = 1_000
_TIMEOUT_SECONDS = 600
_SEND_SECONDS = 60.0
_PARQUET_ROWS = 1_000_000

log = logger(__name__)

Column = tuple[str, str]
Batch = Sequence[Sequence[Any]]
Sheet = AsyncGenerator[tuple[Sequence[Column], Batch], None]
"""The columns with no rows, then with each batch of rows."""


@dataclass(frozen=True)
class Wanted:
    """An export that was asked for."""

    name: str
    question: Question
    aspect: str = ""
    person: int = 0


class Exports:
    """Makes exports, two at a time: they must not take the connections of the pages."""

    AT_ONCE = 2

    def __init__(self, reports: Reports) -> None:
        self._reports = reports
        self._running = 0

    async def batches(self, wanted: Wanted) -> Sheet:
        """Yield an export, as it stands at one instant; raises BusyError."""
        if self._running >= self.AT_ONCE:
            raise BusyError(f"{self.AT_ONCE} exports run already; try again when they are done")
        self._running += 1
        try:
            async with aclosing(self._found(wanted)) as sheet:
                async for found in sheet:
                    yield found
        finally:
            self._running -= 1

    async def _found(self, wanted: Wanted) -> Sheet:
        if count := _SMALL.get(wanted.name):
            async with self._reports.counting() as connection:
                columns, rows = await count(connection, wanted.question)
            yield columns, []  # whoever takes it: others count meanwhile
            yield columns, rows
            return
        async with self._reports.instant() as connection:
            await connection.execute(f"SET LOCAL statement_timeout = '{_TIMEOUT_SECONDS} s'")
            async with aclosing(_sheet(connection, wanted)) as sheet:
                async for found in sheet:
                    yield found


def wanted(name: str, asked: Question, query: dict[str, str]) -> Wanted | None:
    """Return the export of a name, None where there is none; raises BadFilterError."""
    if name not in NAMES:
        return None
    who = person(query.get("person", "")) if name == "journey" else 0
    return Wanted(name, asked, aspect(query.get("state", "")), who)


async def _sheet(connection: Pooled, wanted: Wanted) -> Sheet:
    query, values = await _statement(connection, wanted)
    statement = await connection.prepare(query)
    columns = [(found.name, found.type.name) for found in statement.get_attributes()]
    yield columns, []
    cursor = await statement.cursor(*values, timeout=_TIMEOUT_SECONDS)
    while rows := await cursor.fetch(BATCH, timeout=_TIMEOUT_SECONDS):
        yield columns, [tuple(row) for row in rows]


async def _statement(connection: Pooled, wanted: Wanted) -> tuple[str, tuple[object, ...]]:
    asked = wanted.question
    match wanted.name:
        case "deliveries":
            place = (wanted.aspect, None, None)
            return statements.DELIVERIES, (*asked.values, *asked.late, *place)
        case "journey":
            return statements.JOURNEY, (wanted.person, None, None)
        case "quarantine":
            live = (await reads.status(connection))["version"]
            return statements.QUARANTINE.format(schema=schema.name_of(live)), ()
        case _:
            return statements.ACTS[wanted.name], asked.values


_COUNTS = (
    "sent",
    "audience",
    "clicks",
    "robots",
    "people",
    "starts",
    "starters",
    "buyers",
    "conversions",
    "converted",
)
_Small = tuple[Sequence[Column], Batch]


def _grouped(keys: tuple[str, ...]) -> Callable[[Pooled, Question], Any]:
    columns = (
        *((key, "text") for key in keys),
        *((count, "int8") for count in _COUNTS),
        *((f"conversion_rate{end}", "float8") for end in ("", "_low", "_high")),
        ("revenue", "jsonb"),
    )

    async def read(connection: Pooled, asked: Question) -> _Small:
        counted, _ = await reads.tally(connection, asked, by=[keys])
        groups, _ = await reads.figures(counted, keys)
        return columns, [_row(keys, found) for found in groups]

    return read


def _row(keys: tuple[str, ...], found: Figures) -> tuple[object, ...]:
    rate = found.conversion
    return (
        *(getattr(found, key) for key in keys),
        *(getattr(found, count) for count in _COUNTS),
        *((rate.value, rate.low, rate.high) if rate else (None, None, None)),
        found.revenue,
    )


async def _trend(connection: Pooled, asked: Question) -> _Small:
    counted, _ = await reads.tally(connection, asked)
    chart = await reads.chart(counted, asked)
    columns = (("step", "text"), *((panel.name.lower(), "int8") for panel in chart.panels))
    return columns, [
        (step, *(panel.bars[place].count for panel in chart.panels))
        for place, step in enumerate(chart.steps)
    ]


async def _hours(connection: Pooled, asked: Question) -> _Small:
    counted, _ = await reads.tally(connection, asked)
    week = await reads.hours(counted, asked)
    columns = (("day", "text"), ("hour", "int8"), ("taps", "int8"))
    return columns, [
        (day, number, hour.count) for day, hours in week.days for number, hour in enumerate(hours)
    ]


_SMALL: dict[str, Callable[[Pooled, Question], Any]] = {
    "variants": _grouped(statements.BY_VARIANT),
    "campaigns": _grouped(statements.BY_CAMPAIGN),
    "channels": _grouped(statements.BY_CHANNEL),
    "trend": _trend,
    "hours": _hours,
}
NAMES = (*_SMALL, *statements.ACTS, "deliveries", "journey", "quarantine")


async def as_csv(found: Sheet) -> AsyncGenerator[bytes, None]:
    """Write the table as CSV with a head; the text of cells cannot become a formula."""
    begun = False
    async for columns, rows in found:
        text = io.StringIO()
        writer = csv.writer(text)
        if not begun:
            writer.writerow(name for name, _ in columns)
            begun = True
        writer.writerows([cell(value) for value in row] for row in rows)
        yield text.getvalue().encode()


async def as_parquet(found: Sheet) -> bytes:
    """Write the table as Parquet; raises BadFilterError where it is too long for that."""
    # Takes 11 MB and a tenth of a second: only whoever wants it pays.
    from analytics.dashboard.parquet import Parquet  # noqa: PLC0415

    file: Parquet | None = None
    async for columns, rows in found:
        file = file or Parquet(columns)
        file.add(rows)
        if file.rows > _PARQUET_ROWS:
            raise BadFilterError(
                "period",
                f"holds more than {_PARQUET_ROWS:,} rows",
                "choose a shorter one, or take it as CSV",
            )
    # A million rows take seconds, in which others are to be answered.
    return await asyncio.to_thread(file.bytes) if file else b""


class _LeftError(Exception):
    """Who asked for a stream does not take it."""


class Download(StreamingResponse):
    """A stream whose source is closed when it ends, however it ends.

    Who takes nothing for a minute is left: as long as it lasts, others wait for their export, and
    Postgres keeps the rows of its instant.
    """

    def __init__(self, chunks: Any, **options: Any) -> None:
        super().__init__(chunks, **options)
        self._chunks = chunks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def patient(message: Message) -> None:
            try:
                async with asyncio.timeout(_SEND_SECONDS):
                    await send(message)
            except TimeoutError as error:
                raise _LeftError from error

        try:
            async with aclosing(self._chunks):
                await super().__call__(scope, receive, patient)
        except _LeftError:
            log.warning("an export that nobody took was ended", path=scope["path"])


def file_name(name: str, asked: Filter, form: str) -> str:
    """Return what the browser calls the file."""
    parts = ("fingerpost", asked.campaign, name)
    return f"{'-'.join(part for part in parts if part)}.{form}"
