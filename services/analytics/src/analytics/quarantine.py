"""What was set aside: looked at, folded after all, or given up.

A retry reads the kept bytes with this release, and gives the tables that a fold in the log's order
would have given: an act of a person takes the place of a later one with the same id; a delivery or
a campaign is folded anew from its whole story. Where that is not enough, it is refused.
"""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from analytics.archive import Archive
from analytics.domain.deliveries import DeliveryFact
from analytics.domain.fold import CampaignFact, Entry, Tables, fold
from analytics.domain.messages import Message, decode
from analytics.domain.sealing import matches
from analytics.postgres import Postgres
from analytics.schema import name_of
from analytics.schema.tables import TABLES
from analytics.store import UNFIT, Store
from chassis.log import Reader
from contracts.events import CampaignDefined
from contracts.subjects import campaign_of, messages_of, missed_of

_TOKEN = re.compile(r"[A-Za-z0-9_-]+")
_REPLACED = (False, "analysts were given another version of the tables meanwhile", "repeat it")
_AT_ONCE = 20
"""Messages retried in one transaction: the projector waits for it."""


@dataclass(frozen=True)
class Held:
    """One message that was set aside; `dropped_at` None: it waits."""

    sequence: int
    subject: str
    reason: str
    size: int
    dropped_at: datetime | None


@dataclass(frozen=True)
class Retried:
    """What became of one message: it was folded, or `reason` says why not."""

    sequence: int
    folded: bool
    reason: str = ""
    remedy: str = ""


class _RefusedError(Exception):
    def __init__(self, reason: str, remedy: str) -> None:
        self.reason = reason
        self.remedy = remedy
        super().__init__(reason)


async def listing(connection: Postgres, version: int) -> list[Held]:
    """Return everything in a version's quarantine, in the log's order."""
    found = await connection.fetch(
        "SELECT sequence, subject, reason, length(data) AS size, dropped_at"  # noqa: S608
        f" FROM {name_of(version)}.quarantine ORDER BY sequence"
    )
    return [Held(*row) for row in found]


async def drop(connection: Postgres, version: int, sequences: Sequence[int]) -> list[int]:
    """Give messages up; return those that were waiting, none where the version was replaced."""
    schema = name_of(version)
    found = await connection.fetch(
        f"UPDATE {schema}.quarantine SET dropped_at = clock_timestamp()"  # noqa: S608
        " WHERE sequence = ANY($1) AND dropped_at IS NULL"
        f" AND EXISTS (SELECT FROM {schema}.checkpoint WHERE replaced_at IS NULL FOR SHARE)"
        " RETURNING sequence",
        list(sequences),
    )
    return sorted(row[0] for row in found)


