"""One child process: started, waited for, stopped, or killed."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, NamedTuple, Protocol

import httpx
import psutil

_STOP_SECONDS = 90
"""Longer than the sender may need to finish a send that Telegram does not answer."""
_POLL_SECONDS = 0.05
_AT_WORK = 0.01
"""Part of a processor that a process needs at least that is at work and says nothing."""


class StartError(RuntimeError):
    """A process ended, or did not become ready; the text ends with the last lines of its log."""


class _Done(NamedTuple):
    """What a process did so far: seconds of the processor that it spent, bytes of its log."""

    spent: float
    said: int


class Child(Protocol):
    """A process that was started: its id, and its exit status once it ended."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None: ...


class Process:
    """A program with its log file. `user` runs it as another system user (root only)."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        user: int | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.name = name
        self._command = [str(part) for part in command]
        self._log = log
        self._note = log.with_suffix(".pid")
        self._environment = environment
        self._user = user
        self._stop_signal = stop_signal
        self._child: Child | None = None

    @property
    def pid(self) -> int:
        """The process id; raises RuntimeError before the first start."""
        if self._child is None:
            raise RuntimeError(f"{self.name} was never started")
        return self._child.pid

    @property
    def running(self) -> bool:
        """Whether the process was started and did not end yet."""
        return self._child is not None and self._child.poll() is None

    @property
    def exit_status(self) -> int | None:
        """The exit status, None while it runs."""
        return self._child.poll() if self._child else None

    def start(self) -> None:
        """Start the program in a process group of its own, so that Ctrl-C reaches us first.

        One that a killed launcher left behind is ended before: two servers on one folder would
        spoil it.
        """
        self._end_leftover()
        with self._log.open("ab") as log:
            self._child = self._launch(log)
        with suppress(psutil.NoSuchProcess):  # it has ended already, and leaves nothing behind
            self._note.write_text(f"{self.pid} {psutil.Process(self.pid).create_time()}")

    def _launch(self, log: IO[bytes]) -> Child:
        return subprocess.Popen(  # noqa: S603  our own command line
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=dict(self._environment) if self._environment is not None else None,
            user=self._user,
            group=self._user,
            extra_groups=[] if self._user is not None else None,
            start_new_session=True,
            cwd="/" if self._user is not None else None,
        )

    def _end_leftover(self) -> None:
        try:
            pid, born = self._note.read_text().split()
            leftover, birth = psutil.Process(int(pid)), float(born)
        except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
            return  # ValueError: a launcher was killed, or the disk full, as it wrote the note
        if leftover.create_time() == birth and leftover.status() != psutil.STATUS_ZOMBIE:
            leftover.send_signal(self._stop_signal)
            try:
                leftover.wait(_STOP_SECONDS)
            except psutil.TimeoutExpired:
                leftover.kill()
                leftover.wait(_STOP_SECONDS)

    async def stop(self) -> None:
        """Ask the process to end; kill it where it does not within 90 s."""
        if not self.running:
            return
        self.send(self._stop_signal)
        try:
            await self.ended(_STOP_SECONDS)
        except TimeoutError:
            await self.kill()

    async def kill(self) -> None:
        """Kill the process at once, as a crash would (SIGKILL)."""
        if self.running:
            self.send(signal.SIGKILL)
            await self.ended(_STOP_SECONDS)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to this process, and to no other; one that just ended hears nothing."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    async def ended(self, seconds: float) -> None:
        """Wait until the process ended; raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while self.running:
                await asyncio.sleep(_POLL_SECONDS)

    async def answers(self, url: str, seconds: float, *, longest: float = 0.0) -> None:
        """Wait until `url` answers 200; raises StartError.

        One that is at work is given as many seconds again, up to `longest`; standard error says so.
        """
        loop = asyncio.get_running_loop()
        begun, done = loop.time(), self._done()
        deadline = begun + seconds
        answer = "nothing"
        async with httpx.AsyncClient(timeout=1) as client:
            while (now := loop.time()) < deadline or now < begun + longest:
                if now >= deadline:
                    before, done = done, self._done()
                    if done.spent - before.spent < _AT_WORK * seconds and done.said == before.said:
                        break
                    sys.stderr.write(f"{self.name} is at work, and not ready yet: {self.tail(1)}\n")
                    deadline = now + seconds
                if not self.running:
                    raise StartError(f"{self.name} ended with {self.exit_status}\n{self.tail()}")
                try:
                    response = await client.get(url)
                except httpx.TransportError as error:
                    answer = repr(error)
                else:
                    answer = f"{response.status_code} {response.text.strip()}"
                    if response.is_success:
                        return
                await asyncio.sleep(_POLL_SECONDS)
        waited = loop.time() - begun
        raise StartError(f"{self.name} was not ready in {waited:.0f} s: {answer}\n{self.tail()}")

    def _done(self) -> _Done:
        try:
            spent = psutil.Process(self.pid).cpu_times()
        except psutil.NoSuchProcess:
            return _Done(0.0, 0)
        return _Done(spent.user + spent.system, self._log.stat().st_size)

    def tail(self, lines: int = 15) -> str:
        """Return the last lines of the log."""
        if not self._log.exists():
            return ""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:])
