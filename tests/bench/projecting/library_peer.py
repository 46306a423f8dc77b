"""The library `eventsourcing` 9.5: its own event store in Postgres, projected into our `clicks`.

In its documented way, a `ProjectionRunner` with a `PostgresTrackingRecorder`, and by a batch loop
that a user writes on its `ApplicationSubscription`.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit
from uuid import NAMESPACE_OID, UUID, uuid5

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresTrackingRecorder
from eventsourcing.projection import ApplicationSubscription, Projection, ProjectionRunner

from analytics.schema.tables import CLICKS
from analytics.store import Store
from analytics.versions import Versions
from contracts.envelope import Envelope

_COLUMNS = [column.name for column in CLICKS.columns]
_TYPES = [column.type for column in CLICKS.columns]
_ONE = (
    f"INSERT INTO fingerpost_v1.clicks ({', '.join(_COLUMNS)})"  # noqa: S608
    f" VALUES ({', '.join('%s' for _ in _COLUMNS)}) ON CONFLICT (event_id) DO NOTHING"
)
_MANY = (
    f"INSERT INTO fingerpost_v1.clicks ({', '.join(_COLUMNS)})"  # noqa: S608
    f" SELECT * FROM unnest({', '.join(f'%s::{kind}[]' for kind in _TYPES)})"
    " ON CONFLICT (event_id) DO NOTHING"
)
_SAVED_AT_ONCE = 1_000


class Tap(Aggregate):
    """One tap, with the fields of the row."""

    @dataclass
    class Row:
        """The fields of a row, as the library keeps them: values that its JSON knows."""

        event_id: str
        delivery: str
        cta: int
        user_id: int | None
        via: str
        verdict: str
        rule: int
        message_id: int | None
        clicked_at: str

    @event("Tapped")
    def __init__(self, row: dict[str, Any]) -> None:
        self.row = row

    @staticmethod
    def create_id(row: dict[str, Any]) -> UUID:
        """Derive the id, so that a retry makes the same one."""
        return uuid5(NAMESPACE_OID, row["event_id"])


class Taps(Application[UUID]):
    """The application whose events are projected."""


class View(PostgresTrackingRecorder):
    """Our table, written in the transaction of the tracking record."""

    def insert(self, row: tuple[Any, ...], tracking: Tracking) -> None:
        """Write one row as the library's manual does."""
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.execute(_ONE, row, prepare=True)

    def insert_many(self, rows: list[tuple[Any, ...]], tracking: Tracking) -> None:
        """Write many rows by one statement, and the position of the last one."""
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.execute(_MANY, [list(values) for values in zip(*rows, strict=True)])


class TapsProjection(Projection[View]):
    """Each event by itself."""

    name = "taps_projection"

    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        """Fold one event."""
        self.view.insert(_row(domain_event.row, tracking.notification_id), tracking)


async def documented(dsn: str, events: Sequence[Envelope]) -> float:
    """Return the events a second of the runner."""
    await _prepare(dsn)
    return await asyncio.to_thread(_documented, dsn, events)


async def batched(dsn: str, events: Sequence[Envelope], size: int) -> float:
    """Return the events a second of the batch loop."""
    await _prepare(dsn)
    return await asyncio.to_thread(_batched, dsn, events, size)


async def _prepare(dsn: str) -> None:
    async with Store.open(dsn, 1) as store:
        await Versions(store.connection).begin(1)


def _documented(dsn: str, events: Sequence[Envelope]) -> float:
    environment = _environment(dsn)
    _fill(environment, events)
    begun = perf_counter()
    with ProjectionRunner(
        application_class=Taps,
        projection_class=TapsProjection,
        view_class=View,
        env=environment,
    ) as runner:
        runner.wait(len(events), timeout=600)
        return len(events) / (perf_counter() - begun)


def _batched(dsn: str, events: Sequence[Envelope], size: int) -> float:
    environment = _environment(dsn)
    _fill(environment, events)
    app = Taps(environment)
    factory: Any = app.factory
    view = factory.tracking_recorder(View)
    begun, seen = perf_counter(), 0
    rows: list[tuple[Any, ...]] = []
    with ApplicationSubscription(app, gt=None) as subscription:
        for domain_event, tracking in subscription:
            tapped: Any = domain_event
            rows.append(_row(tapped.row, tracking.notification_id))
            seen += 1
            if len(rows) == size or seen == len(events):
                view.insert_many(rows, tracking)
                rows = []
            if seen == len(events):
                seconds = perf_counter() - begun
                break
    app.close()
    return len(events) / seconds


def _fill(environment: dict[str, str], events: Sequence[Envelope]) -> None:
    app = Taps(environment)
    for start in range(0, len(events), _SAVED_AT_ONCE):
        app.save(*(Tap(_fields(e)) for e in events[start : start + _SAVED_AT_ONCE]))
    app.close()


def _fields(envelope: Envelope) -> dict[str, Any]:
    tap: Any = envelope.data
    return asdict(
        Tap.Row(
            envelope.id,
            tap.delivery,
            tap.cta,
            tap.user_id,
            tap.via,
            tap.verdict,
            tap.rule,
            tap.message_id,
            tap.clicked_at.isoformat(),
        )
    )


def _row(fields: dict[str, Any], sequence: int) -> tuple[Any, ...]:
    values = {**fields, "sequence": sequence}
    values["clicked_at"] = datetime.fromisoformat(fields["clicked_at"])
    return tuple(values[name] for name in _COLUMNS)


def _environment(dsn: str) -> dict[str, str]:
    parts = urlsplit(dsn)
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": parts.path.strip("/"),
        "POSTGRES_HOST": parts.hostname or "",
        "POSTGRES_PORT": str(parts.port),
        "POSTGRES_USER": parts.username or "",
        "POSTGRES_PASSWORD": parts.password or "",
    }
