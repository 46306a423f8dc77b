"""The words of the command line: commands, their arguments, and help with an example of each."""

import getpass
import re
import socket
from argparse import ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from collections.abc import Callable
from typing import Any, NoReturn

from pydantic import TypeAdapter, ValidationError

from chassis.console import UsageError
from contracts.ids import Channel

_CHANNEL: TypeAdapter[str] = TypeAdapter(Channel)
_DELIVERY = re.compile(r"[0-9a-v]{26}")
_STATUSES = """\
exit status:
  0   done
  1   refused, or the self-test failed
  2   asked for in words that make no sense
  69  NATS or Telegram cannot be reached
  78  a setting is wrong

Settings come from the environment, see the README."""


class _Parser(ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message, f"see {self.prog} --help")


def parser() -> ArgumentParser:
    """Return the parser; it raises UsageError, and leaves `command` None where none is given."""
    whole = _Parser(
        prog="python -m sender",
        description="Runs a sender (without a command), or helps where one was left in doubt.",
        epilog=_STATUSES,
        formatter_class=RawDescriptionHelpFormatter,
    )
    whole.set_defaults(command=None, act=None)
    commands = whole.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
    commands.add_parser("run", help="run until SIGTERM (what happens without a command)")
    add = _adder(commands, "")
    command = add(
        "selftest",
        "prove on the live bot that a lost message is found again",
        "--channel @my_test_channel --audit -1001234567890",
    )
    command.add_argument(
        "--channel",
        type=_channel,
        required=True,
        metavar="C",
        help="where to post; not read by many",
    )
    command.add_argument(
        "--audit", type=_channel, metavar="A", help="audit chat (FINGERPOST_AUDIT_CHAT)"
    )
    uncertain = commands.add_parser("uncertain", help="deliveries that may or may not be posted")
    acts = uncertain.add_subparsers(
        dest="act", metavar="list|resolve|declare", parser_class=_Parser, required=True
    )
    add = _adder(acts, "uncertain ")
    add("list", "list them, with the reason and the policy", "--json")
    command = add(
        "resolve",
        "say what became of one, or have it posted again",
        "je631khjffmgqtcq14s40o6afk --posted 4711",
    )
    command.add_argument("delivery", type=_delivery, metavar="DELIVERY")
    choice = command.add_mutually_exclusive_group(required=True)
    choice.add_argument(
        "--posted", type=_message_id, metavar="MESSAGE_ID", help="it stands in the channel as this"
    )
    choice.add_argument("--drop", action="store_true", help="give it up")
    choice.add_argument("--post-again", action="store_true", help="it is not there: post it")
    _add_actor(command)
    command = add(
        "declare",
        "after the log was restored from a backup: have all that is due, and of which it says"
        " nothing, looked for before it is posted",
        "",
    )
    _add_actor(command)
    _add_channels(commands)
    return whole


def _add_channels(commands: Any) -> None:
    channels = commands.add_parser("channels", help="where bots may post")
    acts = channels.add_subparsers(
        dest="act", metavar="list|enable|disable", parser_class=_Parser, required=True
    )
    add = _adder(acts, "channels ")
    add("list", "list what is disabled or was, since when and why", "--json")
    for act, does, example in (
        ("enable", "post there again", "@my_channel"),
        ("disable", "skip what is due there", "-1001234567890 --bot second --why 'it is sold'"),
    ):
        command = add(act, does, example)
        command.add_argument("channel", type=_channel, metavar="CHANNEL")
        command.add_argument("--bot", metavar="NAME|ID", help="which bot, where it is not the only")
        command.add_argument("--why", default="", metavar="TEXT", help="for `channels list`")
        _add_actor(command)


def _add_actor(command: ArgumentParser) -> None:
    command.add_argument(
        "--actor", default=_whoever(), metavar="WHO", help="who says so (user@host: %(default)s)"
    )


def _adder(commands: Any, before: str) -> Callable[[str, str, str], ArgumentParser]:
    def add(name: str, does: str, example: str) -> ArgumentParser:
        command: ArgumentParser = commands.add_parser(
            name,
            help=does,
            description=f"{does[0].upper()}{does[1:]}.",
            epilog=f"example: python -m sender {before}{name} {example}",
        )
        command.add_argument("--json", action="store_true", help="answer with one JSON document")
        return command

    return add


def _whoever() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        user = "unknown"
    return f"{user}@{socket.gethostname()}"


def _channel(text: str) -> str:
    try:
        return _CHANNEL.validate_python(text)
    except ValidationError as error:
        raise ArgumentTypeError(
            f"{text!r} is no chat id such as -1001234567890, and no @name"
        ) from error


def _delivery(text: str) -> str:
    if not _DELIVERY.fullmatch(text):
        raise ArgumentTypeError(f"{text!r} is no delivery id; take one of `uncertain list`")
    return text


def _message_id(text: str) -> int:
    if not (text.isdecimal() and int(text) > 0):
        raise ArgumentTypeError("write the number at the end of the message's link")
    return int(text)
