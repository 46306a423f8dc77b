"""How often each of many may do something, and who "each" is for a request from the network.

A limit keeps a flood out of the log. It forgets rather than refuses: whom it does not remember,
because too many others came meanwhile, it lets pass. So its memory is bounded, and however many
strangers come, nobody is ever refused for what others did.
"""

import re
from collections.abc import Hashable
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from math import ceil

_REMEMBERED = 20_000
_WITH_PORT = re.compile(r"\[([^\]]+)\](?::[0-9]+)?|([0-9.]+):[0-9]+", re.ASCII)
_HOUSEHOLD = 64
"""Bits of an IPv6 address by which one customer is known; the rest is theirs to choose."""


class Limit:
    """`burst` times at once, and as many again in the course of `period`; for each key by itself.

    A key is remembered as the instant at which it will have its whole burst again (GCRA). Keys
    that were not seen for a period have it, and are forgotten; so is the older half where more
    than twice `remembered` come in one period.
    """

    def __init__(self, burst: int, period: timedelta, *, remembered: int = _REMEMBERED) -> None:
        self._period = period.total_seconds()
        self._interval = self._period / burst
        self._remembered = remembered
        self._young: dict[Hashable, float] = {}
        self._old: dict[Hashable, float] = {}
        self._turned_at = 0.0

    def wait(self, key: Hashable, now: datetime) -> int:
        """Return after how many seconds `key` may, 0 where it may now."""
        ahead = self._ahead(key, now.timestamp())
        return max(0, ceil(ahead + self._interval - self._period))

    def spend(self, key: Hashable, now: datetime) -> None:
        """Count one time against `key`."""
        at = now.timestamp()
        spent = at + self._ahead(key, at) + self._interval
        if len(self._young) >= self._remembered or not 0 <= at - self._turned_at < self._period:
            self._old, self._young, self._turned_at = self._young, {}, at
        self._young[key] = spent

    def give_back(self, key: Hashable, now: datetime) -> None:
        """Count one time less against `key`: nothing came of it."""
        at = now.timestamp()
        left = self._ahead(key, at) - self._interval
        counted = self._young if key in self._young else self._old
        if left > 0:
            counted[key] = at + left
        else:
            counted.pop(key, None)

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def _ahead(self, key: Hashable, at: float) -> float:
        """Return the seconds until `key` has its whole burst again."""
        full_at = self._young.get(key) or self._old.get(key) or 0.0
        ahead = full_at - at
        # More than a period and an interval nobody can spend: the clock was set back meanwhile.
        return ahead if 0 < ahead <= self._period + self._interval else 0.0


def caller(peer: str, forwarded: str, *, trusted_proxies: int) -> str | None:
    """Return whom a request counts against: an IPv4 address, or an IPv6 /64; None: nobody.

    Each proxy appends to `forwarded` (X-Forwarded-For) the address that it was asked by, so only
    what stands as far from the right as there are proxies of ours can be believed: what is left
    of it the caller may have made up. Without any such proxy the `peer` is the caller, unless its
    address is a private one: then it is a proxy that nobody told us of, and stands for many people.
    """
    if not trusted_proxies:
        address = _address(peer)
        return None if address is None or not address.is_global else _key(address)
    said = [entry for entry in forwarded.split(",") if entry.strip()]
    address = _address(said[-trusted_proxies] if len(said) >= trusted_proxies else peer)
    return None if address is None else _key(address)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    text = text.strip()
    if with_port := _WITH_PORT.fullmatch(text):
        text = with_port[1] or with_port[2]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address


def _key(address: IPv4Address | IPv6Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    return str(IPv6Network((int(address), _HOUSEHOLD), strict=False))
