"""The command line: `python -m sender`, which runs a sender or helps where one was in doubt."""

import asyncio
import os
import sys
from argparse import Namespace
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from chassis.clock import utc_now
from chassis.console import (
    EXIT_INTERRUPTED,
    EXIT_REFUSED,
    BadSettingsError,
    CommandError,
    console,
    fail,
    quiet_logs,
    settled,
    tell,
)
from chassis.service import Connection
from chassis.settings import ServiceSettings, load
from contracts.token import TokenSigner
from sender.console import channels, report, restored, uncertain
from sender.console.answers import Answer, Resolution, State
from sender.console.arguments import parser

T = TypeVar("T")


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks for; return the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        asked = parser().parse_args(given)
        if asked.command in {None, "run"}:
            return _run()
        quiet_logs()
        return _do(asked)
    except CommandError as error:
        return fail(error, as_json="--json" in given)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # whoever read has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _run() -> int:
    # Imported here and below: a command that needs no Telegram need not wait seconds for aiogram.
    from sender import app  # noqa: PLC0415

    return app.main()


def _do(asked: Namespace) -> int:
    if asked.command == "selftest":
        from sender import app  # noqa: PLC0415

        settings = settled(app.settings)
        audit = asked.audit or settings.audit_chat
        tested = asyncio.run(app.selftest(settings, asked.channel, audit))
        tell(tested, report.text, as_json=asked.json)
        return 0 if tested.passed else EXIT_REFUSED
    match asked.command, asked.act:
        case "channels", "list":
            tell(
                _ask(lambda log: channels.listing(log.reader, _bots())),
                report.text,
                as_json=asked.json,
            )
        case "channels", _:
            tell(_change(asked), report.text, as_json=asked.json)
        case _, "list":
            tell(
                _ask(lambda log: uncertain.listing(log.reader, utc_now())),
                report.text,
                as_json=asked.json,
            )
        case _, "declare":
            tell(_declare(asked), report.text, as_json=asked.json)
        case _:
            tell(_resolve(asked), report.text, as_json=asked.json)
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


def _declare(asked: Namespace) -> Answer:
    from sender import app  # noqa: PLC0415

    signer = TokenSigner(settled(app.settings).cta_secrets())
    return _ask(
        lambda log: restored.declare(log, _bots(), signer, clock=utc_now, actor=asked.actor)
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
    from sender import app  # noqa: PLC0415

    try:
        tokens = settled(app.settings).tokens()
    except BadSettingsError:
        return {}
    return {name: int(token.partition(":")[0]) for name, token in tokens.items()}


def _ask(question: Callable[[Connection], Awaitable[T]]) -> T:
    """Answer `question` by the log; raises CommandError."""
    settings = settled(lambda: load(ServiceSettings))

    async def asked() -> T:
        async with console(settings, source="sender") as connection:
            return await question(connection)

    return asyncio.run(asked())
