"""The versions of the projection in one database: made, shown to analysts, dropped.

Nothing but the database remembers them: a version is a schema, its comment says what it was made
by, and the live one is the one that the analysts' views read.
"""

import asyncio
import json
import random
import re
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import asyncpg

from analytics import schema
from analytics.domain.versions import Version
from analytics.postgres import Postgres

_SCHEMA = re.compile(rf"{schema.PREFIX}([1-9][0-9]*)")
_FOLD = re.compile(r"fold ([0-9]+),")
_OLDEST_FOLD = 1
"""Of the first release, whose comment does not say it."""

_HOLD_MILLISECONDS = 700
"""Shorter than Postgres waits before it looks for a deadlock (1 s): a query that waits for a view,
while this waits for another one that the query has read, is never told of it."""
_TRIES = 300
_PAUSE_SECONDS = 0.2
# Shorter than Postgres waits before it looks for a deadlock (1 s): where an analyst's query and
# this wait for each other, this gives way, and the query never fails.
_GIVE_WAY = "SET LOCAL lock_timeout = '300ms'"

# For the sorting that makes indexes; one at a time.
_ROOM = "SET LOCAL maintenance_work_mem = '128MB'; SET LOCAL work_mem = '64MB'"

_ANALYSTS = f"""
CREATE SCHEMA IF NOT EXISTS {schema.ANALYSTS};
COMMENT ON SCHEMA {schema.ANALYSTS} IS 'What analysts read: views of the live projection.';
"""
_SCHEMAS = """
SELECT nspname, coalesce(obj_description(oid, 'pg_namespace'), '') AS comment
FROM pg_namespace WHERE nspname ~ '^fingerpost_v[1-9][0-9]*$'
"""
_VIEWS = """
SELECT relname FROM pg_class
WHERE relnamespace = to_regnamespace($1) AND relkind = 'v' AND relname <> ALL($2)
"""
_OURS = """
SELECT relname FROM pg_class
WHERE relnamespace = to_regnamespace($1) AND relkind = 'v' AND relname = ANY($2)
"""
# Each change changes nothing, and takes the lock that a real one will need. All of them by one
# statement: a process that is slow to say the next would hold the first views for too long.
_HOLD = f"""
DO $$
DECLARE
    over constant timestamptz := clock_timestamp() + interval '{_HOLD_MILLISECONDS} ms';
    name text;
    rest int;
BEGIN
    FOREACH name IN ARRAY ARRAY[{{names}}]::text[] LOOP
        rest := extract(epoch FROM over - clock_timestamp()) * 1000;
        IF rest <= 0 THEN
            RAISE lock_not_available USING MESSAGE = 'readers hold the views';
        END IF;
        PERFORM set_config('lock_timeout', rest::text, true);
        EXECUTE format('ALTER VIEW {schema.ANALYSTS}.%I OWNER TO CURRENT_USER', name);
    END LOOP;
END $$
"""
_GRANTS = """
SELECT format('GRANT %s ON %s TO %s', privilege_type, $1::regclass,
              CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END)
FROM pg_class, aclexplode(relacl) WHERE pg_class.oid = $1::regclass AND grantee <> relowner
"""


# By JSON, as the first release's table has neither `dropped_at` nor `data`.
_GIVEN_UP = """
UPDATE {new}.quarantine AS waits SET dropped_at = (to_jsonb(known) ->> 'dropped_at')::timestamptz
FROM {old}.quarantine AS known
WHERE known.sequence = waits.sequence AND waits.dropped_at IS NULL
  AND to_jsonb(known) ->> 'data' = to_jsonb(waits) ->> 'data'
"""


class InUseError(RuntimeError):
    """Something of somebody else's stands on what has to change; the text says what."""


