"""`python -m chassis.launch SERVICE ...`: run a service as the first process of a container.

The kernel keeps from process 1 each signal that it has no handler for. A SIGTERM that comes while
the service is still being imported, which takes seconds, would be lost, and the container be killed
once its patience ends. So there is a handler from the first moment; the service puts its own in
its place.
"""

import os
import runpy
import signal
import sys


def main() -> None:
    """Run the module that is named first, with the arguments that follow."""
    signal.signal(signal.SIGTERM, _end)
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


def _end(number: int, _: object) -> None:
    """End as any other process would that does not handle the signal."""
    os._exit(128 + number)


if __name__ == "__main__":
    main()
