"""`python -m images COMMAND`: what `make images` and its neighbours do."""

import argparse
import asyncio
import sys
from pathlib import Path

from images import base, building, check, engine, servers
from stack.process import StartError


def main() -> int:
    """Do what the command line says; return the exit status."""
    parser = argparse.ArgumentParser(prog="images", description=__doc__)
    parser.add_argument("command", choices=("base", "build", "check", "servers"))
    command = parser.parse_args().command
    try:
        if command == "base":
            base.make()
        if command == "servers":
            servers.make()
        if command == "build":
            building.build()
        if command == "check":
            return asyncio.run(check.check(Path(".fingerpost/images").absolute()))
    except (engine.EngineError, StartError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
