"""Builds the four images, each from the Dockerfile of its service."""

import os
import shlex
import subprocess
import tomllib
from pathlib import Path

from images import engine
from stack.local import SERVICES
from stack.supervisor import say

ROOT = Path(__file__).parents[2]
_DEFAULT_BASE = "python:3.13-slim-trixie"
_NO_BASE = """\
{base} is not here and cannot be pulled. Make a base from Debian's packages (as root, with
debootstrap), and name it:
    make base-image
    make images BASE_IMAGE=fingerpost-base:trixie"""


def base() -> str:
    """Return the image that ours begin with."""
    return os.environ.get("BASE_IMAGE") or _DEFAULT_BASE


def name(service: str) -> str:
    """Return the image of a service, as in `fingerpost-sender:0.1.0`."""
    return f"{os.environ.get('IMAGE_PREFIX', 'fingerpost-')}{service}:{_version(service)}"


def build() -> None:
    """Build all images; raises EngineError."""
    if not engine.pulled(base()):
        raise engine.EngineError(_NO_BASE.format(base=base()))
    for service in SERVICES:
        say(f"building {name(service)} ...")
        dockerfile = ROOT / "services" / service / "Dockerfile"
        engine.build(dockerfile, name(service), ROOT, [*_arguments(service), *_needs_of_pip()])


def _arguments(service: str) -> list[str]:
    values = {
        "BASE_IMAGE": base(),
        "VERSION": _version(service),
        "REVISION": _revision(),
    }
    flags = shlex.split(os.environ.get("BUILD_FLAGS", ""))
    for key, value in values.items():
        flags += ["--build-arg", f"{key}={value}"]
    return flags


def _needs_of_pip() -> list[str]:
    """Hand over what pip needs on this machine; nothing of it stays in an image."""
    certificates = os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE")
    secrets = {"ca": certificates, "pip": os.environ.get("PIP_CONFIG_FILE")}
    flags = []
    for key, path in secrets.items():
        if path and Path(path).is_file():
            flags += ["--secret", f"id={key},src={path}"]
    return flags


def _version(service: str) -> str:
    project = ROOT / "services" / service / "pyproject.toml"
    return str(tomllib.loads(project.read_text())["project"]["version"])


def _revision() -> str:
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    except FileNotFoundError:
        return "unknown"
    return asked.stdout.strip() or "unknown"
