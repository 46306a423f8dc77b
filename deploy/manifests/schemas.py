"""Whether a document is what Kubernetes takes: no unknown field, no wrong type, nothing missing.

Kinds of Kubernetes by its own schemas (the package `kubernetes-validate`). Kinds of operators by
`schemas/`: short closed schemas of the fields that our files use, written by hand from what the
operators document, as their own come with the operators only.
"""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate

from manifests.rendering import Document

KUBERNETES = "1.37"
_FOLDER = Path(__file__).parent / "schemas"


def problems(document: Document) -> Iterator[str]:
    """Yield what is wrong with a document."""
    own = _schema(document["apiVersion"], document["kind"])
    if own is not None:
        for error in jsonschema.Draft202012Validator(own).iter_errors(document):
            yield f"{error.json_path}: {error.message}"
        return
    if problem := _of_kubernetes(json.dumps(document)):
        yield problem


@cache
def _of_kubernetes(text: str) -> str | None:
    """Return what is wrong; remembered, as each time all of Kubernetes is read anew for it."""
    document = json.loads(text)
    try:
        kubernetes_validate.validate(document, KUBERNETES, strict=True)
    except kubernetes_validate.ValidationError as error:
        return str(error).splitlines()[0]
    except kubernetes_validate.SchemaNotFoundError:
        return f"no schema says what {document['apiVersion']} {document['kind']} is"
    return None


@cache
def _schema(version: str, kind: str) -> dict[str, Any] | None:
    path = _FOLDER / f"{version.replace('/', '_')}_{kind}.json"
    return json.loads(path.read_text()) if path.exists() else None
