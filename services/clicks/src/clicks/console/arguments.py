"""The words of the command line: commands, their arguments, and help with an example of each."""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import NoReturn

from chassis.console import UsageError

_STATUSES = """\
exit status:
  0   done
  1   refused by Telegram, or by the settings
  2   asked for in words that make no sense
  69  Telegram cannot be reached
  78  a setting is wrong

Settings come from the environment, see the README."""
_ACTS = {
    "set": "set the webhook as the settings say, and verify it",
    "info": "show what Telegram has, and how it differs from the settings",
    "delete": "remove the webhook; updates wait with Telegram for a day",
}


class _Parser(ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message, f"see {self.prog} --help")


def parser() -> ArgumentParser:
    """Return the parser; it raises UsageError, and leaves `command` None where none is given."""
    whole = _Parser(
        prog="python -m clicks",
        description="Runs clicks (without a command), sees to the bot's webhook, or pays back.",
        epilog=_STATUSES,
        formatter_class=RawDescriptionHelpFormatter,
    )
    whole.set_defaults(command=None, act=None)
    commands = whole.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
    commands.add_parser("run", help="run until SIGTERM (what happens without a command)")
    webhook = commands.add_parser("webhook", help="the bot's webhook at Telegram")
    acts = webhook.add_subparsers(
        dest="act", metavar="|".join(_ACTS), parser_class=_Parser, required=True
    )
    for act, does in _ACTS.items():
        command = acts.add_parser(
            act,
            help=does,
            description=f"{does[0].upper()}{does[1:]}.",
            epilog=f"example: python -m clicks webhook {act} --json",
        )
        command.add_argument("--json", action="store_true", help="answer with one JSON document")
    _refund(commands.add_parser("refund", help="pay a payment in Stars back"))
    return whole


def _refund(command: ArgumentParser) -> None:
    command.description = "Pays the whole of a payment in Telegram Stars back, once."
    command.epilog = "example: python -m clicks refund stxKq3yhV7 --user 123456789"
    command.add_argument("charge", metavar="CHARGE", help="source_id of the payment in the log")
    command.add_argument("--user", type=int, required=True, metavar="ID", help="who paid it")
    command.add_argument("--json", action="store_true", help="answer with one JSON document")
