"""A sender's desk at a real log and a real sandbox."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from harness.logs import Log
from harness.sandboxes import Stage, open_sandbox
from harness.sending import Sending, open_sender


@pytest_asyncio.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with open_sandbox(tmp_path, "--no-floods") as stage:
        yield stage


@pytest_asyncio.fixture
async def sending(stage: Stage, log: Log) -> AsyncIterator[Sending]:
    async with open_sender(stage, log) as sending:
        yield sending
