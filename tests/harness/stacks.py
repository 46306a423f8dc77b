"""The whole of Fingerpost as processes, with the sandbox."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from stack.local import LocalStack, Options

_ITS_OWN = ("TELEGRAM_", "GUIDES_", "PROMOS_", "FINGERPOST_")


@asynccontextmanager
async def running_stack(folder: Path, *, every: str, **settings: str) -> AsyncIterator[LocalStack]:
    """Start everything in `folder`; stop it and remove what it kept afterwards."""
    environment = {n: v for n, v in os.environ.items() if not n.startswith(_ITS_OWN)}
    environment |= settings
    stack = LocalStack(
        Options(folder=folder, environment=environment, every=every, first_port=None)
    )
    await stack.start()
    try:
        yield stack
    finally:
        await stack.stop()
        if stack.postgres:
            stack.postgres.remove()
