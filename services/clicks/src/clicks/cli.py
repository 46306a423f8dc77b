"""The command line: `python -m clicks`, which runs clicks, or does what an operator asks for."""

import asyncio
import os
import sys
from argparse import Namespace
from collections.abc import Sequence

from pydantic_core import to_json

from chassis.console import CommandError, quiet_logs, settled
from clicks import app
from clicks.console import report
from clicks.console.answers import Answer
from clicks.console.arguments import parser

EXIT_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks for; return the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        asked = parser().parse_args(given)
        if asked.command in {None, "run"}:
            return app.main()
        quiet_logs()
        _print(asked, asyncio.run(_do(asked)))
    except CommandError as error:
        return _fail(error, as_json="--json" in given)
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


def _print(asked: Namespace, answer: Answer) -> None:
    said = to_json(answer, indent=2).decode() if asked.json else report.text(answer)
    sys.stdout.write(said + "\n")
    sys.stdout.flush()


def _fail(error: CommandError, *, as_json: bool) -> int:
    if as_json:
        document = {"error": error.problem, "remedy": error.remedy}
        sys.stdout.write(to_json(document, indent=2).decode() + "\n")
    else:
        sys.stderr.write(f"{error.problem}; {error.remedy}\n")
    return error.status