class Retry:
    """Folds messages of one version's quarantine after all, where this release can."""

    def __init__(self, store: Store, reader: Reader, archive: Archive | None = None) -> None:
        """`archive`: what was moved out of the log."""
        self._archive = archive
        self._store = store
        self._reader = reader
        self._connection = store.connection
        self._schema = name_of(store.version)

    async def run(self, sequences: Sequence[int]) -> list[Retried]:
        """Return what became of each message."""
        ordered, retried = sorted(set(sequences)), []
        for start in range(0, len(ordered), _AT_ONCE):
            retried += await self._together(ordered[start : start + _AT_ONCE])
        return retried

    async def _together(self, sequences: Sequence[int]) -> list[Retried]:
        async with self._connection.transaction():
            # The lock of this row keeps the projector from folding on meanwhile.
            checkpoint = await self._connection.fetchval(
                f"SELECT sequence FROM {self._schema}.checkpoint"  # noqa: S608
                " WHERE replaced_at IS NULL FOR UPDATE"
            )
            if checkpoint is None:
                return [Retried(sequence, *_REPLACED) for sequence in sequences]
            return [await self._one(sequence, checkpoint) for sequence in sequences]

    async def _one(self, sequence: int, checkpoint: int) -> Retried:
        row = await self._connection.fetchrow(
            f"SELECT subject, data FROM {self._schema}.quarantine WHERE sequence = $1",  # noqa: S608
            sequence,
        )
        if row is None:
            return Retried(sequence, folded=False, reason="it is not in quarantine")
        decoded = decode(Message(sequence, row["subject"], {}, row["data"]))
        if decoded.event is None:
            upgrade = "upgrade to a release that knows it, or drop it"
            return Retried(sequence, folded=False, reason=decoded.problem, remedy=upgrade)
        try:
            async with self._connection.transaction():
                await self._forget(sequence)
                await self._fold(Entry(sequence, decoded.event), checkpoint)
        except _RefusedError as error:
            return Retried(sequence, folded=False, reason=error.reason, remedy=error.remedy)
        except UNFIT as error:
            reason = f"cannot be folded: {error!r}"
            return Retried(sequence, folded=False, reason=reason, remedy="drop it")
        return Retried(sequence, folded=True)

    async def _forget(self, sequence: int) -> None:
        await self._connection.execute(
            f"DELETE FROM {self._schema}.quarantine WHERE sequence = $1",  # noqa: S608
            sequence,
        )

    async def _fold(self, entry: Entry, checkpoint: int) -> None:
        fact = entry.event.data
        if isinstance(fact, DeliveryFact):
            subjects = (*_subjects(fact), campaign_of(fact.campaign))
            folded = fold(Tables(), await self._story(subjects, entry, checkpoint))
            name = str(fact.delivery)
            await self._store.save(Tables(deliveries={name: folded.deliveries[name]}))
        elif isinstance(fact, CampaignFact):
            story = await self._story((campaign_of(fact.campaign),), entry, checkpoint)
            await self._refuse_other_days(entry, story)
            await self._store.save(fold(Tables(), story))
        else:
            await self._save_first(fold(Tables(), [entry]))

    async def _story(self, subjects: Sequence[str], entry: Entry, checkpoint: int) -> list[Entry]:
        """Return what was folded of `subjects`, and `entry`, in the log's order."""
        found = await self._connection.fetch(f"SELECT sequence FROM {self._schema}.quarantine")  # noqa: S608
        aside = {row[0] for row in found}
        present = await self._reader.replay(subjects)
        past = await asyncio.to_thread(_moved, self._archive, subjects)
        said = [
            one
            for one in (*past, *(Entry(one.sequence, one.envelope) for one in present))
            if one.sequence <= checkpoint and one.sequence not in aside
        ]
        return sorted({one.sequence: one for one in (*said, entry)}.values(), key=lambda e: e[0])

    async def _refuse_other_days(self, entry: Entry, story: Sequence[Entry]) -> None:
        """Refuse a definition by whose zone the days of deliveries would have to be told anew."""
        fact = entry.event.data
        if not isinstance(fact, CampaignDefined):
            return
        before = [e.event.data for e in story if e.sequence < entry.sequence]
        zones = [past.definition.zone for past in before if isinstance(past, CampaignDefined)]
        if (zones[-1] if zones else "UTC") == fact.definition.zone:
            return
        planned = await self._connection.fetchval(
            f"SELECT EXISTS (SELECT FROM {self._schema}.deliveries"  # noqa: S608  our own name
            " WHERE campaign = $1 AND scheduled_for IS NOT NULL)",
            fact.campaign,
        )
        if planned:
            raise _RefusedError(
                f"it sets the zone of {fact.campaign}, by which the days of deliveries that are"
                " there were told otherwise",
                "fold the whole log anew: python -m analytics rebuild --accept-differences",
            )

    async def _save_first(self, tables: Tables) -> None:
        await self._store.save(Tables(replaced=tables.replaced))
        for table in TABLES:
            rows: dict[str, tuple[Any, ...]] = getattr(tables, table.name, {})
            if not (table.copied and rows):
                continue
            names = [column.name for column in table.columns]
            places = ", ".join(f"${n}::{c.type}" for n, c in enumerate(table.columns, start=1))
            replaced = ", ".join(f"{name} = excluded.{name}" for name in names[table.keys :])
            statement = (
                f"INSERT INTO {self._schema}.{table.name} AS present ({', '.join(names)})"  # noqa: S608
                f" VALUES ({places}) ON CONFLICT ({table.key}) DO UPDATE SET {replaced}"
                " WHERE excluded.sequence < present.sequence"
            )
            before = await self._connection.fetch(
                f"SELECT sequence FROM {self._schema}.{table.name} WHERE {table.key} = ANY($1)",  # noqa: S608
                list(rows),
            )
            for row in rows.values():
                await self._connection.execute(statement, *row)
            told = [*(row["sequence"] for row in before), *(r[table.keys] for r in rows.values())]
            await self._store.repack(told, gone=True)


def _moved(archive: Archive | None, subjects: Sequence[str]) -> list[Entry]:
    """Return what the archive has on `subjects` and can be read."""
    if archive is None or not any(subject.startswith("message.") for subject in subjects):
        return []
    found = (
        decode(one.message)
        for records in archive.after(0)
        for one in records
        if any(matches(subject, one.subject) for subject in subjects)
    )
    return [Entry(one.message.sequence, one.event) for one in found if one.event]


def _subjects(fact: DeliveryFact) -> tuple[str, ...]:
    """Return where all is said about a delivery; no two of them match the same subject."""
    name = fact.delivery
    if not _TOKEN.fullmatch(name):
        raise _RefusedError(f"{name!r} is the id of no delivery", "drop it")
    dues = (f"{kind}.due.{name}" for kind in ("guide", "promo"))
    return (*dues, missed_of(name), *messages_of(name))
