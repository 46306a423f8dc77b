"""`python -m chaos.jumping FILE SERVICE`: a service whose clock is off by what stands in FILE.

The file holds one double, in seconds, which may change at any time.
"""

import mmap
import runpy
import struct
import sys
from datetime import datetime, timedelta
from pathlib import Path

SIZE = struct.calcsize("d")


def set_offset(path: Path, seconds: float) -> None:
    """Let the clock of the service that reads `path` be off by `seconds` from now on."""
    if not path.exists():
        path.write_bytes(struct.pack("d", seconds))
        return
    with path.open("r+b") as file, mmap.mmap(file.fileno(), SIZE) as memory:
        memory[:] = struct.pack("d", seconds)


def main(path: str, service: str) -> None:
    """Give `chassis.clock` the offset before anybody imports from it, and run the service."""
    from chassis import clock  # noqa: PLC0415  not by the world, which imports set_offset

    with Path(path).open("rb") as file:
        memory = mmap.mmap(file.fileno(), SIZE, access=mmap.ACCESS_READ)
    true = clock.utc_now

    def shifted() -> datetime:
        return true() + timedelta(seconds=struct.unpack("d", memory[:])[0])

    vars(clock)["utc_now"] = shifted
    sys.argv = [service]
    runpy.run_module(service, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
