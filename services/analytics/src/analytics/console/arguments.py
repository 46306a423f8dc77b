"""The words of the command line: commands, their arguments, and help with an example of each."""

import re
from argparse import ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, NoReturn

from pydantic import TypeAdapter, ValidationError

from chassis.console import UsageError
from contracts.durations import Duration

_LONGEST = timedelta(days=36_500)
_BIGINT = 2**63 - 1
_MOST_ROWS = 100_000

_STATUSES = """\
exit status:
  0   done, or everything is as it must be
  1   refused, or something differs
  2   asked for in words that make no sense
  69  NATS or Postgres cannot be reached
  78  a setting is wrong

Settings come from the environment: NATS_URL, POSTGRES_DSN, see the README.
`python -m analytics COMMAND --help` has an example of each command."""


class _Parser(ArgumentParser):
    """Takes options by their whole names only: a later one must not change what scripts mean."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, f"see {self.prog} --help")


def parser() -> ArgumentParser:
    """Return the parser; it raises UsageError, and leaves `command` None where none is given."""
    whole = _Parser(
        prog="python -m analytics",
        description="Runs analytics (without a command), or looks after its tables.",
        epilog=_STATUSES,
        formatter_class=RawDescriptionHelpFormatter,
    )
    whole.set_defaults(command=None, act=None)
    commands = whole.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
    commands.add_parser("run", help="run until SIGTERM (what happens without a command)")
    add = _adder(commands, "")
    add("status", "tell the versions of the tables, and how far each is", "")
    command = add("verify", "compare every row with a plain fold of the log", "--version 3")
    command.add_argument(
        "--version", type=_number, metavar="N", help="this one instead of the live one"
    )
    command = add(
        "rebuild",
        "build the tables anew from the log beside the live ones, compare, and swap them",
        "--no-swap",
    )
    command.add_argument(
        "--no-swap",
        action="store_true",
        help="build and compare only; the next rebuild, or a new release's start, swaps",
    )
    command.add_argument(
        "--accept-differences",
        action="store_true",
        help="give analysts the new version although it is not as the live one",
    )
    command = add("drop", "remove a version that analysts do not read", "2")
    command.add_argument("version", type=_number, metavar="VERSION")
    command = add(
        "report", "tell what a campaign's posts came to, by variant", "promos --since 2026-03-01"
    )
    command.add_argument("campaign", metavar="CAMPAIGN")
    command.add_argument(
        "--since",
        default="",
        metavar="DAY",
        help="posts planned from this day on, such as 2026-03-01",
    )
    command.add_argument(
        "--zone",
        default="",
        metavar="ZONE",
        help="in which the day begins; else the campaign's own",
    )
    command = add("clicks", "tell the newest taps, and how many there are", "--user 7000000001")
    command.add_argument("--user", type=_number, metavar="USER", help="of this person only")
    command.add_argument("--campaign", metavar="CAMPAIGN", help="of this campaign's posts only")
    command.add_argument("--limit", type=_rows, default=20, metavar="N", help="so many (else 20)")
    command = add("forget", "erase what names a person; every total stays as it is", "--requested")
    _add_people(command)
    command = add(
        "archive",
        "move what is old and done with out of the log, into Parquet files",
        "--before 2026-03-01 --dry-run",
    )
    command.add_argument(
        "--before",
        type=_day,
        required=True,
        metavar="DAY",
        help="what was said before this day (UTC)",
    )
    command.add_argument(
        "--folder", type=Path, metavar="PATH", help="where to; else what FINGERPOST_ARCHIVE says"
    )
    command.add_argument(
        "--dry-run", action="store_true", help="tell what would be moved, and move nothing"
    )
    _add_quarantine(commands)
    return whole


def _add_people(command: ArgumentParser) -> None:
    who = command.add_mutually_exclusive_group(required=True)
    who.add_argument("people", type=_number, nargs="*", default=[], metavar="USER")
    who.add_argument(
        "--requested", action="store_true", help="everybody who told the bot: /forget me"
    )
    who.add_argument(
        "--older-than",
        type=_duration,
        metavar="AGE",
        help="everybody of whom nothing is known for so long, such as 400d",
    )


def _add_quarantine(commands: Any) -> None:
    quarantine = commands.add_parser("quarantine", help="messages that could not be folded")
    acts = quarantine.add_subparsers(
        dest="act", metavar="list|retry|drop", parser_class=_Parser, required=True
    )
    add = _adder(acts, "quarantine ")
    add("list", "list them, with the reason", "--json")
    command = add("retry", "read them again with this release, and fold them", "1204 1311")
    command.add_argument(
        "sequences", type=_number, nargs="*", metavar="SEQUENCE", help="these only; else all"
    )
    command = add("drop", "give them up: they stay, and wait no longer", "1204")
    command.add_argument("sequences", type=_number, nargs="+", metavar="SEQUENCE")


def _adder(commands: Any, before: str) -> Callable[[str, str, str], ArgumentParser]:
    def add(name: str, does: str, example: str) -> ArgumentParser:
        command: ArgumentParser = commands.add_parser(
            name,
            help=does,
            description=f"{does[0].upper()}{does[1:]}.",
            epilog=f"example: python -m analytics {before}{name} {example}".rstrip(),
        )
        command.add_argument("--json", action="store_true", help="answer with one JSON document")
        return command

    return add


def _duration(text: str) -> timedelta:
    try:
        age = TypeAdapter(Duration).validate_python(text)
    except ValidationError:
        age = timedelta()
    if not timedelta() < age < _LONGEST:
        raise ArgumentTypeError(f"{text!r} is no age such as 400d")
    return age


def _day(text: str) -> datetime:
    try:
        return datetime.combine(date.fromisoformat(text), time(), UTC)
    except ValueError:
        raise ArgumentTypeError(f"{text[:40]!r} is no day such as 2026-03-01") from None


def _number(text: str, most: int = _BIGINT) -> int:
    if not (re.fullmatch(r"[0-9]{1,19}", text) and 1 <= int(text) <= most):
        raise ArgumentTypeError(f"{text[:40]!r} is no number from 1 to {most}")
    return int(text)


def _rows(text: str) -> int:
    return _number(text, _MOST_ROWS)
