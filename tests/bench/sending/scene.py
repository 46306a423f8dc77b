"""A log, a sandbox and one sender, all of this run; and what the sender used."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from types import MappingProxyType

import psutil

from bench.scheduling.stored import Log, fresh_log
from chassis.log import Publisher
from contracts.events import PromoDue
from harness.sandboxes import Stage, open_sandbox
from harness.senders import Sender, open_channels
from harness.waiting import until

_AT_ONCE = 200
_MEGABYTE = 1024 * 1024


@dataclass(frozen=True)
class Scene:
    """An empty log, and a sandbox with channels."""

    log: Log
    stage: Stage
    channels: list[int]

    async def say(self, dues: Sequence[PromoDue]) -> None:
        """Publish due events, many at once."""
        publisher = Publisher(self.log.js, source="bench")
        for start in range(0, len(dues), _AT_ONCE):
            batch = dues[start : start + _AT_ONCE]
            await asyncio.gather(*(publisher.publish_once(due) for due in batch))

    @asynccontextmanager
    async def sender(
        self, settings: Mapping[str, str] = MappingProxyType({}), name: str = "sender"
    ) -> AsyncIterator["Running"]:
        """Run a sender that is ready and active."""
        begun = perf_counter()
        log, api = self.log, self.stage.api
        async with Sender(log.folder, name, log.url, api, settings, cold=True) as sender:
            await sender.ready()
            ready = perf_counter() - begun
            await until(sender.active, bool)
            yield Running(sender, ready)


@dataclass(frozen=True)
class Running:
    """A sender that is ready and active."""

    sender: Sender
    seconds_to_ready: float

    def posted(self) -> int:
        """Return how many posts its log tells of."""
        return self.sender.log.read_bytes().count(b'"event": "sent"')

    def cpu(self) -> float:
        """Return the processor time so far, in seconds."""
        times = psutil.Process(self.sender.process.pid).cpu_times()
        return float(times.user + times.system)

    def resident(self) -> float:
        """Return the resident memory now, in MB."""
        return float(psutil.Process(self.sender.process.pid).memory_info().rss) / _MEGABYTE

    def peak(self) -> float:
        """Return the highest resident memory so far, in MB."""
        lines = Path(f"/proc/{self.sender.process.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


@asynccontextmanager
async def scene(channels: int, *flags: str) -> AsyncIterator[Scene]:
    """Yield a scene; `flags` are the sandbox's."""
    async with fresh_log() as log, open_sandbox(log.folder, *flags) as stage:
        yield Scene(log, stage, await open_channels(stage, channels))
