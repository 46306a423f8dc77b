"""Commands of a service as an operator runs them, by processes that import nothing anew."""

import asyncio
import json
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import Any

from harness.warm import forked
from stack.process import Child

_LOOK_SECONDS = 0.02


@dataclass(frozen=True)
class Ended:
    """A command that ended: its exit status, and what it said on each of its outputs."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


async def run_command(
    service: str, *words: str, environment: Mapping[str, str], seconds: float = 120
) -> Ended:
    """Run `python -m SERVICE WORDS` to its end; raises TimeoutError, and never leaves it behind.

    `environment` is added to that of the tests.
    """
    with TemporaryFile() as out, TemporaryFile() as err:
        child = forked((service, *words), {**os.environ, **environment}, out, err)
        try:
            async with asyncio.timeout(seconds):
                status = await _end(child)
        except BaseException:
            os.kill(child.pid, signal.SIGKILL)
            await _end(child)
            raise
        out.seek(0)
        err.seek(0)
        return Ended(status, out.read().decode(), err.read().decode())


async def _end(child: Child) -> int:
    while (status := child.poll()) is None:
        await asyncio.sleep(_LOOK_SECONDS)
    return status
