"""Makes the statements for the schema of a projection version, and for the analysts' views over it.

A version is numbered by the database and owns the schema `fingerpost_v<number>`. What its tables
are, and how they are folded, is told by FOLD: whoever changes either raises it, and the next start
folds a new version from the log beside the live one. Views may change without that.
"""

from hashlib import blake2b

from analytics.schema.stretches import pack
from analytics.schema.tables import QUARANTINE, STRETCHES, TABLES, Column, Table
from analytics.schema.views import ATTRIBUTE, VIEWS, WILSON, View

FOLD = 3
"""Number of the tables and of the fold, by which releases are compared."""

ANALYSTS = "fingerpost"
PREFIX = f"{ANALYSTS}_v"

_CHECKPOINT = """
CREATE TABLE {schema}.checkpoint (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    sequence bigint NOT NULL, identity text, stream_created timestamptz,
    behind bigint NOT NULL DEFAULT 0, updated_at timestamptz NOT NULL DEFAULT now(),
    built_at timestamptz, replaced_at timestamptz);
COMMENT ON TABLE {schema}.checkpoint IS
    'One row, changed in the transaction of the rows that it covers.';
COMMENT ON COLUMN {schema}.checkpoint.only_row IS 'Keeps the table at one row.';
COMMENT ON COLUMN {schema}.checkpoint.sequence IS 'Sequence of the last message folded.';
COMMENT ON COLUMN {schema}.checkpoint.identity IS 'Id of its event, or a hash of its bytes.';
COMMENT ON COLUMN {schema}.checkpoint.stream_created IS 'When the log itself was created.';
COMMENT ON COLUMN {schema}.checkpoint.behind IS 'Messages that waited when it was folded.';
COMMENT ON COLUMN {schema}.checkpoint.updated_at IS 'When the message was folded.';
COMMENT ON COLUMN {schema}.checkpoint.built_at IS 'When the indexes were made; null: in bulk yet.';
COMMENT ON COLUMN {schema}.checkpoint.replaced_at IS
    'When analysts were given another version; null: never.';
INSERT INTO {schema}.checkpoint (sequence) VALUES (0);
"""

# The log hardly ever holds an event twice, and to look for those takes as long as the key.
_KEEP_THE_FIRST = """
DO $$ BEGIN
    ALTER TABLE {table} ADD PRIMARY KEY ({key});
EXCEPTION WHEN unique_violation THEN
    DELETE FROM {table} AS later USING (
        SELECT {key}, min(sequence) AS sequence FROM {table} GROUP BY {key} HAVING count(*) > 1
    ) AS first WHERE later.{key} = first.{key} AND later.sequence > first.sequence;
    ALTER TABLE {table} ADD PRIMARY KEY ({key});
END $$;
"""

_FORGET = """
DELETE FROM {table} AS known USING (
    SELECT jsonb_array_elements_text(replaces)::bigint AS sequence FROM {schema}.forgotten
) AS gone WHERE known.sequence = gone.sequence AND known.user_id > 0;
"""


def name_of(version: int) -> str:
    """Return the schema of a version."""
    return f"{PREFIX}{version}"


def create(version: int) -> str:
    """Make the tables, without what would slow down copying into them."""
    schema = name_of(version)
    return "\n".join(
        [
            f"CREATE SCHEMA {schema};",
            _CHECKPOINT.format(schema=schema),
            *(_table(schema, table) for table in TABLES),
            *(_plain(schema, column) for column in STRETCHES.columns if column.type == "bytea"),
        ]
    )


def finish(version: int) -> str:
    """Make what the tables lack after copying: of rows that came twice the first, keys, indexes.

    First of all the rows of forgotten people go, as those that took their place came behind them.
    """
    schema = name_of(version)
    people = [table for table in TABLES if "user_id" in {column.name for column in table.columns}]
    return "\n".join(
        [
            *(_FORGET.format(schema=schema, table=f"{schema}.{t.name}") for t in people),
            *(_keyed(schema, table) for table in TABLES if table.copied),
            pack(schema),
            *(_indexes(schema, table) for table in TABLES),
            f"UPDATE {schema}.checkpoint SET built_at = clock_timestamp();",  # noqa: S608
        ]
    )


def functions(version: int) -> str:
    """Make the functions that the views use, anew."""
    return WILSON.format(schema=name_of(version))


def calls() -> str:
    """Make the functions that analysts call; they read the views, whichever version these show."""
    return ATTRIBUTE


def shown() -> tuple[View, ...]:
    """Return what analysts see: every table but the quarantine, and every view over them."""
    return (*(_as_view(table) for table in TABLES if table is not QUARANTINE), *VIEWS)


def show(version: int, view: View) -> str:
    """Make the analysts' view, or point it to this version."""
    names = ", ".join(column for column, _ in view.columns)
    name = f"{ANALYSTS}.{view.name}"
    query = view.query.format(schema=name_of(version), version=version)
    return f"CREATE OR REPLACE VIEW {name} ({names}) AS {query};\n" + _comments(
        "VIEW", name, view.meaning, view.columns
    )


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _table(schema: str, table: Table) -> str:
    columns = ", ".join(f"{column.name} {column.type}" for column in table.columns)
    key = "" if table.copied else f", PRIMARY KEY ({table.key})"
    name = f"{schema}.{table.name}"
    meanings = tuple((column.name, column.meaning) for column in table.columns)
    return f"CREATE TABLE {name} ({columns}{key});\n" + _comments(
        "TABLE", name, table.meaning, meanings
    )


def _plain(schema: str, column: Column) -> str:
    """Keep what is packed from being compressed: it is dense, and is read all at once."""
    name = f"{schema}.{STRETCHES.name}"
    return f"ALTER TABLE {name} ALTER COLUMN {column.name} SET STORAGE EXTERNAL;"


def _keyed(schema: str, table: Table) -> str:
    name = f"{schema}.{table.name}"
    return _KEEP_THE_FIRST.format(table=name, key=table.key)


def _indexes(schema: str, table: Table) -> str:
    name = f"{schema}.{table.name}"
    made = [
        f"CREATE INDEX {table.name}_{number} ON {name} {index};"
        for number, index in enumerate(table.indexes)
    ]
    return "\n".join([*made, f"ANALYZE {name};"])


def _comments(what: str, name: str, meaning: str, columns: tuple[tuple[str, str], ...]) -> str:
    lines = [f"COMMENT ON {what} {name} IS {_text(meaning)};"]
    lines += [f"COMMENT ON COLUMN {name}.{column} IS {_text(text)};" for column, text in columns]
    return "\n".join(lines) + "\n"


def _as_view(table: Table) -> View:
    columns = tuple((column.name, column.meaning) for column in table.columns)
    names = ", ".join(name for name, _ in columns)
    query = f"SELECT {names} FROM {{schema}}.{table.name}"  # noqa: S608  names of our own
    return View(table.name, table.meaning, columns, query)


def _digest(*statements: str) -> str:
    return blake2b("\n".join(statements).encode(), digest_size=8).hexdigest()


DEFINITION = f"fold {FOLD}, tables {_digest(create(0), finish(0))}"
"""What a version is made by: the beginning of its schema's comment."""

PRESENT = (
    f"{DEFINITION}, views {_digest(functions(0), calls(), *(show(0, view) for view in shown()))}"
)
"""The comment of a live version whose views are this release's, too."""
