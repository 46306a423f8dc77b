"""How often a password may be tried: after five wrong ones in a minute an address has to wait."""

from collections import OrderedDict
from datetime import datetime, timedelta
from ipaddress import IPv6Address, IPv6Network, ip_address

_TRIES = 5
_WINDOW = timedelta(minutes=1)
_REMEMBERED = 10_000
_HOUSE_BITS = 64


class Throttle:
    """Remembers the wrong tries of the newest addresses, and forgets the oldest beyond 10,000."""

    def __init__(self) -> None:
        self._wrong: OrderedDict[str, list[datetime]] = OrderedDict()

    def wait(self, address: str, now: datetime) -> timedelta | None:
        """Return how long `address` has to wait before its next try, None where it need not."""
        tries = [at for at in self._wrong.get(_house(address), ()) if now - at < _WINDOW]
        return _WINDOW - (now - tries[-_TRIES]) if len(tries) >= _TRIES else None

    def wrong(self, address: str, now: datetime) -> None:
        """Remember a wrong try."""
        house = _house(address)
        self._wrong[house] = [*self._wrong.get(house, ())[-_TRIES + 1 :], now]
        self._wrong.move_to_end(house)
        if len(self._wrong) > _REMEMBERED:
            self._wrong.popitem(last=False)

    def right(self, address: str) -> None:
        """Forget what an address tried before."""
        self._wrong.pop(_house(address), None)


def _house(address: str) -> str:
    """Return whose address it is: who has one of IPv6 has all 2^64 that begin alike."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if isinstance(found, IPv6Address) and not found.ipv4_mapped:
        return str(IPv6Network((int(found), _HOUSE_BITS), strict=False))
    return str(found)
