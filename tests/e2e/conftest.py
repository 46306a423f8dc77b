"""The whole of Fingerpost as processes."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from stack.local import LocalStack, Options

_ITS_OWN = ("TELEGRAM_", "GUIDES_", "PROMOS_", "FINGERPOST_")


@pytest_asyncio.fixture
async def stack(tmp_path: Path) -> AsyncIterator[LocalStack]:
    environment = {n: v for n, v in os.environ.items() if not n.startswith(_ITS_OWN)}
    stack = LocalStack(Options(folder=tmp_path, environment=environment, every="4s"))
    await stack.start()
    try:
        yield stack
    finally:
        await stack.stop()
        if stack.postgres:
            stack.postgres.remove()
