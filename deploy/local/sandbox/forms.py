"""A Bot API call's parameters from a query string and a JSON, urlencoded or multipart body."""

import json
from dataclasses import dataclass, field
from email.message import Message as Headers
from typing import Any
from urllib.parse import parse_qsl

from sandbox.refusals import bad_request


@dataclass(frozen=True)
class Upload:
    """A file sent along in a multipart body."""

    name: str
    content_type: str
    content: bytes


@dataclass(frozen=True)
class Parameters:
    """Named values, still in the shape they arrived in; the getters read them as Telegram does."""

    values: dict[str, Any]
    files: dict[str, Upload] = field(default_factory=dict)

    def has(self, name: str) -> bool:
        return self.values.get(name) not in (None, "")

    def text(self, name: str, default: str = "") -> str:
        value = self.values.get(name)
        if value is None:
            return default
        return value if isinstance(value, str) else json.dumps(value)

    def integer(self, name: str, default: int = 0) -> int:
        try:
            return int(self.values.get(name, default))
        except (TypeError, ValueError):
            return default

    def boolean(self, name: str) -> bool:
        return str(self.values.get(name, "")).lower() in {"true", "yes", "1"}

    def json(self, name: str) -> Any:
        """The value as JSON, whether it came as JSON or as text holding JSON; None when absent."""
        value = self.values.get(name)
        if not isinstance(value, str):
            return value
        if not value:
            return None
        try:
            return json.loads(value)
        except ValueError:
            what = name.replace("_", " ")
            raise bad_request(f"can't parse {what} JSON object") from None


def read_parameters(query: str, content_type: str, body: bytes) -> Parameters:
    """Merge query and body; the body wins."""
    values: dict[str, Any] = dict(parse_qsl(query, keep_blank_values=True))
    files: dict[str, Upload] = {}
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        _read_multipart(content_type, body, values, files)
    elif kind == "application/json" and body:
        values |= _read_json(body)
    elif kind == "application/x-www-form-urlencoded":
        values |= dict(parse_qsl(body.decode(), keep_blank_values=True))
    return Parameters(values, files)


def _read_json(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except ValueError:
        raise bad_request("can't parse JSON object") from None
    if not isinstance(document, dict):
        raise bad_request("request body must be a JSON object")
    return document


def _read_multipart(
    content_type: str, body: bytes, values: dict[str, Any], files: dict[str, Upload]
) -> None:
    boundary = _header("content-type", content_type).get_param("boundary", header="content-type")
    if not isinstance(boundary, str):
        raise bad_request("boundary is not found in the content type")
    for part in (b"\r\n" + body).split(b"\r\n--" + boundary.encode())[1:]:
        head, separator, content = part.partition(b"\r\n\r\n")
        if separator:
            _read_part(head.decode(), content, values, files)


def _read_part(head: str, content: bytes, values: dict[str, Any], files: dict[str, Upload]) -> None:
    headers = Headers()
    for line in head.strip().splitlines():
        name, _, value = line.partition(":")
        headers[name] = value.strip()
    field_name = str(headers.get_param("name", header="content-disposition"))
    file_name = headers.get_param("filename", header="content-disposition")
    if file_name is None:
        values[field_name] = content.decode()
    else:
        files[field_name] = Upload(str(file_name), headers.get_content_type(), content)


def _header(name: str, value: str) -> Headers:
    headers = Headers()
    headers[name] = value
    return headers
