"""The OpenAPI document: made from the lists and parameters that are served."""

from collections.abc import Sequence
from typing import Any

from analytics.api.lists import BY_NAME, CLICK_COUNT, LISTS, Column, List
from analytics.domain.asking import PARAMETERS

_JSON = "application/json"
_ERROR = {
    "type": "object",
    "required": ["error"],
    "additionalProperties": False,
    "properties": {
        "error": {
            "type": "object",
            "required": ["field", "problem", "remedy"],
            "additionalProperties": False,
            "properties": {
                "field": {"type": "string", "description": "What is wrong: a parameter, or path."},
                "problem": {"type": "string", "description": "What is wrong with it."},
                "remedy": {"type": "string", "description": "What to do."},
            },
        }
    },
}
_PROBLEMS = {
    "400": "A parameter cannot be used.",
    "503": "The tables cannot be read now.",
}


def document() -> dict[str, Any]:
    """Return the document."""
    paths = {f"/v1/{one.name}": _path(one.meaning, one.parameters, one.name) for one in LISTS}
    clicks = BY_NAME["clicks"]
    own = tuple(name for name in clicks.parameters if name != "user")
    history = _path("What one person tapped, the newest first.", own, "clicks")
    user = {**_parameter("user"), "name": "user", "in": "path", "required": True}
    history["get"]["parameters"].append(user)
    paths["/v1/users/{user}/clicks"] = history
    counted = tuple(name for name in clicks.parameters if name not in {"limit", "after"})
    paths["/v1/clicks/count"] = _path("How many taps there are.", counted, "click_count")
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Fingerpost analytics",
            "version": "1",
            "description": "What analysts read, as JSON. It is read only, and paged by `next`.",
        },
        "paths": paths,
        "components": {
            "schemas": {
                "error": _ERROR,
                "click_count": _object(CLICK_COUNT),
                **{one.name: _page(one) for one in LISTS},
            }
        },
    }


def _path(meaning: str, parameters: Sequence[str], answer: str) -> dict[str, Any]:
    problems = {
        status: {"description": meaning, "content": _content("error")}
        for status, meaning in _PROBLEMS.items()
    }
    return {
        "get": {
            "summary": meaning,
            "parameters": [_parameter(name) for name in parameters],
            "responses": {
                "200": {"description": "The answer.", "content": _content(answer)},
                **problems,
            },
        }
    }


def _parameter(name: str) -> dict[str, Any]:
    known = PARAMETERS[name]
    return {
        "name": name,
        "in": "query",
        "description": known.meaning,
        "schema": dict(known.schema),
    }


def _content(name: str) -> dict[str, Any]:
    return {_JSON: {"schema": {"$ref": f"#/components/schemas/{name}"}}}


def _page(one: List) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["rows", "next"],
        "additionalProperties": False,
        "properties": {
            "rows": {"type": "array", "items": _object(one.columns)},
            "next": {
                "type": ["string", "null"],
                "description": "Give it as `after` for the next page; null: this is the last.",
            },
        },
    }


def _object(columns: Sequence[Column]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": [column.name for column in columns],
        "additionalProperties": False,
        "properties": {column.name: _schema(column) for column in columns},
    }


def _schema(column: Column) -> dict[str, Any]:
    said = {"description": column.meaning}
    if not column.kind:
        return said
    if column.kind in {"date", "date-time"}:
        return {"type": ["string", "null"], "format": column.kind, **said}
    return {"type": [column.kind, "null"], **said}
