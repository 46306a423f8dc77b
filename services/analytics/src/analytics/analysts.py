"""The role that analysts log in as: it reads the schema `fingerpost`, and nothing else.

It is made without a password, so that nobody is let in before an administrator sets one. Its
limits are defaults of its sessions, but for their number; what keeps it from writing to tables is
that nothing was granted to it.
"""

import asyncpg

from analytics import schema
from analytics.postgres import Postgres
from chassis.logs import logger

ROLE = "fingerpost_analyst"
_SESSIONS = 20

_MAKE = f"""
CREATE ROLE {ROLE} LOGIN;
ALTER ROLE {ROLE} CONNECTION LIMIT {_SESSIONS};
ALTER ROLE {ROLE} SET default_transaction_read_only = on;
ALTER ROLE {ROLE} SET statement_timeout = '30s';
ALTER ROLE {ROLE} SET idle_in_transaction_session_timeout = '60s';
ALTER ROLE {ROLE} SET search_path = {schema.ANALYSTS};
COMMENT ON ROLE {ROLE} IS 'Reads what Fingerpost tells analysts.';
"""
# For views made later, too: those of a new version of the tables, and of a new release.
_LET_IN = f"""
GRANT USAGE ON SCHEMA {schema.ANALYSTS} TO {ROLE};
ALTER DEFAULT PRIVILEGES IN SCHEMA {schema.ANALYSTS} GRANT SELECT ON TABLES TO {ROLE};
GRANT SELECT ON {{views}} TO {ROLE};
"""
_KNOWN = "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)"
_SHUT_OUT = """
SELECT name FROM unnest($2::text[]) AS name
WHERE NOT has_schema_privilege($1, split_part(name, '.', 1), 'USAGE')
   OR NOT has_table_privilege($1, name, 'SELECT')
"""

log = logger(__name__)


async def admit_analysts(connection: Postgres) -> None:
    """Make the role where it lacks, and let it read; where that is refused, say what to run."""
    views = [f"{schema.ANALYSTS}.{view.name}" for view in schema.shown()]
    try:
        if not await connection.fetchval(_KNOWN, ROLE):
            await _make(connection)
        if await connection.fetch(_SHUT_OUT, ROLE, views):
            await connection.execute(_LET_IN.format(views=", ".join(views)))
            log.info("analysts may read the views", role=ROLE)
    except asyncpg.InsufficientPrivilegeError as error:
        log.warning(
            "analysts have no role of their own; the tables are folded all the same",
            problem=str(error),
            remedy=f"run as an administrator, then restart analytics: {' '.join(_MAKE.split())}",
        )


async def _make(connection: Postgres) -> None:
    try:
        await connection.execute(_MAKE)
    except (asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError):
        return  # made at the same moment, for another database of the server
    log.info("made the role of analysts; it has no password yet", role=ROLE)
