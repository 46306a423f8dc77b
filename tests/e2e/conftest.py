"""The whole of Fingerpost as processes."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from harness.stacks import running_stack
from stack.local import LocalStack


@pytest_asyncio.fixture
async def stack(tmp_path: Path) -> AsyncIterator[LocalStack]:
    async with running_stack(tmp_path, every="4s") as stack:
        yield stack
