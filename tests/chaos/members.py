"""The processes of the world, as an adversary sees them: killed, frozen, thawed, started again."""

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

import psutil

from stack.process import Process, StartError

_START_TRIES = 5
_PAUSE_SECONDS = 0.5


@dataclass(eq=False)
class Member:
    """One process, with the processes that it started itself.

    `wanted` is False while a fault holds it down, so that nobody starts it meanwhile. `frozen`
    counts the faults that froze it.
    """

    name: str
    process: Process
    begin: Callable[[], Awaitable[None]]
    wanted: bool = True
    frozen: int = 0
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def alone(self) -> bool:
        """Whether it runs, and no fault has it."""
        return self.wanted and not self.frozen and self.process.running

    def freeze(self) -> None:
        """Stop it and its children in the middle of whatever they do."""
        self.frozen += 1
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on, once all who froze it say so."""
        self.frozen -= 1
        if not self.frozen:
            self._signal(signal.SIGCONT)

    async def kill(self) -> None:
        """Kill it and its children at once, as a loss of power would."""
        self.wanted = False
        self._signal(signal.SIGKILL)
        await self.process.kill()

    async def restart(self) -> bool:
        """Start it again; False where it did not start in several tries."""
        async with self.changing:
            for _ in range(_START_TRIES):
                try:
                    if not self.process.running:
                        await self.begin()
                except StartError:
                    await asyncio.sleep(_PAUSE_SECONDS)
                else:
                    self.wanted = True
                    return True
        self.wanted = True
        return False

    def _signal(self, number: signal.Signals) -> None:
        for process in self._tree():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    def _tree(self) -> Iterator[psutil.Process]:
        """Yield it and what it started; none where it ended."""
        if not self.process.running:
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            head = psutil.Process(self.process.pid)
            yield head
            yield from head.children(recursive=True)
