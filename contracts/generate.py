"""Write what `contracts/` publishes: JSON Schemas, golden examples and the AsyncAPI document.

`python contracts/generate.py` writes; with `--check` it only says what is out of date. It refuses
to write a schema that could not read an old log: such a change is a new version of the type.
"""

import json
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsoncompat
import yaml

from contracts import calendar
from contracts.campaign import CampaignFile
from contracts.creative import ALBUM_SIZES
from contracts.envelope import CONTENT_TYPE, Envelope, schema_uri
from contracts.events import EVENTS, Event
from contracts.examples import example
from contracts.markup import FORMATS
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
    "channel": "sender",
    "invite": "clicks",
    "forget": "clicks",
    "user": "analytics",
}


CAMPAIGN_FIELDS = ROOT.parent / "deploy" / "campaigns" / "README.md"
MODELS = {
    "The file": "CampaignFile",
    "A campaign": "Campaign",
    "An interval": "IntervalSchedule",
    "A cron schedule": "CronSchedule",
    "catch_up": "CatchUp",
    "expire": "Expire",
    "A variant": "Variant",
    "A medium": "Medium",
    "preview": "Preview",
    "A button that answers": "CallbackCta",
    "A button that opens the bot": "BotCta",
    "offer": "StarsOffer",
    "A button that links to the bot": "DeepLinkCta",
    "A button that leads to a page": "LinkCta",
    "A button that invites": "JoinCta",
    "A button that copies": "CopyCta",
}
"""The headings in the owners' reference, and the models whose fields stand below them."""

# Rules on texts count what is left without the spaces around it, and a schema cannot.
_TEXT = {"type": "string", "pattern": r"\S"}
_LABEL = {"type": "string", "pattern": r"^\s*\S([\s\S]{0,62}\S)?\s*$"}
_ADDRESS = {
    "type": "string",
    "maxLength": 2048,
    "pattern": r"^[Hh][Tt][Tt][Pp][Ss]?://[^\s/?#]+[^\s]*$",
}
_DURATION = {
    "anyOf": [
        {
            "type": "string",
            "pattern": r"^(?=.*[dhms])([0-9 ]+d)?([0-9 ]+h)?([0-9 ]+m)?([0-9 ]+s)? *$|^-?P.+$",
            "examples": ["4h", "1h30m", "2d"],
        },
        {"const": 0},
    ]
}
_ALBUM = {"minItems": ALBUM_SIZES[0], "maxItems": ALBUM_SIZES[-1]}
_ZONE = {"pattern": "^[A-Za-z0-9_+/-]+$", "examples": ["UTC", "Europe/Berlin"]}
_MACROS = "|".join(
    "".join(f"[{sign.upper()}{sign}]" for sign in name.removeprefix("@"))
    for name in calendar.MACROS
)
_CHANNEL = {
    "anyOf": [
        {"type": "integer", "minimum": -(2**63) + 1, "maximum": 2**63 - 1},
        {"type": "string", "pattern": r"^(-?[0-9]{1,19}|@[A-Za-z][A-Za-z0-9_]{3,31})$"},
    ]
}


def _one_or_list(item: dict[str, Any], **rules: bool) -> dict[str, Any]:
    return {"anyOf": [item, {"type": "array", "items": item, **rules}]}


def _or_null(value: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [value, {"type": "null"}]}


def _text(pattern: str, *examples: str) -> dict[str, Any]:
    return {"type": "string", "pattern": f"^(?:{pattern})$", "examples": list(examples)}


_MOMENT = _text(calendar.MOMENT, "2026-12-01", "2026-12-01T09:00", "2026-12-01T09:00+01:00")

