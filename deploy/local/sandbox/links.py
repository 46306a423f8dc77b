"""What Telegram accepts as a link in a button or an entity, and links that open a bot."""

import re
from urllib.parse import parse_qs, urlsplit

_OWN_SCHEMES = {"tg", "ton", "tonsite"}
_HOST = re.compile(r"[^\s/?#@]+\.[^\s/?#@.]+|\[[0-9a-fA-F:]+\]")
_START_PAYLOAD = re.compile(r"[A-Za-z0-9_-]{0,64}")
_TELEGRAM_HOSTS = {"t.me", "telegram.me", "telegram.dog"}


def link_fault(url: str) -> str | None:
    """Why a link is refused, in tdlib's words, or None.

    As on the live server a host needs a dot, so `localhost` is refused; 127.0.0.1 passes
    here, though a phone could not open it.
    """
    if not url.strip():
        return "URL host is empty"
    scheme, separator, _ = url.partition("://")
    address = url if separator else f"http://{url}"
    if separator and scheme.lower() in _OWN_SCHEMES:
        return None
    if separator and scheme.lower() not in {"http", "https"}:
        return "Unsupported URL protocol"
    return None if _good_address(address) else "Wrong HTTP URL"


def _good_address(address: str) -> bool:
    try:
        parts = urlsplit(address)
        host, _ = parts.netloc.rpartition("@")[2], parts.port
    except ValueError:
        return False
    return bool(_HOST.fullmatch(re.sub(r":\d+$", "", host))) and not re.search(r"\s", address)


def normalized(url: str) -> str:
    """The form in which a link comes back: with a scheme, and a path after a bare host."""
    address = url if "://" in url else f"http://{url}"
    parts = urlsplit(address)
    bare = parts.scheme in {"http", "https"} and not parts.path
    return parts._replace(path="/").geturl() if bare else address


def start_link(url: str) -> tuple[str, str] | None:
    """(bot username, payload) when the link opens a bot with a start payload."""
    parts = urlsplit(url)
    query = parse_qs(parts.query, keep_blank_values=True)
    if parts.scheme == "tg" and parts.netloc == "resolve":
        username = query.get("domain", [""])[0]
    elif parts.netloc.lower() in _TELEGRAM_HOSTS:
        username = parts.path.strip("/")
    else:
        return None
    payload = query.get("start", [""])[0]
    named = username and "/" not in username and "start" in query
    return (username, payload) if named and good_payload(payload) else None


def good_payload(payload: str) -> bool:
    """Deep links carry at most 64 of A-Z a-z 0-9 _ - (Bot API docs, deep linking)."""
    return bool(_START_PAYLOAD.fullmatch(payload))
