"""Who may read the pages: decided from the settings and from what a request says of itself.

Without any login the pages are open to this machine alone, and only by its own names: a page of
somebody else's, whose name was made to point here, reads nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address

Network = IPv4Network | IPv6Network

_LOCAL_NAMES = {"localhost", "127.0.0.1", "[::1]"}
_USER_CHARACTERS = 256

NO_LOGIN = (
    "No login is set, and this service listens on more than its own machine. Set"
    " FINGERPOST_LOGIN_PASSWORD (made by `python -m analytics.password`), or"
    " FINGERPOST_LOGIN_HEADER with FINGERPOST_LOGIN_PROXIES where a proxy signs people in; or let"
    " FINGERPOST_HTTP_HOST be 127.0.0.1."
)
NOT_LOCAL = (
    "No login is set, so these pages are for this machine alone: open them at 127.0.0.1 or"
    " localhost, or set a login (FINGERPOST_LOGIN_PASSWORD or FINGERPOST_LOGIN_HEADER)."
)
NOT_SIGNED_IN = (
    "The proxy in front of this service did not say who you are: sign in there. Its address must"
    " be in FINGERPOST_LOGIN_PROXIES, and it must set the header of FINGERPOST_LOGIN_HEADER."
)


@dataclass(frozen=True)
class Rules:
    """What the settings say: where the port listens, and which logins there are."""

    host: str
    header: str | None = None
    proxies: tuple[Network, ...] = ()
    password: bool = False


@dataclass(frozen=True)
class Asked:
    """What a request says: its peer's address, its `Host`, and each value of the login header."""

    peer: str | None
    host: str
    users: Sequence[str] = ()


@dataclass(frozen=True)
class Admitted:
    """It may read; `user` is who the proxy says, where it said it."""

    user: str | None = None


@dataclass(frozen=True)
class AskPassword:
    """It may read with the right name and password."""


@dataclass(frozen=True)
class Refused:
    """It may not, and what would change that."""

    remedy: str


Access = Admitted | AskPassword | Refused


def access(rules: Rules, asked: Asked) -> Access:
    """Decide on one request; a proxy's word counts from a trusted address only, and only once."""
    if rules.header and _trusted(rules, asked.peer) and len(asked.users) == 1:
        (user,) = asked.users
        if 0 < len(user.strip()) <= _USER_CHARACTERS:
            return Admitted(user.strip())
    if rules.password:
        return AskPassword()
    if rules.header:
        return Refused(NOT_SIGNED_IN)
    if not is_loopback(rules.host):
        return Refused(NO_LOGIN)
    return Admitted() if _name(asked.host) in _LOCAL_NAMES else Refused(NOT_LOCAL)


def is_loopback(host: str) -> bool:
    """Tell whether what listens on `host` is reached from this machine alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _trusted(rules: Rules, peer: str | None) -> bool:
    try:
        address = ip_address(peer or "")
    except ValueError:
        return False
    return any(address in network for network in rules.proxies)


def _name(host: str) -> str:
    """Return the name of a `Host` header, without the port."""
    name, colon, port = host.lower().rpartition(":")
    return name if colon and port.isdecimal() else host.lower()
