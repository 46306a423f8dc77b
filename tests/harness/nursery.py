"""`python -m harness.nursery MODULE SOCKET`: imports once, and forks whenever it is asked to."""

import gc
import importlib
import json
import os
import runpy
import signal
import socket
import sys
from pathlib import Path
from typing import Any

_LONGEST_REQUEST = 200_000
_FIRST_OF_ITS_OWN = 3
"""The first file that a process opens itself: standard input, output and error come before."""
_UVICORN = ("lifespan.on", "loops.uvloop", "protocols.http.httptools_impl")


def main(module: str, ear: socket.socket) -> None:
    """Fork until whoever asks is gone; return in each forked process, as if it had just begun."""
    for name in (f"{module}.app", *(f"uvicorn.{part}" for part in _UVICORN)):
        importlib.import_module(name)
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        request, files, *_ = socket.recv_fds(ear, _LONGEST_REQUEST, 3)
        if not request:
            sys.exit()
        if os.fork() == 0:
            return _watch(json.loads(request), *files)
        for file in files:
            os.close(file)


def _watch(request: Any, telling: int, out: int, err: int) -> None:
    """Return in the child; whoever forked it tells its id and, once it ended, how."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid == 0:
        return _begin(request, out, err)
    os.write(telling, str(pid).encode())
    _, status = os.waitpid(pid, 0)
    os.write(telling, str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _begin(request: Any, out: int, err: int) -> None:
    """Have what a new process has: a session, files, words and variables of its own."""
    os.setsid()
    # Ignored where the tests run in the background of a shell.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with Path(os.devnull).open("rb") as nothing:
        for number, file in enumerate((nothing.fileno(), out, err)):
            os.dup2(file, number)
    os.closerange(_FIRST_OF_ITS_OWN, os.sysconf("SC_OPEN_MAX"))
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv[1:] = request["words"]


if __name__ == "__main__":
    main(sys.argv[1], socket.socket(fileno=int(sys.argv[2])))
    del sys.argv[0]  # what is left is the module and its arguments
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
