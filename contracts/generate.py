"""Write what `contracts/` publishes: JSON Schemas, golden examples and the AsyncAPI document.

`python contracts/generate.py` writes; with `--check` it only says what is out of date. It refuses
to write a schema that could not read an old log: such a change is a new version of the type.
"""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsoncompat
import yaml

from contracts.campaign import CampaignFile
from contracts.envelope import CONTENT_TYPE, Envelope, schema_uri
from contracts.events import EVENTS, Event
from contracts.examples import example
from contracts.streams import EVENTS as STREAM

ROOT = Path(__file__).parent
WRITTEN_AT = datetime(2026, 3, 1, 12, 0, 1, tzinfo=UTC)
SOURCES = {
    "campaign": "scheduler",
    "guide": "scheduler",
    "promo": "scheduler",
    "slot": "scheduler",
    "message": "sender",
    "cta": "clicks",
    "bot": "clicks",
    "conversion": "clicks",
    "user": "analytics",
}


class IncompatibleSchemaError(Exception):
    """A published event was changed in a way that old logs do not survive."""


def closed(schema: Any) -> Any:
    """Return `schema` with every object closed: a document with a misspelt field is found.

    `discriminator` goes: it is OpenAPI's word, in AsyncAPI it means something else.
    """
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: closed(value) for key, value in schema.items() if key != "discriminator"}
    if "properties" in result and "additionalProperties" not in result:
        result["additionalProperties"] = False
    return result


def schema_of(event: type[Event]) -> dict[str, Any]:
    """Return the closed JSON Schema of the event's `data`."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": schema_uri(event.type),
        **closed(event.model_json_schema(mode="validation")),
    }


def refuse_incompatible(event_type: str, published: dict[str, Any], new: dict[str, Any]) -> None:
    """Raise IncompatibleSchemaError unless a reader with `new` understands `published` events."""
    # jsoncompat follows no reference but local ones, and takes the name of a schema for one.
    old_text, new_text = (
        json.dumps({key: value for key, value in schema.items() if key != "$id"})
        for schema in (published, new)
    )
    if not jsoncompat.check_compat(old_text, new_text, "deserializer"):
        raise IncompatibleSchemaError(
            f"{event_type}: a reader of the new schema would refuse events that stand in old logs;"
            " make the field optional, or publish a new version of the type with an upcaster"
        )


def golden(event: type[Event]) -> str:
    """Return the golden example: a whole document of the log, as it is on the wire."""
    source = f"/{SOURCES[event.fact().split('.')[0]]}"
    envelope = Envelope.of(example(event), source=source, now=WRITTEN_AT, cause=None)
    return _pretty(json.loads(envelope.document()))


def asyncapi() -> dict[str, Any]:
    """Return the AsyncAPI 3 document of the log."""
    names = {event: "".join(part.title() for part in event.fact().split(".")) for event in EVENTS}
    channels, messages, operations = {}, {}, {}
    for event, name in names.items():
        service = SOURCES[event.fact().split(".")[0]]
        channels[name] = {
            "address": f"{event.fact()}.{{key}}",
            "description": _first_line(event),
            "parameters": {"key": {"description": "What identifies the fact among its type."}},
            "messages": {name: {"$ref": f"#/components/messages/{name}"}},
        }
        messages[name] = _message(event, name)
        operations[f"{service}Says{name}"] = {
            "action": "send",
            "channel": {"$ref": f"#/channels/{name}"},
            "summary": f"{service} says {event.__name__}.",
        }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Fingerpost: the log",
            "version": "1.0.0",
            "description": "Everything that happened, in one order, in one JetStream stream.",
            "license": {"name": "MIT"},
        },
        "defaultContentType": CONTENT_TYPE,
        "servers": {"nats": {"host": "localhost:4222", "protocol": "nats"}},
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages},
        "x-jetstream": {
            "stream": STREAM.name,
            "subjects": list(STREAM.subjects),
            "duplicate-window-seconds": int(STREAM.duplicate_window.total_seconds()),
        },
    }


def _message(event: type[Event], name: str) -> dict[str, Any]:
    envelope = closed(Envelope.model_json_schema(mode="validation"))
    envelope.pop("$defs", None)
    payload = {
        **envelope,
        "properties": {
            **envelope["properties"],
            "type": {"const": event.type},
            "data": {"$ref": f"./schemas/{event.fact()}.v1.json"},
        },
    }
    return {
        "name": name,
        "title": event.__name__,
        "summary": _first_line(event),
        "contentType": CONTENT_TYPE,
        "headers": {
            "type": "object",
            "required": ["Nats-Msg-Id"],
            "properties": {"Nats-Msg-Id": {"type": "string", "description": "The event's id."}},
        },
        "payload": payload,
        "examples": [{"name": "golden", "payload": json.loads(golden(event))}],
    }


def _first_line(event: type[Event]) -> str:
    return (event.__doc__ or "").split("\n")[0]


def _pretty(document: Any) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def files() -> dict[Path, str]:
    """Return every published file with its content."""
    result = {
        ROOT / "asyncapi.yaml": yaml.safe_dump(asyncapi(), sort_keys=False, allow_unicode=True),
        ROOT / "schemas" / "campaigns.json": _pretty(closed(CampaignFile.model_json_schema())),
    }
    for event in EVENTS:
        name = f"{event.fact()}.v1.json"
        result[ROOT / "schemas" / name] = _pretty(schema_of(event))
        result[ROOT / "examples" / name] = golden(event)
    return result


def _guard(path: Path) -> None:
    if path.parent.name != "schemas" or path.name == "campaigns.json" or not path.exists():
        return
    event = next(event for event in EVENTS if path.name == f"{event.fact()}.v1.json")
    refuse_incompatible(event.type, json.loads(path.read_text()), schema_of(event))


def main(arguments: list[str]) -> int:
    """Write the files, or with `--check` name those that differ and return 1."""
    stale = [path for path, text in files().items() if _read(path) != text]
    if "--check" in arguments:
        sys.stdout.writelines(f"out of date: {path.relative_to(ROOT)}\n" for path in stale)
        return 1 if stale else 0
    for path in stale:
        _guard(path)
        path.parent.mkdir(exist_ok=True)
        path.write_text(files()[path])
        sys.stdout.write(f"written: {path.relative_to(ROOT)}\n")
    return 0


def _read(path: Path) -> str | None:
    return path.read_text() if path.exists() else None


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except IncompatibleSchemaError as error:
        sys.exit(f"refused: {error}")
