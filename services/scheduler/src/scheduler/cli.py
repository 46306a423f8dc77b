"""The command line: `python -m scheduler`, which runs a scheduler or controls those that run."""

import asyncio
import os
import re
import sys
from argparse import Namespace
from collections.abc import Awaitable, Callable, Mapping, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Any, TypeVar

from pydantic_core import to_json

from chassis.clock import utc_now
from chassis.console import (
    EXIT_INTERRUPTED,
    CommandError,
    NoLogError,
    RefusedError,
    UsageError,
    console,
    quiet_logs,
    settled,
)
from chassis.service import Connection
from scheduler import app
from scheduler.catalogue import Catalogue
from scheduler.console import inquiries, orders, report, requests, words
from scheduler.console.answers import Answer, Backfilled, Preview
from scheduler.console.arguments import parser
from scheduler.plan_file import PlanError

_LONGEST_KEY = 64

T = TypeVar("T")


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks for; return the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    as_json = "--json" in given
    try:
        _check_encodings(given)
        asked = parser().parse_args(given)
        if asked.command in {None, "run"}:
            return app.main()
        quiet_logs()
        _COMMANDS[asked.command](asked)
    except PlanError as error:
        broken = RefusedError("the campaign file has errors", "correct each of them")
        return _fail(broken, error.problems, as_json=as_json)
    except CommandError as error:
        return _fail(error, as_json=as_json)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # whoever read has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _check_encodings(given: Sequence[str]) -> None:
    """Raise UsageError for what the log cannot hold; have shown what a terminal can show."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        "".join(given).encode()
    except UnicodeEncodeError as error:
        raise UsageError("an argument is no UTF-8 text", "write it in UTF-8") from error


def _validate(asked: Namespace) -> None:
    plan, notes = settled(lambda: app.plan_to_look_at(asked.file))
    _print(asked, inquiries.check(str(asked.file), plan, notes))


def _preview(asked: Namespace) -> None:
    now = utc_now()
    if _is_file(asked.what):
        plan, notes = settled(lambda: app.plan_to_look_at(Path(asked.what)))
        first = (
            "as if the file were applied now, for the first time: a campaign that the log knows"
            " goes on in its rotation (preview it by its name)"
        )
        outlooks = inquiries.preview_plan(plan, now, asked.count, asked.zone)
        _print(asked, Preview(outlooks, (first, *notes)))
    else:
        name, count, zone = asked.what, asked.count, asked.zone
        _print(asked, _ask(lambda log: inquiries.preview(log.reader, name, now, count, zone)))


def _apply(asked: Namespace) -> None:
    plan = settled(lambda: app.plan_to_apply(asked.file))
    try:
        catalogue = _ask(lambda log: inquiries.fold(log.reader))
    except NoLogError:  # it is made once something is applied
        catalogue = Catalogue()
    shown = orders.difference(catalogue, plan, utc_now())
    if not shown.changes or asked.dry_run:
        _print(asked, shown)
        return
    _confirm(asked, shown, "Apply this?")
    done = _ask(lambda log: orders.apply(log, plan, shown, utc_now, asked.actor), create_log=True)
    _print(asked, done, after=shown)


def _list(asked: Namespace) -> None:
    _print(asked, _ask(lambda log: inquiries.listing(log.reader, utc_now())))


def _describe(asked: Namespace) -> None:
    channels = asked.channel or ()
    _print(
        asked,
        _ask(lambda log: inquiries.describe(log.reader, asked.campaign, utc_now(), channels)),
    )


def _pause(asked: Namespace) -> None:
    _print(
        asked,
        _ask(
            lambda log: orders.pause(
                log, asked.campaign, asked.until, asked.note, utc_now, asked.actor
            )
        ),
    )


def _resume(asked: Namespace) -> None:
    _print(
        asked,
        _ask(lambda log: orders.resume(log, asked.campaign, asked.note, utc_now, asked.actor)),
    )


def _trigger(asked: Namespace) -> None:
    wish = requests.Trigger(
        campaign=asked.campaign,
        key=asked.key or trigger_key(asked.actor),
        variant=asked.variant,
        channels=tuple(dict.fromkeys(asked.channel or ())),
        note=asked.note,
    )
    _print(
        asked,
        _ask(
            lambda log: requests.trigger(
                log, wish, wait=asked.wait, clock=utc_now, actor=asked.actor
            )
        ),
    )


def _backfill(asked: Namespace) -> None:
    wish = requests.Backfill(asked.campaign, asked.since, asked.until, asked.key, asked.note)
    plan: Backfilled = _ask(lambda log: requests.plan_backfill(log.reader, wish, utc_now()))
    if asked.dry_run or plan.asked or not plan.deliveries:
        _print(asked, plan)
        return
    _confirm(asked, plan, "Post these?")
    done = _ask(
        lambda log: requests.backfill(
            log, plan, note=asked.note, wait=asked.wait, clock=utc_now, actor=asked.actor
        )
    )
    _print(asked, done, after=plan)


def trigger_key(actor: str) -> str:
    """Return a key that nobody else chooses, and the same actor not before the next second."""
    time = words.key_time(utc_now().replace(microsecond=0))
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", actor)[: _LONGEST_KEY - len(time) - 1]
    return f"{name}-{time}"


def _ask(question: Callable[[Connection], Awaitable[T]], *, create_log: bool = False) -> T:
    """Answer `question` by the log; raises CommandError."""
    settings = settled(app.settings)

    async def asked() -> T:
        async with console(settings, source="scheduler", create_log=create_log) as connection:
            return await question(connection)

    return asyncio.run(asked())


def _confirm(asked: Namespace, shown: Answer, question: str) -> None:
    """Show what is about to be done, and go on only if that is wanted."""
    if not asked.json:
        _print(asked, shown)
    if asked.yes:
        return
    if asked.json or not sys.stdin.isatty():
        raise UsageError(
            "nobody can be asked here whether to do this", "add --yes, or --dry-run to look only"
        )
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise RefusedError("not confirmed, nothing changed", "answer y, or add --yes")


def _print(asked: Namespace, answer: Answer, *, after: Answer | None = None) -> None:
    """Answer; people are not told again what was shown to them with `after`."""
    if asked.json:
        said = to_json(answer, indent=2).decode()
    else:
        seen = report.text(after).splitlines() if after else ()
        said = "\n".join(line for line in report.text(answer).splitlines() if line not in seen)
    sys.stdout.write(said + "\n")
    sys.stdout.flush()


def _fail(error: CommandError, problems: Sequence[str] = (), *, as_json: bool) -> int:
    if as_json:
        document: dict[str, Any] = {"error": error.problem, "remedy": error.remedy}
        if problems:
            document["problems"] = list(problems)
        sys.stdout.write(to_json(document, indent=2).decode() + "\n")
    else:
        lines = problems or (f"{error.problem}; {error.remedy}",)
        sys.stderr.write("".join(f"{line}\n" for line in lines))
    return error.status


def _is_file(what: str) -> bool:
    return "/" in what or what.endswith((".yaml", ".yml")) or Path(what).is_file()


_COMMANDS: Mapping[str, Callable[[Namespace], None]] = {
    "validate": _validate,
    "preview": _preview,
    "apply": _apply,
    "list": _list,
    "describe": _describe,
    "pause": _pause,
    "resume": _resume,
    "trigger": _trigger,
    "backfill": _backfill,
}
