"""Makes a base for machines that can pull no image: Debian's own packages, imported.

It stands in for the official image to build and check ours; it is not kept up to date, so never
publish what was built on it.
"""

import os
import subprocess
import tempfile
from pathlib import Path

from images import engine
from stack.supervisor import say

SUITE = "trixie"
TAG = f"fingerpost-base:{SUITE}"
_PACKAGES = "python3,python3-venv,ca-certificates"
_NOT_NEEDED = (
    "var/cache/apt",
    "var/lib/apt/lists",
    "usr/share/doc",
    "usr/share/locale",
    "usr/share/man",
)


def make() -> None:
    """Make the image; raises EngineError, or CalledProcessError where debootstrap fails."""
    if os.geteuid():
        raise engine.EngineError("debootstrap needs root: sudo make base-image")
    with tempfile.TemporaryDirectory() as folder:
        root, archive = Path(folder) / "root", Path(folder) / "base.tar"
        say(f"installing Debian {SUITE} with {_PACKAGES} ...")
        _run("debootstrap", "--variant=minbase", f"--include={_PACKAGES}", SUITE, str(root))
        without = [f"--exclude=./{path}/*" for path in _NOT_NEEDED]
        _run("tar", "-C", str(root), *without, "-cf", str(archive), ".")
        engine.run("import", str(archive), TAG)
    say(f"{TAG}: {engine.megabytes(TAG):.0f} MB")


def _run(*command: str) -> None:
    try:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603
    except FileNotFoundError:
        raise engine.EngineError(f"{command[0]} is needed: apt-get install debootstrap") from None