WRITTEN: dict[str, dict[str, Any]] = {
    "BotCta.greeting": _TEXT,
    "BotCta.label": _LABEL,
    "BotCta.target": _or_null(_ADDRESS),
    "CallbackCta.label": _LABEL,
    "Campaign.blackouts": _one_or_list(
        _text(calendar.BLACKOUT, "2026-12-24", "2026-12-24..2026-12-26")
    ),
    "Campaign.channel_offset": _DURATION,
    "Campaign.channels": _one_or_list(_CHANNEL, uniqueItems=True),
    "Campaign.end": _or_null(_MOMENT),
    "Campaign.jitter": _DURATION,
    "Campaign.quiet_hours": _one_or_list(_text(calendar.QUIET_HOURS, "22:00-07:00")),
    "Campaign.start": _or_null(_MOMENT),
    "Campaign.zone": {"type": "string", **_ZONE},
    "CatchUp.window": _or_null(_DURATION),
    "CronSchedule.cron": _text(
        rf"\s*(@({_MACROS})|\S+(\s+\S+){{4}})\s*", "0 9 * * mon-fri", "@daily"
    ),
    "CronSchedule.zone": _or_null({"type": "string", **_ZONE}),
    "CopyCta.label": _LABEL,
    "DeepLinkCta.greeting": _TEXT,
    "DeepLinkCta.label": _LABEL,
    "DeepLinkCta.target": _or_null(_ADDRESS),
    "Expire.after": _DURATION,
    "Expire.format": {"enum": list(FORMATS)},
    "Expire.text": _or_null(_TEXT),
    "IntervalSchedule.every": _DURATION,
    "IntervalSchedule.phase": _DURATION,
    "JoinCta.chat": _CHANNEL,
    "JoinCta.label": _LABEL,
    "LinkCta.label": _LABEL,
    "LinkCta.target": _ADDRESS,
    "Medium.url": _or_null(_ADDRESS),
    "Preview.url": _or_null(_ADDRESS),
    "Variant.album": {"type": "array", "items": {"$ref": "#/$defs/Medium"}, **_ALBUM},
    "Variant.album_text": _or_null(_TEXT),
    "Variant.format": {"enum": list(FORMATS)},
    "Variant.preview": {"anyOf": [{"const": "off"}, {"$ref": "#/$defs/Preview"}, {"type": "null"}]},
}
"""How people write what the models hold in another form."""

_WITH_MEDIA = {"anyOf": [{"required": ["media"]}, {"required": ["album"]}]}
_NOT_WEIGHTED = {"properties": {"rotation": {"not": {"const": "weighted"}}}}
RULES: dict[str, list[dict[str, Any]]] = {
    "Campaign": [
        {"not": {"required": ["schedule", "schedules"]}},
        {"properties": {"schedules": {"minItems": 1}}},
        {
            "if": {"properties": {"kind": {"const": "promo"}}, "required": ["kind"]},
            "then": {
                "properties": {
                    "variants": {
                        "items": {"required": ["ctas"], "properties": {"ctas": {"minItems": 1}}}
                    }
                }
            },
        },
        {
            "if": _NOT_WEIGHTED,
            "then": {
                "properties": {"variants": {"items": {"properties": {"weight": {"const": 1}}}}}
            },
        },
    ],
    "CatchUp": [
        {
            "if": {"required": ["max"]},
            "then": {"properties": {"policy": {"const": "all"}}, "required": ["policy"]},
        }
    ],
    "Medium": [{"oneOf": [{"required": ["url"]}, {"required": ["file_id"]}]}],
    "Variant": [
        {
            "if": {"not": _WITH_MEDIA},
            "then": {"required": ["text"], "properties": {"text": _TEXT}},
        },
        {"if": {"required": ["album_text"]}, "then": {"required": ["album"]}},
    ],
}
"""What a campaign's fields say about each other."""

_DEFAULTS: dict[str | int, str] = {"PT4H": "4h", "PT0S": "0s"}


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


def campaigns_schema() -> dict[str, Any]:
    """Return the JSON Schema by which editors check the campaign file.

    It takes whatever `read_plan` takes; `read_plan` knows more rules than a schema can say.
    """
    schema = closed(CampaignFile.model_json_schema())
    parts = {"CampaignFile": schema, **schema["$defs"]}
    described = field_descriptions(CAMPAIGN_FIELDS.read_text(encoding="utf-8"))
    for name, part in parts.items():
        for field, value in part["properties"].items():
            part["properties"][field] = _for_editors(f"{name}.{field}", value, described)
        if name in RULES:
            part["allOf"] = RULES[name]
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": schema_uri("fingerpost.campaigns"),
    }
    title = {"title": "Fingerpost: the campaign file"}
    return {**head, **schema, **title}


def field_descriptions(reference: str) -> dict[str, str]:
    """Return what the tables of the owners' reference say about each `Model.field`."""
    found, model = {}, ""
    for line in reference.splitlines():
        if line.startswith("#"):
            model = MODELS.get(line.lstrip("# "), "")
        elif row := re.fullmatch(r"\| `(\w+)` \|.*?\| (.+) \|", line):
            found[f"{model}.{row[1]}"] = row[2]
    return found


def _for_editors(name: str, value: dict[str, Any], described: dict[str, str]) -> dict[str, Any]:
    default = value.get("default")
    shape = WRITTEN.get(name, value)
    result = {"description": described[name], **shape}
    for key in ("title", "default"):
        result.pop(key, None)
    # What is empty or made of fields is no default that an editor should write out.
    if isinstance(default, str | int) and default != "":
        result["default"] = _DEFAULTS.get(default, default)
    return result


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
        ROOT / "schemas" / "campaigns.json": _pretty(campaigns_schema()),
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
