"""Free TCP ports on the loopback address.

They come in turn, from those that the system gives to no connection, and from a part of them that
no other process asks: so a port is still free when its server comes to listen, and when it comes
back after a crash, whatever started meanwhile.
"""

import itertools
import random
import socket
from collections.abc import Iterator
from functools import cache

_OURS = range(10_000, 32_000)
_PART = 500


def free_port(preferred: int = 0) -> int:
    """Return `preferred` where it is free, else the next free port."""
    if preferred and _free(preferred):
        return preferred
    for port in itertools.islice(_turns(), len(_OURS)):
        if _free(port):
            return port
    raise OSError("no free port on 127.0.0.1")


@cache
def _turns() -> Iterator[int]:
    """Return the ports of a part that we have alone, over and over; of all, where none is left.

    Whoever holds the first port of a part, bound until its process ends, has that part.
    """
    starts = _OURS[::_PART]
    for start in random.sample(starts, len(starts)):
        if _hold(start):
            return itertools.cycle(range(start + 1, start + _PART))
    return itertools.cycle(random.sample(_OURS, len(_OURS)))


def _hold(port: int) -> bool:
    with socket.socket() as holding:
        try:
            holding.bind(("127.0.0.1", port))
        except OSError:
            return False
        holding.detach()  # open as long as this process is
    return True


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
