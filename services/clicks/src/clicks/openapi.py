"""Describes the HTTP API as OpenAPI 3.1, from the models by which it reads and answers."""

from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema
from pydantic_core import to_json

from clicks.domain.conversions import LARGEST_BATCH, Answer, Batch, Conversion


class Problem(BaseModel):
    """Why a whole request was not taken, and what to do about it."""

    error: str
    remedy: str


_SIGNED = (
    ("webhook-id", "Your own id of the request."),
    ("webhook-timestamp", "Seconds since 1970, at most 5 minutes away from now."),
    ("webhook-signature", "`v1,<base64>`: HMAC-SHA256 of `<id>.<timestamp>.<body>`."),
)
_MODELS: list[tuple[type[BaseModel], JsonSchemaMode]] = [
    (Conversion, "validation"),
    (Batch, "validation"),
    (Answer, "serialization"),
    (Problem, "serialization"),
]


@cache
def document() -> bytes:
    """Return the document as JSON."""
    _, schemas = models_json_schema(_MODELS, ref_template="#/components/schemas/{model}")
    return to_json(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "Fingerpost: conversions",
                "version": "1",
                "description": "Tell Fingerpost what people did after they tapped. Requests are"
                " signed by the Standard Webhooks convention (https://www.standardwebhooks.com),"
                " for which there are libraries in most languages.",
            },
            "paths": {
                "/v1/conversions": {"post": _conversions()},
                "/v1/webhooks/stripe": {"post": _stripe()},
                "/v1/openapi.json": {"get": _itself()},
            },
            "components": {"schemas": schemas["$defs"]},
        }
    )


def _conversions() -> dict[str, Any]:
    one_or_many = [_ref("Conversion"), _ref("Batch")]
    return {
        "operationId": "recordConversions",
        "summary": f"Record one conversion, or up to {LARGEST_BATCH} at once",
        "description": "An `id` counts once for ever, so that any request may be repeated."
        " Each conversion of a batch is answered by itself, with 200 for the whole.",
        "parameters": [_header(name, meaning) for name, meaning in _SIGNED],
        "requestBody": {"required": True, "content": _json({"anyOf": one_or_many})},
        "responses": {
            "200": _response("A result for each, in their order.", "Answer"),
            "422": {
                "description": "The one conversion was refused, or the body is none of both.",
                "content": _json({"anyOf": [_ref("Answer"), _ref("Problem")]}),
            },
            **_REFUSALS,
        },
    }


def _stripe() -> dict[str, Any]:
    return {
        "operationId": "receiveStripeEvent",
        "summary": "Stripe's webhook: sent by Stripe, not by you",
        "parameters": [_header("stripe-signature", "As Stripe makes it.")],
        "requestBody": {"required": True, "content": _json({"type": "object"})},
        "responses": {
            "200": {"description": "Recorded, or of no interest; Stripe may forget it."},
            "422": _response("Of interest, but not understood; Stripe sends it again.", "Problem"),
            **_REFUSALS,
        },
    }


def _itself() -> dict[str, Any]:
    return {
        "operationId": "describe",
        "summary": "This document",
        "responses": {"200": {"description": "OpenAPI 3.1", "content": _json({"type": "object"})}},
    }


def _header(name: str, meaning: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": True,
        "description": meaning,
        "schema": {"type": "string"},
    }


def _ref(model: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{model}"}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _response(description: str, model: str) -> dict[str, Any]:
    return {"description": description, "content": _json(_ref(model))}


def _later(description: str) -> dict[str, Any]:
    seconds = {"description": "Seconds to wait.", "schema": {"type": "integer"}}
    return {**_response(description, "Problem"), "headers": {"Retry-After": seconds}}


_REFUSALS = {
    "401": _response("The signature is missing, wrong, or too old.", "Problem"),
    "413": _response("The body is larger than 256 KiB.", "Problem"),
    "429": _later("Too many wrong signatures came from this address."),
    "503": _later("The log did not acknowledge, or this is not set up: say all of it again."),
}
