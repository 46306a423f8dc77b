"""Free TCP ports on the loopback address.

They come in turn, from those that the system gives to no connection: so a port is still free when
its server comes to listen, and when it comes back after a crash, whatever started meanwhile.
"""

import itertools
import random
import socket

_OURS = range(10_000, 32_000)
_turns = itertools.count(random.randrange(len(_OURS)))


def free_port(preferred: int = 0) -> int:
    """Return `preferred` where it is free, else the next free port."""
    if preferred and _free(preferred):
        return preferred
    for turn in itertools.islice(_turns, len(_OURS)):
        port = _OURS[turn % len(_OURS)]
        if _free(port):
            return port
    raise OSError("no free port on 127.0.0.1")


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