class Versions:
    """Knows the versions by one connection; not for concurrent use."""

    def __init__(self, connection: Postgres) -> None:
        self._connection = connection

    async def all(self) -> list[Version]:
        """Return every version, by number."""
        live = await self._live()
        found = []
        for name, comment in await self._connection.fetch(_SCHEMAS):
            matched = _SCHEMA.fullmatch(name)
            checkpoint = await self._checkpoint(name)
            if matched and checkpoint:
                number = int(matched[1])
                found.append(_version(number, comment, checkpoint, live=number == live))
        return sorted(found, key=lambda version: version.number)

    async def begin(self, version: int) -> None:
        """Make a version that is complete and empty, and show it."""
        async with self._connection.transaction():
            await self._make(version)
            await self._connection.execute(schema.finish(version))
            await self._show(version)

    async def create(self, version: int) -> None:
        """Make a version that is copied into first, and shown to nobody."""
        async with self._connection.transaction():
            await self._make(version)

    async def finish(self, version: int) -> None:
        """Make the keys and indexes of a version, however long it takes; nothing where they are."""
        async with self._connection.transaction():
            name = schema.name_of(version)
            built = await self._connection.fetchval(
                f"SELECT built_at FROM {name}.checkpoint FOR UPDATE"  # noqa: S608  our own name
            )
            if built is None:
                await self._connection.execute(_ROOM)
                await self._connection.execute(schema.finish(version), timeout=None)

    async def refresh(self, version: int) -> bool:
        """Give analysts this release's views of the live version; False: they have them."""
        name = schema.name_of(version)
        comment = await self._connection.fetchval(
            "SELECT obj_description(to_regnamespace($1), 'pg_namespace')", name
        )
        if comment == schema.PRESENT:
            return False
        await self._patiently(lambda: self._show(version))
        return True

    async def swap(
        self, new: int, old: int | None, reach: Callable[[int], Awaitable[None]]
    ) -> None:
        """Show `new` in the place of `old`, in one transaction; no query fails meanwhile.

        `reach` folds the new version, over another connection, up to the sequence at which the old
        one is held: what analysts saw never goes back. Raises InUseError.
        """

        async def exchange() -> None:
            if old is not None:
                before = schema.name_of(old)
                # The first release's versions lack the column. To add it locks readers out, also
                # where it is there: those that read one of the views and wait for this one.
                if "replaced_at" not in (await self._checkpoint(before) or {}):
                    await self._connection.execute(
                        f"ALTER TABLE {before}.checkpoint"
                        " ADD COLUMN IF NOT EXISTS replaced_at timestamptz"
                    )
                # The lock of this row keeps the old version where it is.
                held = await self._connection.fetchval(
                    f"UPDATE {before}.checkpoint SET replaced_at = clock_timestamp()"  # noqa: S608
                    " RETURNING sequence"
                )
                await reach(held)
            after = schema.name_of(new)
            await self._connection.execute(
                f"UPDATE {after}.checkpoint SET replaced_at = NULL"  # noqa: S608  our own name
            )
            if old is not None:
                await self._connection.execute(_GIVEN_UP.format(old=before, new=after))
            await self._show(new)

        await self._patiently(exchange)

    async def drop(self, version: int) -> None:
        """Remove a version that is not live."""
        statement = f"DROP SCHEMA {schema.name_of(version)} CASCADE"
        await self._patiently(lambda: self._connection.execute(statement))

    async def _live(self) -> int | None:
        view = f"{schema.ANALYSTS}.projection_status"
        if not await self._exists(view):
            return None
        try:
            live: int | None = await self._connection.fetchval(f"SELECT version FROM {view}")  # noqa: S608
        except asyncpg.UndefinedColumnError as error:
            raise InUseError(
                f"{view} is not Fingerpost's; set POSTGRES_DSN to another database, or rename it"
            ) from error
        return live

    async def _checkpoint(self, name: str) -> dict[str, Any] | None:
        if not await self._exists(f"{name}.checkpoint"):
            return None  # dropped at this moment, or not one of ours
        text = await self._connection.fetchval(
            f"SELECT to_jsonb(c)::text FROM {name}.checkpoint AS c"  # noqa: S608  our own name
        )
        return dict(json.loads(text)) if text else None

    async def _exists(self, name: str) -> bool:
        return bool(await self._connection.fetchval("SELECT to_regclass($1) IS NOT NULL", name))

    async def _make(self, version: int) -> None:
        name = schema.name_of(version)
        await self._connection.execute(schema.create(version))
        await self._connection.execute(schema.functions(version))
        await self._connection.execute(f"COMMENT ON SCHEMA {name} IS '{schema.DEFINITION}'")

    async def _show(self, version: int) -> None:
        await self._connection.execute(_ANALYSTS)
        names = [view.name for view in schema.shown()]
        await self._hold(names)
        await self._connection.execute(schema.functions(version))
        for view in schema.shown():
            await self._replace(view.name, schema.show(version, view))
        for (stale,) in await self._connection.fetch(_VIEWS, schema.ANALYSTS, names):
            await self._connection.execute(f"DROP VIEW {schema.ANALYSTS}.{stale}")
        await self._connection.execute(schema.calls())
        name = schema.name_of(version)
        await self._connection.execute(f"COMMENT ON SCHEMA {name} IS '{schema.PRESENT}'")

    async def _replace(self, name: str, statement: str) -> None:
        """Change a view; one with other columns is made anew, for the same readers."""
        try:
            async with self._connection.transaction():
                await self._connection.execute(statement)
        except asyncpg.InvalidTableDefinitionError:
            view = f"{schema.ANALYSTS}.{name}"
            grants = await self._connection.fetch(_GRANTS, view)
            await self._connection.execute(f"DROP VIEW {view}")
            await self._connection.execute(statement)
            for (grant,) in grants:
                await self._connection.execute(grant)

    async def _hold(self, names: list[str]) -> None:
        """Lock those of the analysts' views that there are; raises LockNotAvailableError."""
        found = [name for (name,) in await self._connection.fetch(_OURS, schema.ANALYSTS, names)]
        # In another order each time: one of them suits those who read several views at once.
        random.shuffle(found)
        await self._connection.execute(_HOLD.format(names=", ".join(f"'{name}'" for name in found)))

    async def _patiently(self, change: Callable[[], Awaitable[Any]]) -> None:
        """Make a change in one transaction, again and again until no reader is in its way."""
        for left in reversed(range(_TRIES)):
            try:
                async with self._connection.transaction():
                    await self._connection.execute(_GIVE_WAY)
                    await change()
            except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError) as error:
                if not left:
                    raise InUseError(
                        "queries that run for minutes hold what has to change; end them, then"
                        " repeat"
                    ) from error
                await asyncio.sleep(_PAUSE_SECONDS)
            except (asyncpg.DependentObjectsStillExistError, asyncpg.WrongObjectTypeError) as error:
                problem = error.detail or error.args[0]
                raise InUseError(
                    f"analysts cannot be given the tables: {problem}; drop or rename what is not"
                    " Fingerpost's, then repeat"
                ) from error
            else:
                return


def _version(number: int, comment: str, checkpoint: dict[str, Any], *, live: bool) -> Version:
    fold = _FOLD.match(comment)
    return Version(
        number=number,
        fold=int(fold[1]) if fold else _OLDEST_FOLD,
        ours=comment.startswith(schema.DEFINITION),
        live=live,
        built="built_at" not in checkpoint or checkpoint["built_at"] is not None,
        checkpoint=checkpoint["sequence"],
        identity=checkpoint["identity"],
        stream_created=_moment(checkpoint["stream_created"]),
        updated_at=_moment(checkpoint["updated_at"]),
        replaced_at=_moment(checkpoint.get("replaced_at")),
    )


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
