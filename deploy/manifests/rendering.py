"""What `kubectl kustomize` makes of a folder, as parsed documents."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import yaml

Document: TypeAlias = dict[str, Any]

DEPLOY = Path(__file__).parents[1]
PRODUCTION = "k8s/overlays/production"
_AND_OPTIONS = ", every option"
EVERY_OPTION = f"{PRODUCTION}{_AND_OPTIONS}"
FOLDERS = (
    "k8s/base",
    "k8s/scheduler",
    "k8s/sender",
    "k8s/clicks",
    "k8s/analytics",
    "k8s/provision",
    "k8s/options/backup",
    "k8s/options/external-secrets",
    "k8s/options/monitoring",
    "k8s/overlays/dev",
    PRODUCTION,
    EVERY_OPTION,
    "nats",
    "postgres",
    f"postgres{_AND_OPTIONS}",
)
WHOLE = ("k8s/overlays/dev", PRODUCTION, EVERY_OPTION)
"""Those that hold all that is needed, so that nothing may be missing from them."""
_RENDERED = ("campaigns", "dashboards", "k8s", "postgres")
_LEFT_OUT = re.compile(r"^( *)# ( *(?:components:|- \.\./\.\./options/))", re.MULTILINE)


class RenderError(RuntimeError):
    """A folder cannot be rendered; the text is kubectl's."""


def kubectl() -> str | None:
    """Return the program, None where it is not installed."""
    return shutil.which("kubectl")


def render(folder: str) -> list[Document]:
    """Return the documents of a folder under `deploy/`; raises RenderError."""
    if folder.endswith(_AND_OPTIONS):
        with _with_every_option(folder.removesuffix(_AND_OPTIONS)) as copy:
            return _rendered(copy)
    return _rendered(DEPLOY / folder)


@contextmanager
def _with_every_option(folder: str) -> Iterator[Path]:
    """Yield a copy of a folder in which the lines of the options are no comments."""
    with TemporaryDirectory() as root:
        for part in _RENDERED:
            shutil.copytree(DEPLOY / part, Path(root) / part)
        file = Path(root) / folder / "kustomization.yaml"
        file.write_text(_LEFT_OUT.sub(r"\1\2", file.read_text()))
        yield file.parent


def _rendered(folder: Path) -> list[Document]:
    command = [kubectl() or "kubectl", "kustomize", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RenderError(f"{folder}: {done.stderr.strip()}")
    return [document for document in yaml.safe_load_all(done.stdout) if document]
