"""The command line: `python -m clicks`, which runs clicks, or does what an operator asks for."""

import asyncio
import os
import sys
from argparse import Namespace
from collections.abc import Sequence

from chassis.console import EXIT_INTERRUPTED, CommandError, fail, quiet_logs, settled, tell
from clicks import app
from clicks.console import report
from clicks.console.answers import Answer
from clicks.console.arguments import parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks for; return the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        asked = parser().parse_args(given)
        if asked.command in {None, "run"}:
            return app.main()
        quiet_logs()
        tell(asyncio.run(_do(asked)), report.text, as_json=asked.json)
    except CommandError as error:
        return fail(error, as_json="--json" in given)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # whoever read has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


async def _do(asked: Namespace) -> Answer:
    settings = settled(app.settings)
    if asked.command == "refund":
        return await app.refund(settings, asked.charge, asked.user)
    return await app.webhook(settings, asked.act)
