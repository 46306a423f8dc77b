"""The words of the command line: commands, their arguments, and help with an example of each."""

import getpass
import re
import socket
from argparse import (
    ArgumentParser,
    ArgumentTypeError,
    RawDescriptionHelpFormatter,
)
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn
from zoneinfo import available_timezones

from pydantic import TypeAdapter, ValidationError

from chassis.console import UsageError
from contracts.ids import Channel

_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CHANNEL: TypeAdapter[str] = TypeAdapter(Channel)
_WAIT_SECONDS = 10.0
_LONGEST_WAIT = 3_600
_MOST_SLOTS = 1_000
_ONLY = "only this one; may be repeated"

_STATUSES = """\
exit status:
  0   done (also where nothing had to be done)
  1   refused by the plan or the log
  2   asked for in words that make no sense, or a confirmation is missing
  69  NATS cannot be reached, or the log does not answer
  78  a setting is wrong

Settings come from the environment: NATS_URL, and those in the README.
`python -m scheduler COMMAND --help` has an example of each command."""


class _Parser(ArgumentParser):
    """Takes options by their whole names only: a later one must not change what scripts mean."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, f"see {self.prog} --help")


def parser() -> ArgumentParser:
    """Return the parser; it raises UsageError, and leaves `command` None where none is given."""
    whole = _Parser(
        prog="python -m scheduler",
        description="Runs a scheduler (without a command), or controls those that run.",
        epilog=_STATUSES,
        formatter_class=RawDescriptionHelpFormatter,
    )
    whole.set_defaults(command=None)
    commands = whole.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
    _add_looking(commands)
    _add_ordering(commands)
    _add_requesting(commands)
    return whole


def _add_looking(commands: Any) -> None:
    commands.add_parser("run", help="run until SIGTERM (what happens without a command)")
    add = _adder(commands)
    command = add("validate", "check a campaign file", "campaigns.yaml")
    command.add_argument("file", type=Path, metavar="FILE")
    command = add(
        "preview",
        "show which variant comes when, in which channel",
        "campaigns.yaml --count 5 --zone Europe/Berlin",
    )
    command.add_argument("what", metavar="FILE|CAMPAIGN", help="a file as if applied now")
    command.add_argument("--count", type=_count, default=10, metavar="N", help="slots (10)")
    command.add_argument("--zone", type=_zone, help="IANA zone to show times in (the campaign's)")
    add("list", "list all campaigns", "--json")
    command = add(
        "describe",
        "show all about a campaign: the next 10 slots, and what became of the last 10",
        "daily-guides --channel @news",
    )
    _campaign(command)
    command.add_argument("--channel", type=_channel, action="append", metavar="C", help=_ONLY)


def _add_ordering(commands: Any) -> None:
    add = _adder(commands)
    command = add(
        "apply", "make the log's plan that of a file; asks before", "campaigns.yaml --yes"
    )
    command.add_argument("file", type=Path, metavar="FILE")
    _careful(command)
    _actor(command)
    command = add("pause", "fire no slot for a time", 'daily-guides --until 2h --note "new texts"')
    _campaign(command)
    command.add_argument(
        "--until", metavar="T", help="2026-12-01T09:00 in the campaign's zone, or 2h from now"
    )
    _note(command)
    _actor(command)
    command = add("resume", "go on after a pause", "daily-guides")
    _campaign(command)
    _note(command)
    _actor(command)


def _add_requesting(commands: Any) -> None:
    add = _adder(commands)
    command = add(
        "trigger",
        "post one slot now, whatever the schedule says",
        "daily-guides --key launch-day --variant welcome",
        "The same key asks once, however often it is repeated. Without --key one is made of the"
        " actor and the second: repeating the command then asks for another slot."
        " Where no scheduler runs the request stands for 2 h, and the exit status is 0 as well"
        ' (--json: "answered": false).',
    )
    _campaign(command)
    command.add_argument("--variant", metavar="V", help="which one (the rotation's next)")
    command.add_argument("--channel", type=_channel, action="append", metavar="C", help=_ONLY)
    _request(command)
    command = add(
        "backfill",
        "post slots of the past that were not posted; asks before",
        "daily-guides --from 2026-12-01T09:00 --to 2026-12-01T21:00",
        "The same range asks once, unless another --key is given."
        " A date without a time is its begin for --from, and its end for --to.",
    )
    _campaign(command)
    command.add_argument("--from", dest="since", required=True, metavar="T")
    command.add_argument("--to", dest="until", required=True, metavar="T")
    _careful(command)
    _request(command)


def _adder(commands: Any) -> Callable[..., ArgumentParser]:
    def add(name: str, does: str, example: str, more: str = "") -> ArgumentParser:
        command: ArgumentParser = commands.add_parser(
            name,
            help=does,
            description=f"{does[0].upper()}{does[1:]}. {more}".strip(),
            epilog=f"example: python -m scheduler {name} {example}",
        )
        command.add_argument("--json", action="store_true", help="answer with one JSON document")
        return command

    return add


def _campaign(command: ArgumentParser) -> None:
    command.add_argument("campaign", metavar="CAMPAIGN")


def _careful(command: ArgumentParser) -> None:
    command.add_argument("--yes", action="store_true", help="do not ask")
    command.add_argument("--dry-run", action="store_true", help="only show what would be done")


def _request(command: ArgumentParser) -> None:
    command.add_argument("--key", type=_key, metavar="K", help="names the request")
    command.add_argument(
        "--wait",
        type=_seconds,
        default=_WAIT_SECONDS,
        metavar="S",
        help="seconds to wait for a scheduler's answer (10)",
    )
    _note(command)
    _actor(command)


def _note(command: ArgumentParser) -> None:
    command.add_argument("--note", default="", metavar="TEXT", help="why, for whoever looks later")


def _actor(command: ArgumentParser) -> None:
    command.add_argument(
        "--actor", default=_whoever(), metavar="WHO", help="who asks (user@host: %(default)s)"
    )


def _whoever() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        user = "unknown"
    return f"{user}@{socket.gethostname()}"


def _count(text: str) -> int:
    if not (text.isdecimal() and 1 <= int(text) <= _MOST_SLOTS):
        raise ArgumentTypeError("write a number from 1 to 1000")
    return int(text)


def _seconds(text: str) -> float:
    if not (text.isdecimal() and int(text) <= _LONGEST_WAIT):
        raise ArgumentTypeError("write whole seconds, from 0 to 3600")
    return float(text)


def _zone(text: str) -> str:
    if text not in available_timezones():
        raise ArgumentTypeError(f"{text!r} is no IANA time zone such as Europe/Berlin")
    return text


def _key(text: str) -> str:
    if not _KEY.fullmatch(text):
        raise ArgumentTypeError("a key is 1 to 64 of A-Z, a-z, 0-9, _ and -")
    return text


def _channel(text: str) -> str:
    try:
        return _CHANNEL.validate_python(text)
    except ValidationError as error:
        raise ArgumentTypeError(
            f"{text!r} is no chat id such as -1001234567890, and no @name of 4 to 32 letters,"
            " digits and _"
        ) from error
