"""The container engine, by its command line."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path


class EngineError(RuntimeError):
    """The engine refused; the text is what it said."""


def run(*arguments: str) -> str:
    """Return what the engine answers to a command; raises EngineError."""
    result = subprocess.run(  # noqa: S603  our own command line
        [client(), *arguments], capture_output=True, text=True, check=False
    )
    if result.returncode:
        raise EngineError(f"docker {arguments[0]}: {result.stderr.strip() or result.stdout}")
    return result.stdout.strip()


@cache
def client() -> str:
    """Return the first `docker` of the path that can build with BuildKit; raises EngineError.

    There may be two, and one of them without the part that builds.
    """
    for candidate in _candidates():
        environment = {**os.environ, "DOCKER_BUILDKIT": "1"}
        asked = subprocess.run(  # noqa: S603  our own command line
            [candidate, "build", "--help"], capture_output=True, check=False, env=environment
        )
        if not asked.returncode:
            return candidate
    raise EngineError("no docker that builds with BuildKit: install docker.io, or docker-buildx")


def _candidates() -> Iterator[str]:
    for folder in os.get_exec_path():
        found = shutil.which("docker", path=folder)
        if found:
            yield found


def build(dockerfile: Path, tag: str, context: Path, flags: Sequence[str]) -> None:
    """Build an image; what the engine says goes to standard error; raises EngineError."""
    result = subprocess.run(  # noqa: S603  our own command line
        [client(), "build", "--progress", "plain", "-f", dockerfile, "-t", tag, *flags, context],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "DOCKER_BUILDKIT": "1"},
    )
    if result.returncode:
        sys.stderr.write(result.stdout + result.stderr)
        raise EngineError(f"{tag} was not built: see above")


def pulled(image: str) -> bool:
    """Whether the image is here, by now at the latest."""
    for command in (("image", "inspect", image), ("pull", image)):
        try:
            run(*command)
        except EngineError:
            continue
        return True
    return False


def megabytes(image: str) -> float:
    """Return the size of an image on disk."""
    return int(run("image", "inspect", "--format", "{{.Size}}", image)) / 1e6
