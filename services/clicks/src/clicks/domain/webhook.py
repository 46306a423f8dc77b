"""What is asked of Telegram about the webhook, and how what it has differs from that.

The rules of the address are those of the Bot API (setWebhook): https on one of four ports, where
Telegram can reach it. A Bot API server of one's own takes any address.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from clicks.domain.updates import WANTED

PATH = "/telegram/webhook"
PORTS = (443, 80, 88, 8443)
MOST_CONNECTIONS = 100
"""By which Telegram posts at once, at most; 40 where nobody says how many (Bot API docs)."""
_TELEGRAM = "api.telegram.org"
_AT_HOME = ("localhost", ".localhost", ".local", ".internal")


@dataclass(frozen=True)
class Webhook:
    """Where Telegram is to post updates, which kinds of them, and by how many connections."""

    url: str
    connections: int = MOST_CONNECTIONS
    allowed_updates: tuple[str, ...] = WANTED

    @property
    def parameters(self) -> dict[str, Any]:
        """Return it as setWebhook takes it; which kinds is always said, as Telegram keeps them."""
        return {
            "url": self.url,
            "allowed_updates": list(self.allowed_updates),
            "max_connections": self.connections,
        }

    def differences(self, info: object) -> tuple[str, ...]:
        """Compare with a WebhookInfo; its secret is not shown, so that is not compared."""
        found = info if isinstance(info, dict) else {}
        url, kinds = found.get("url") or "", found.get("allowed_updates") or ()
        differences = (
            _other_url(url, self.url),
            _other_kinds(kinds, self.allowed_updates),
            _other_connections(found.get("max_connections"), self.connections),
        )
        return tuple(filter(None, differences))


def problem_of(base: str, api: str) -> str | None:
    """Return why Telegram at `api` would not take a webhook below the http(s) address `base`."""
    if urlsplit(api).hostname != _TELEGRAM:
        return None
    parts = urlsplit(base)
    if parts.scheme != "https":
        return f"Telegram posts only to https: write https://, not {parts.scheme}://"
    try:
        port = 443 if parts.port is None else parts.port
    except ValueError:
        port = 0
    if port not in PORTS:
        return "Telegram posts only to port 443, 80, 88 or 8443: take one of these"
    if _is_at_home(parts.hostname or ""):
        return (
            f"Telegram cannot reach {parts.hostname}: give the public name of this service,"
            " or use FINGERPOST_CLICKS_MODE=polling"
        )
    return None


def _is_at_home(host: str) -> bool:
    try:
        return not ip_address(host).is_global
    except ValueError:
        return host == _AT_HOME[0] or host.endswith(_AT_HOME[1:])


def _other_url(found: str, wanted: str) -> str | None:
    if found == wanted:
        return None
    if not found:
        return "no webhook is set"
    return f"the webhook is {found!r} instead of {wanted!r}"


def _other_kinds(found: Sequence[str], wanted: Sequence[str]) -> str | None:
    missing, extra = sorted(set(wanted) - set(found)), sorted(set(found) - set(wanted))
    words = [f"without {', '.join(missing)}"] if missing else []
    words += [f"with {', '.join(extra)}"] if extra else []
    return f"allowed_updates are {' and '.join(words)}" if words else None


def _other_connections(found: object, wanted: int) -> str | None:
    if found in (None, wanted):  # without a webhook Telegram names none
        return None
    return f"max_connections is {found} instead of {wanted}"
