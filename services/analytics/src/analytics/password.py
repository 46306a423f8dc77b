"""`python -m analytics.password NAME`: asks for a password, prints FINGERPOST_LOGIN_PASSWORD."""

import sys
from getpass import getpass
from secrets import token_bytes

from analytics.domain.passwords import Password

EXIT_USAGE = 2
_LEAST = 12


def main(arguments: list[str]) -> int:
    """Print the setting; the password comes from the terminal, or as a line of standard input."""
    if len(arguments) != 1 or ":" in arguments[0] or not arguments[0]:
        sys.stderr.write("usage: python -m analytics.password NAME (without a colon)\n")
        return EXIT_USAGE
    word = getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    if len(word) < _LEAST:
        sys.stderr.write(f"the password is too short; give one of {_LEAST} characters or more\n")
        return EXIT_USAGE
    sys.stdout.write(f"{Password.of(arguments[0], word, token_bytes(16))}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
