"""What people did, packed by stretches of the log: so the dashboard reads a million acts at once.

Postgres takes half a microsecond and more for a row that it looks at, however narrow; a stretch is
one row, and its columns are copied as they are. They are told from the rows of `clicks`, `starts`
and `conversions` alone, by the place of each, whenever one of these changes: so they are right
after a message that came twice, a retry from quarantine and a person who was forgotten.
"""

from analytics.domain.packing import BITS, CONVERSION, NOBODY, ROBOT, START, TAP
from analytics.schema.tables import CLICKS, CONVERSIONS, STARTS, STRETCHES

DELIVERY_BYTES = "substr(sha256(convert_to({}, 'UTF8')), 1, 8)"
"""What a delivery is packed as, as SQL: 64 bits of a hash of its id."""

MOMENT_BYTES = (
    "int8send((extract(epoch FROM least(greatest({}, timestamptz '0001-01-01 00:00:00+00'),"
    " timestamptz '9999-12-31 23:59:59.999999+00')) * 1000000)::bigint)"
)
"""What a moment is packed as, as SQL: microseconds since 1970. The first and the last moment that
Python has are infinite in Postgres, as asyncpg writes them, and are packed as what they were."""

PERSON_BYTES = f"int8send(coalesce({{}}, {NOBODY}))"
"""What a person is packed as, as SQL."""

_ACTS = f"""
    SELECT sequence >> {BITS} AS stretch, sequence, delivery, user_id, clicked_at AS at,
           CASE verdict WHEN 'robot' THEN '\\x{ROBOT:02x}'::bytea ELSE '\\x{TAP:02x}'::bytea END
               AS what
    FROM {{schema}}.{CLICKS.name} WHERE {{where}}
    UNION ALL
    SELECT sequence >> {BITS}, sequence, delivery, user_id, started_at, '\\x{START:02x}'::bytea
    FROM {{schema}}.{STARTS.name} WHERE {{where}}
    UNION ALL
    SELECT sequence >> {BITS}, sequence, delivery, user_id, occurred_at,
           '\\x{CONVERSION:02x}'::bytea
    FROM {{schema}}.{CONVERSIONS.name}
    WHERE delivery IS NOT NULL AND refund_of IS NULL AND kind <> 'refund' AND {{where}}
"""  # noqa: S608  names and numbers of our own

_PACK = f"""
INSERT INTO {{schema}}.{STRETCHES.name} (stretch, since, until, deliveries, people, moments, kinds)
SELECT acts.stretch, min(at), max(at),
       string_agg({DELIVERY_BYTES.format("delivery")}, '' ORDER BY sequence),
       string_agg({PERSON_BYTES.format("user_id")}, '' ORDER BY sequence),
       string_agg({MOMENT_BYTES.format("at")}, '' ORDER BY sequence),
       string_agg(what, '' ORDER BY sequence)
FROM {{acts}} GROUP BY acts.stretch
"""  # noqa: S608  names of our own

_ASKED = f"sequence >= asked.stretch << {BITS} AND sequence < (asked.stretch + 1) << {BITS}"

_REPLACE = """
ON CONFLICT (stretch) DO UPDATE SET since = excluded.since, until = excluded.until,
    deliveries = excluded.deliveries, people = excluded.people, moments = excluded.moments,
    kinds = excluded.kinds
"""


def pack(schema: str) -> str:
    """Return what packs all the acts anew."""
    packed = _PACK.format(
        schema=schema, acts=f"({_ACTS.format(schema=schema, where='true')}) AS acts"
    )
    return f"TRUNCATE {schema}.{STRETCHES.name};{packed};"


def repack(schema: str) -> str:
    """Return what packs the stretches $1 anew; one without acts is left as it is."""
    found = _ACTS.format(schema=schema, where=_ASKED)
    asked = f"unnest($1::bigint[]) AS asked (stretch) CROSS JOIN LATERAL ({found}) AS acts"
    return _PACK.format(schema=schema, acts=asked) + _REPLACE
