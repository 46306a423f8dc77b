"""What `kubectl kustomize` makes of a folder, as parsed documents."""

import shutil
import subprocess
from pathlib import Path
from typing import Any, TypeAlias

import yaml

Document: TypeAlias = dict[str, Any]

DEPLOY = Path(__file__).parents[1]
FOLDERS = (
    "k8s/base",
    "k8s/scheduler",
    "k8s/sender",
    "k8s/clicks",
    "k8s/analytics",
    "k8s/provision",
    "k8s/options/keda",
    "k8s/options/external-secrets",
    "k8s/overlays/dev",
    "k8s/overlays/production",
    "nats",
    "postgres",
)
WHOLE = ("k8s/overlays/dev", "k8s/overlays/production")
"""Those that hold all that is needed, so that nothing may be missing from them."""


class RenderError(RuntimeError):
    """A folder cannot be rendered; the text is kubectl's."""


def kubectl() -> str | None:
    """Return the program, None where it is not installed."""
    return shutil.which("kubectl")


def render(folder: str) -> list[Document]:
    """Return the documents of a folder under `deploy/`; raises RenderError."""
    command = [kubectl() or "kubectl", "kustomize", str(DEPLOY / folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RenderError(f"{folder}: {done.stderr.strip()}")
    return [document for document in yaml.safe_load_all(done.stdout) if document]
