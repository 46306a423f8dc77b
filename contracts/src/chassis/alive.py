"""`python -m chassis.alive PORT`: ask a service on this machine whether it is alive.

For health commands, which run every few seconds: it imports nothing but the standard library. The
exit status is 0 where `/healthz` answers 200, else 1 with a line that says why.
"""

import sys
from http.client import HTTPConnection, HTTPException

_PATIENCE = 3
_OK = 200


def problem(port: int) -> str | None:
    """Return why the service on `port` does not count as alive, None where it does."""
    # No urlopen: it would ask the proxy that the environment names.
    connection = HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)
    try:
        connection.request("GET", "/healthz")
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        return f"no answer on port {port}: {error!r}"
    finally:
        connection.close()
    return None if status == _OK else f"port {port} answered {status}"


def main() -> int:
    """Ask; return the exit status."""
    if len(sys.argv) != 2 or not sys.argv[1].isdecimal():  # noqa: PLR2004  the program and its port
        sys.stderr.write("usage: python -m chassis.alive PORT\n")
        return 2
    said = problem(int(sys.argv[1]))
    if said:
        sys.stderr.write(f"{said}\n")
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
