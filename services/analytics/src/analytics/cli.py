"""The command line: `python -m analytics`, which runs analytics or looks after its tables."""

import os
import sys
import time
from argparse import Namespace
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import uvloop

from analytics import app
from analytics.archiving import Progress as Moving
from analytics.builder import Progress
from analytics.console import commands, conversions, report
from analytics.console.answers import Answer, succeeded
from analytics.console.archive import archive
from analytics.console.arguments import parser
from analytics.console.clicks import clicks
from analytics.console.forget import forget
from analytics.forgetting import Progress as Forgetting
from chassis.clock import utc_now
from chassis.console import (
    EXIT_INTERRUPTED,
    EXIT_REFUSED,
    CommandError,
    console,
    fail,
    quiet_logs,
    settled,
    tell,
)
from chassis.service import Connection, spare_the_collector

Question = Callable[[Connection], Awaitable[Answer]]
Ask = Callable[[Question], Answer]

_TELL_SECONDS = 1.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks for; return the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        asked = parser().parse_args(given)
        spare_the_collector()
        if asked.command in {None, "run"}:
            return app.main()
        quiet_logs()
        answer = _answer(asked)
        tell(answer, report.text, as_json=asked.json)
        return 0 if succeeded(answer) else EXIT_REFUSED
    except CommandError as error:
        return fail(error, as_json="--json" in given)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # whoever read has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _answer(asked: Namespace) -> Answer:
    settings = settled(app.settings)
    dsn = settings.postgres_dsn.get_secret_value()

    def ask(question: Question) -> Answer:
        async def asked() -> Answer:
            async with console(settings, source="analytics") as connection:
                return await question(connection)

        return uvloop.run(asked())

    match asked.command:
        case "status":
            return ask(lambda log: commands.status(dsn, log))
        case "verify":
            return ask(
                lambda log: commands.verify(
                    dsn, log, asked.version, _Meter().read, archive=settings.archive
                )
            )
        case "rebuild":
            return ask(lambda log: _rebuild(dsn, log, asked, settings.archive))
        case "drop":
            return ask(lambda log: commands.drop(dsn, log, asked.version))
        case "report" | "clicks":
            return uvloop.run(_figures(dsn, asked))
        case "forget":
            return ask(lambda log: _forget(dsn, log, asked, settings.archive))
        case "archive":
            folder = asked.folder or settings.archive
            return ask(lambda log: _archive(dsn, log, asked, folder))
        case _:
            return _quarantine(dsn, asked, ask, settings.archive)


async def _figures(dsn: str, asked: Namespace) -> Answer:
    if asked.command == "clicks":
        return await clicks(dsn, asked.user, asked.campaign, asked.limit)
    return await conversions.report(dsn, asked.campaign, asked.since, asked.zone, utc_now)


def _quarantine(dsn: str, asked: Namespace, ask: Ask, archive: Path | None) -> Answer:
    match asked.act:
        case "retry":
            return ask(lambda log: commands.retry(dsn, log, asked.sequences, archive=archive))
        case "drop":
            return uvloop.run(commands.give_up(dsn, asked.sequences))
        case _:
            return uvloop.run(commands.listing(dsn))


async def _rebuild(dsn: str, log: Connection, asked: Namespace, archive: Path | None) -> Answer:
    return await commands.rebuild(
        dsn,
        log,
        swap=not asked.no_swap,
        accept_differences=asked.accept_differences,
        tell=_Meter().built,
        archive=archive,
    )


async def _forget(dsn: str, log: Connection, asked: Namespace, archive: Path | None) -> Answer:
    return await forget(
        dsn,
        log,
        asked.people,
        requested=asked.requested,
        older_than=asked.older_than,
        clock=utc_now,
        tell=_Meter().forgot,
        archive=archive,
    )


async def _archive(dsn: str, log: Connection, asked: Namespace, folder: Path | None) -> Answer:
    now = await log.reader.time()  # as services go by it, whatever the clock of this machine says
    return await archive(
        dsn,
        log,
        folder,
        before=asked.before,
        dry_run=asked.dry_run,
        clock=lambda: now,
        tell=_Meter().moved,
    )


class _Meter:
    """Tells on standard error how far a long command is, not too often."""

    def __init__(self) -> None:
        self._phase = ""
        self._told_at = float("-inf")

    def built(self, now: Progress) -> None:
        if now.phase != self._phase or self._due():
            self._phase = now.phase
            self._say(report.progress(now))

    def read(self, sequence: int, end: int) -> None:
        if self._due():
            self._say(f"read {sequence:,} of {end:,} events")

    def forgot(self, now: Forgetting) -> None:
        if now.phase != self._phase or self._due():
            self._phase = now.phase
            self._say(f"{now.done:,} of {now.people:,} people: {now.phase}")

    def moved(self, now: Moving) -> None:
        if now.phase != self._phase or self._due():
            self._phase = now.phase
            self._say(f"{now.phase}: {now.events:,} events")

    def _due(self) -> bool:
        return time.monotonic() - self._told_at >= _TELL_SECONDS

    def _say(self, line: str) -> None:
        self._told_at = time.monotonic()
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
