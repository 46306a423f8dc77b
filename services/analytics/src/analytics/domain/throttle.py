"""How often a password may be tried: after five wrong ones in a minute an address has to wait."""

from collections import OrderedDict
from datetime import datetime, timedelta

_TRIES = 5
_WINDOW = timedelta(minutes=1)
_REMEMBERED = 10_000


class Throttle:
    """Remembers the wrong tries of the newest addresses, and forgets the oldest beyond 10,000."""

    def __init__(self) -> None:
        self._wrong: OrderedDict[str, list[datetime]] = OrderedDict()

    def wait(self, address: str, now: datetime) -> timedelta | None:
        """Return how long `address` has to wait before its next try, None where it need not."""
        tries = [at for at in self._wrong.get(address, ()) if now - at < _WINDOW]
        return _WINDOW - (now - tries[-_TRIES]) if len(tries) >= _TRIES else None

    def wrong(self, address: str, now: datetime) -> None:
        """Remember a wrong try."""
        self._wrong[address] = [*self._wrong.get(address, ())[-_TRIES + 1 :], now]
        self._wrong.move_to_end(address)
        if len(self._wrong) > _REMEMBERED:
            self._wrong.popitem(last=False)

    def right(self, address: str) -> None:
        """Forget what an address tried before."""
        self._wrong.pop(address, None)
