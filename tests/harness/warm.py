"""Processes of ours that do not import their libraries each time: aiogram alone takes 3 s of CPU.

For each module a nursery imports once, and forks a process at each start. That is a process like
any other: it has an id, a session, an environment and a log of its own, runs `MODULE/__main__.py`
from the first line, is killed and frozen by its id, and shares nothing with those before it. That
`python -m MODULE` starts from nothing is for the tests of the whole stack, and for a few others.
"""

import atexit
import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from stack.process import Child, Process

_TESTS = Path(__file__).parent.parent


class Warm(Process):
    """`python -m MODULE ARGUMENTS`, forked by the nursery of its module."""

    def __init__(
        self,
        name: str,
        module: str,
        *arguments: str,
        log: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(name, (module, *arguments), log=log, environment=environment)
        self._words = (module, *arguments)
        self._variables = environment

    def _launch(self, log: IO[bytes]) -> Child:
        variables = os.environ if self._variables is None else self._variables
        return forked(self._words, variables, log, log)


def forked(
    words: Sequence[str], environment: Mapping[str, str], out: IO[bytes], err: IO[bytes]
) -> Child:
    """Run a module with its arguments, whose name is the first of `words`."""
    request = json.dumps({"words": words, "environment": dict(environment)}).encode()
    told, telling = socket.socketpair(type=socket.SOCK_SEQPACKET)
    with telling:
        files = [telling.fileno(), out.fileno(), err.fileno()]
        socket.send_fds(_nursery(words[0]).ear, [request], files)
    return _Forked(told)


class _Forked:
    """A process, of which `told` says its id and, once it ended, its exit status."""

    def __init__(self, told: socket.socket) -> None:
        if not (number := told.recv(16)):
            raise RuntimeError("the nursery ended before it forked; standard error says why")
        self.pid = int(number)
        self._told = told
        self._status: int | None = None

    def poll(self) -> int | None:
        """Return the exit status, None while it runs."""
        if self._status is None:
            try:
                self._status = int(self._told.recv(16, socket.MSG_DONTWAIT))
            except BlockingIOError:
                return None
            self._told.close()
        return self._status


@dataclass(frozen=True)
class _Nursery:
    """It ends once nobody can ask it any more."""

    ear: socket.socket
    process: subprocess.Popen[bytes]

    def end(self) -> None:
        self.ear.close()
        self.process.wait()


_nurseries: dict[str, _Nursery] = {}


def _nursery(module: str) -> _Nursery:
    """Return the nursery of a module: another one where it was killed, say for want of memory."""
    known = _nurseries.get(module)
    if known is None or known.process.poll() is not None:
        known = _nurseries[module] = _begun(module)
    return known


def _begun(module: str) -> _Nursery:
    ours, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "harness.nursery", module, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env={**os.environ, "PYTHONPATH": str(_TESTS)},
            start_new_session=True,
        )
    nursery = _Nursery(ours, process)
    atexit.register(nursery.end)
    return nursery
