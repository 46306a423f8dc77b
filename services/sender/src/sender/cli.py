"""The command line: `python -m sender`, which runs a sender or helps where one was in doubt."""

import asyncio
import os
import sys
from argparse import Namespace
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from pydantic_core import to_json

from chassis.clock import utc_now
from chassis.console import (
    EXIT_REFUSED,
    BadSettingsError,
    CommandError,
    console,
    quiet_logs,
    settled,
)
from chassis.service import Connection
from sender import app
from sender.console import channels, report, uncertain
from sender.console.answers import Answer, Resolution, State, Tested
from sender.console.arguments import parser

EXIT_INTERRUPTED = 130

T = TypeVar("T")


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks for; return the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        asked = parser().parse_args(given)
        if asked.command in {None, "run"}:
            return app.main()
        quiet_logs()
        return _do(asked)
    except CommandError as error:
        return _fail(error, as_json="--json" in given)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # whoever read has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _do(asked: Namespace) -> int:
    if asked.command == "selftest":
        settings = settled(app.settings)
        audit = asked.audit or settings.audit_chat
        tested = asyncio.run(app.selftest(settings, asked.channel, audit))
        _print(asked, tested)
        return 0 if tested.passed else EXIT_REFUSED
    match asked.command, asked.act:
        case "channels", "list":
            _print(asked, _ask(lambda log: channels.listing(log.reader, _bots())))
        case "channels", _:
            _print(asked, _change(asked))
        case _, "list":
            _print(asked, _ask(lambda log: uncertain.listing(log.reader, utc_now())))
        case _:
            _print(asked, _resolve(asked))
    return 0


def _resolve(asked: Namespace) -> Answer:
    resolution: Resolution = (
        "post_again" if asked.post_again else "drop" if asked.drop else "posted"
    )
    return _ask(
        lambda log: uncertain.resolve(
            log,
            asked.delivery,
            resolution,
            message_id=asked.posted,
            clock=utc_now,
            actor=asked.actor,
        )
    )


def _change(asked: Namespace) -> Answer:
    state: State = "enabled" if asked.act == "enable" else "disabled"
    return _ask(
        lambda log: channels.change(
            log,
            asked.channel,
            state,
            bot=asked.bot,
            bots=_bots(),
            why=asked.why,
            actor=asked.actor,
            clock=utc_now,
        )
    )


def _bots() -> dict[str, int]:
    """Return the ids of the bots by name; none where the environment is not a sender's."""
    try:
        tokens = settled(app.settings).tokens()
    except BadSettingsError:
        return {}
    return {name: int(token.partition(":")[0]) for name, token in tokens.items()}


def _ask(question: Callable[[Connection], Awaitable[T]]) -> T:
    """Answer `question` by the log; raises CommandError."""
    settings = settled(app.log_settings)

    async def asked() -> T:
        async with console(settings, source="sender") as connection:
            return await question(connection)

    return asyncio.run(asked())


def _print(asked: Namespace, answer: Answer | Tested) -> None:
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
