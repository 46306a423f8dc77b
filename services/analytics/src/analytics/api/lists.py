"""The lists that programs may ask for, as data: where rows come from, their order, the filters.

All text of statements stands here and in `analytics.schema`; what is asked for is bound, never
written into it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from analytics import schema
from analytics.domain.paging import Kind
from analytics.schema.tables import TABLES
from analytics.schema.views.figures import figures_by

_PAGED = ("limit", "after")
_TYPES = {
    "text": "string",
    "bigint": "integer",
    "integer": "integer",
    "smallint": "integer",
    "numeric": "number",
    "boolean": "boolean",
    "timestamptz": "date-time",
    "date": "date",
}
_RATES = {"click_through_rate", "conversion_rate", "conversion_rate_low", "conversion_rate_high"}
_COUNTS = {
    *("sent", "audience", "clicks", "repeated_clicks", "unknown_clicks", "robot_clicks"),
    *("unique_clickers", "starts", "conversions", "converters", "converted_clickers", "clickers"),
    *("starters", "planned", "waiting", "missed", "skipped", "failed", "uncertain", "version"),
    *("checkpoint", "lag", "quarantined", "late_worst_ms", "cta", "user_id"),
}
_MOMENTS = {"occurred_at", "touched_at", "clicked_at", "updated_at", "at"}


@dataclass(frozen=True)
class Column:
    """A field of a row: its kind is a JSON type, `date`, `date-time`, or empty for any JSON."""

    name: str
    kind: str
    meaning: str


@dataclass(frozen=True)
class List:
    """One list. `keys` tell every two rows apart; rows come by them, the greatest first.

    `source` is what stands behind FROM, `filters` a condition for each parameter, where `{}` is
    its value. `where` always holds.
    """

    name: str
    meaning: str
    columns: tuple[Column, ...]
    source: str
    keys: tuple[tuple[str, Kind], ...]
    filters: Mapping[str, str] = field(default_factory=dict)
    where: str = "true"

    @property
    def parameters(self) -> tuple[str, ...]:
        """The parameters that may be given."""
        by_moment = "since" in self.filters and self.keys[0][1] == "moment"
        zone = ("zone",) if by_moment else ()
        return (*self.filters, *zone, *_PAGED)

    def statement(self, asked: Mapping[str, Any], version: int) -> tuple[str, list[Any]]:
        """Return the query of one page and its values; a row more than the limit: there is more.

        Each row comes as JSON text, and with its keys.
        """
        values: list[Any] = []

        def bound(value: Any) -> str:
            values.append(value)
            return f"${len(values)}"

        conditions = [self.where]
        for name, condition in self.filters.items():
            if asked.get(name) is not None:
                conditions.append(condition.replace("{}", bound(asked[name])))
        expressions = ", ".join(expression for expression, _ in self.keys)
        if asked.get("after"):
            place = ", ".join(map(bound, asked["after"]))
            conditions.append(f"({expressions}) < ({place})")
        keys = [f"{expression} AS key_{n}" for n, (expression, _) in enumerate(self.keys)]
        places = ", ".join(f"p.key_{n}" for n in range(len(self.keys)))
        order = ", ".join(f"{expression} DESC" for expression, _ in self.keys)
        shown = ", ".join(f"t.{column.name}" for column in self.columns)
        names = ", ".join(f"p.{column.name}" for column in self.columns)
        source = self.source.replace("{schema}", schema.name_of(version)).replace("{{}}", "{}")
        query = (
            f"SELECT (SELECT row_to_json(c)::text FROM (SELECT {names}) AS c) AS row, {places}"  # noqa: S608
            f" FROM (SELECT {shown}, {', '.join(keys)} FROM {source}"
            f" WHERE {' AND '.join(conditions)} ORDER BY {order} LIMIT {bound(asked['limit'] + 1)})"
            " AS p"
        )
        return query, values


def _meanings(name: str) -> dict[str, str]:
    return dict(next(view.columns for view in schema.shown() if view.name == name))


def _meaning(name: str) -> str:
    return next(view.meaning for view in schema.shown() if view.name == name)


def _of_table(name: str, *more: Column) -> tuple[Column, ...]:
    table = next(table for table in TABLES if table.name == name)
    own = (Column(c.name, _TYPES.get(c.type, ""), c.meaning) for c in table.columns)
    return (*own, *more)


def _of_view(name: str) -> tuple[Column, ...]:
    return tuple(Column(c, _kind(c), meaning) for c, meaning in _meanings(name).items())


def _kind(name: str) -> str:
    if name in _COUNTS:
        return "integer"
    if name in _RATES or name in {"credit", "amount", "late_median_ms"}:
        return "number"
    if name in _MOMENTS:
        return "date-time"
    return {"day": "date", "revenue": ""}.get(name, "string")


_POST = {
    "campaign": "d.campaign = {}",
    "variant": "d.variant = {}",
    "kind": "d.kind = {}",
    "channel": "d.channel = {}",
}
_OWN = {name: condition.replace("d.", "t.") for name, condition in _POST.items()}
_OF_POST = (
    Column("campaign", "string", "Campaign of the delivery."),
    Column("variant", "string", "Variant of the delivery."),
    Column("channel", "string", "Channel of the delivery."),
)


def _period(column: str) -> dict[str, str]:
    return {"since": f"{column} >= {{}}", "until": f"{column} < {{}}"}


def _acts(table: str, at: str, *, filters: Mapping[str, str] | None = None) -> List:
    known = {column.name for column in _of_table(table)}
    lacking = tuple(column for column in _OF_POST if column.name not in known)
    wanted = ", ".join(
        f"coalesce(a.{c.name}, d.{c.name}) AS {c.name}" if c.name in known else f"d.{c.name}"
        for c in _OF_POST
    )
    own = ", ".join(f"a.{c.name}" for c in _of_table(table) if c.name not in _post_names())
    return List(
        table,
        f"{_meaning(table)} The newest first.",
        _of_table(table, *lacking),
        f"(SELECT {own}, {wanted}, d.kind AS post_kind FROM {table} AS a"  # noqa: S608
        " LEFT JOIN deliveries AS d ON d.delivery = a.delivery) AS t",
        ((f"t.{at}", "moment"), ("t.event_id", "text")),
        {
            **_period(f"t.{at}"),
            **_OWN,
            "kind": "t.post_kind = {}",
            "user": "t.user_id = {}",
            **(filters or {}),
        },
    )


def _post_names() -> set[str]:
    return {column.name for column in _OF_POST}


def _by_day(name: str) -> List:
    keys = ("campaign", "variant", "channel")
    return List(
        name,
        f"{_meaning(name)} The newest day first.",
        _of_view(name),
        f"{name} AS t",
        (("t.day", "day"), *((f"t.{key}", "text") for key in keys)),
        {
            "since": "t.day >= ({}::timestamptz AT TIME ZONE 'UTC')::date",
            "until": "t.day <= (({}::timestamptz - interval '1 us') AT TIME ZONE 'UTC')::date",
            **{key: f"t.{key} = {{}}" for key in keys},
        },
    )


def _rates() -> List:
    figures = figures_by(("campaign",), "true")
    names = (
        *("campaign", "clicks", "unique_clickers", "converted_clickers"),
        *("conversion_rate", "conversion_rate_low", "conversion_rate_high"),
    )
    columns = {column.name: column for column in _of_view("variant_performance")}
    return List(
        "conversion_rate",
        "Of the people who tapped, how many converted, by campaign: each person counts once.",
        tuple(columns[name] for name in names),
        f"({figures}) AS t",
        (("t.campaign", "text"),),
        {"campaign": "t.campaign = {}"},
    )


LISTS = (
    List(
        "campaigns",
        _meaning("campaigns"),
        _of_table("campaigns"),
        "campaigns AS t",
        (("t.campaign", "text"),),
        {"campaign": "t.campaign = {}", "kind": "t.kind = {}"},
    ),
    List(
        "variants",
        _meaning("variants"),
        _of_table("variants"),
        "variants AS t",
        (("t.campaign", "text"), ("t.variant", "text")),
        {"campaign": "t.campaign = {}", "variant": "t.variant = {}"},
    ),
    List(
        "deliveries",
        f"{_meaning('deliveries')} The newest first.",
        _of_table("deliveries"),
        "deliveries AS t",
        (("coalesce(t.scheduled_for, t.sent_at, 'epoch')", "moment"), ("t.delivery", "text")),
        {
            **_period("coalesce(t.scheduled_for, t.sent_at, 'epoch')"),
            **_OWN,
            "state": "t.state = {}",
        },
    ),
    _acts("clicks", "clicked_at", filters={"verdict": "t.verdict = {}"}),
    _acts("starts", "started_at"),
    _acts("conversions", "occurred_at"),
    List(
        "attribution",
        f"{_meaning('attribution')} The newest first.",
        _of_view("attribution"),
        "attribution AS t",
        (
            ("t.occurred_at", "moment"),
            ("t.conversion", "text"),
            ("coalesce(t.delivery, '')", "text"),
        ),
        {
            **_period("t.occurred_at"),
            **{name: _OWN[name] for name in ("campaign", "variant", "channel")},
            "user": "t.user_id = {}",
            "model": "t.model = {}",
        },
    ),
    _by_day("promo_conversion"),
    _by_day("guide_engagement"),
    List(
        "variant_performance",
        _meaning("variant_performance"),
        _of_view("variant_performance"),
        "variant_performance AS t",
        (("t.campaign", "text"), ("t.variant", "text")),
        {name: _OWN[name] for name in ("campaign", "variant")},
    ),
    List(
        "channel_performance",
        _meaning("channel_performance"),
        _of_view("channel_performance"),
        "channel_performance AS t",
        (("t.channel", "text"),),
        {"channel": _OWN["channel"]},
    ),
    List(
        "funnel",
        _meaning("funnel"),
        _of_view("funnel"),
        "funnel AS t",
        (("t.campaign", "text"), ("t.variant", "text")),
        {name: _OWN[name] for name in ("campaign", "variant")},
    ),
    _rates(),
    List(
        "projection_status",
        _meaning("projection_status"),
        _of_view("projection_status"),
        "projection_status AS t",
        (("t.version::text", "text"),),
    ),
)

BY_NAME = {one.name: one for one in LISTS}

CLICK_COUNT = (
    Column("clicks", "integer", "Taps."),
    Column("people", "integer", "Known people who tapped, each once; links name nobody."),
)


def click_count(asked: Mapping[str, Any]) -> tuple[str, Sequence[Any]]:
    """Return the query that counts the clicks that a filter leaves, and its values."""
    clicks, values, conditions = BY_NAME["clicks"], [], ["true"]
    for name, condition in clicks.filters.items():
        if asked.get(name) is not None:
            values.append(asked[name])
            conditions.append(condition.replace("{}", f"${len(values)}"))
    query = (
        "SELECT count(*) AS clicks, count(DISTINCT t.user_id) AS people"  # noqa: S608
        f" FROM {clicks.source} WHERE {' AND '.join(conditions)}"
    )
    return query, values
