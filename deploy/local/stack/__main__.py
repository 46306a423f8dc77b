"""`python -m stack run|demo`: everything on one machine, until Ctrl-C or until the demo ends."""

import argparse
import asyncio
import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stack import demo, scene
from stack.local import LocalStack, Options
from stack.process import StartError
from stack.supervisor import supervise

_HOME = Path(".fingerpost").absolute()
"""The sandbox's data; those of a real bot are in `live` below it, so that no number mixes."""


def main() -> int:
    """Parse the command line and do what it says."""
    parser = argparse.ArgumentParser(prog="stack", description=__doc__)
    parser.add_argument("command", choices=("run", "demo"))
    parser.add_argument("--every", default="15s", help="interval of all campaigns in the sandbox")
    arguments = parser.parse_args()
    try:
        with _alone(_HOME):
            if arguments.command == "demo":
                return asyncio.run(demo.run(_HOME / "demo"))
            return asyncio.run(supervise(LocalStack(options(arguments.every))))
    except StartError as error:
        sys.stderr.write(f"{error}\n")
        return 1


def options(every: str) -> Options:
    """Return what the environment makes of `make run`."""
    environment = dict(os.environ)
    live = "TELEGRAM_BOT_TOKEN" in environment
    return Options(
        folder=_HOME / "live" if live else _HOME,
        environment=environment,
        every=environment.get("FINGERPOST_EVERY", every),
        guides=scene.channels(environment, "GUIDES_CHAT_IDS_JSON", scene.GUIDES),
        promos=scene.channels(environment, "PROMOS_CHAT_IDS_JSON", scene.PROMOS),
    )


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StartError(
                f"another run is using {folder}; stop it (Ctrl-C) and try again"
            ) from None
        yield


if __name__ == "__main__":
    sys.exit(main())
