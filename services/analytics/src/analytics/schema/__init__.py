"""Makes the statements that create the projection's schema, and the analysts' views over it.

A projection version owns its schema: change a table, and VERSION rises, and the new schema is
folded from the log beside the old one. Views may gain columns at their end within a version.
"""

from hashlib import blake2b

from analytics.schema.tables import QUARANTINE, TABLES, Table
from analytics.schema.views import VIEWS, WILSON, View

VERSION = 1
SCHEMA = f"fingerpost_v{VERSION}"
ANALYSTS = "fingerpost"

_CHECKPOINT = """
CREATE TABLE IF NOT EXISTS {schema}.checkpoint (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    sequence bigint NOT NULL, identity text, stream_created timestamptz,
    updated_at timestamptz NOT NULL DEFAULT now());
COMMENT ON TABLE {schema}.checkpoint IS
    'One row, changed in the transaction of the rows that it covers.';
COMMENT ON COLUMN {schema}.checkpoint.only_row IS 'Keeps the table at one row.';
COMMENT ON COLUMN {schema}.checkpoint.sequence IS 'Sequence of the last message folded.';
COMMENT ON COLUMN {schema}.checkpoint.identity IS 'Id of its event, or a hash of its bytes.';
COMMENT ON COLUMN {schema}.checkpoint.stream_created IS 'When the log itself was created.';
COMMENT ON COLUMN {schema}.checkpoint.updated_at IS 'When the message was folded.';
INSERT INTO {schema}.checkpoint (sequence) VALUES (0) ON CONFLICT DO NOTHING;
"""


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _table(table: Table) -> str:
    columns = ", ".join(f"{column.name} {column.type}" for column in table.columns)
    name = f"{SCHEMA}.{table.name}"
    meanings = [(column.name, column.meaning) for column in table.columns]
    indexes = "".join(
        f"CREATE INDEX IF NOT EXISTS {table.name}_{number} ON {name} {index};\n"
        for number, index in enumerate(table.indexes)
    )
    return (
        f"CREATE TABLE IF NOT EXISTS {name} ({columns}, PRIMARY KEY ({table.key}));\n"
        + indexes
        + _comments("TABLE", name, table.meaning, meanings)
    )


def _view(schema: str, view: View) -> str:
    names = ", ".join(column for column, _ in view.columns)
    query = view.query.format(schema=SCHEMA, version=VERSION)
    if schema == ANALYSTS:
        query = f"SELECT {names} FROM {SCHEMA}.{view.name}"  # noqa: S608  names of our own
    return f"CREATE OR REPLACE VIEW {schema}.{view.name} ({names}) AS {query};\n" + _comments(
        "VIEW", f"{schema}.{view.name}", view.meaning, view.columns
    )


def _comments(
    what: str, name: str, meaning: str, columns: tuple[tuple[str, str], ...] | list[tuple[str, str]]
) -> str:
    lines = [f"COMMENT ON {what} {name} IS {_text(meaning)};"]
    lines += [f"COMMENT ON COLUMN {name}.{column} IS {_text(text)};" for column, text in columns]
    return "\n".join(lines) + "\n"


def _as_view(table: Table) -> View:
    return View(
        table.name, table.meaning, tuple((c.name, c.meaning) for c in table.columns), query=""
    )


def _statements() -> str:
    shown = [_as_view(table) for table in TABLES if table is not QUARANTINE]
    return "\n".join(
        [
            f"CREATE SCHEMA IF NOT EXISTS {SCHEMA};\nCREATE SCHEMA IF NOT EXISTS {ANALYSTS};",
            f"COMMENT ON SCHEMA {ANALYSTS} IS 'What analysts read: views of the live projection.';",
            _CHECKPOINT.format(schema=SCHEMA),
            WILSON.format(schema=SCHEMA),
            *(_table(table) for table in TABLES),
            *(_view(SCHEMA, view) for view in VIEWS),
            *(_view(ANALYSTS, view) for view in (*shown, *VIEWS)),
        ]
    )


CREATE = _statements()
DEFINITION = f"Projection version {VERSION}, {blake2b(CREATE.encode(), digest_size=8).hexdigest()}"
"""Comment of the schema, by which a start sees that nothing is left to create."""
