"""Who asks over HTTP, and whether they ask too often."""

from starlette.types import Scope

from chassis.clock import Clock
from clicks.domain.limits import Limit, caller

_FORWARDED = b"x-forwarded-for"


class Callers:
    """Counts by address; `trusted_proxies` of ours stand between the callers and this process."""

    def __init__(self, limit: Limit, *, trusted_proxies: int, clock: Clock) -> None:
        self._limit = limit
        self._trusted_proxies = trusted_proxies
        self._clock = clock

    def who(self, scope: Scope) -> str | None:
        """Return by what the caller is known, None where nobody in particular is."""
        peer = scope["client"][0] if scope.get("client") else ""
        said = [value for name, value in scope["headers"] if name == _FORWARDED]
        forwarded = b",".join(said).decode("latin-1")
        return caller(peer, forwarded, trusted_proxies=self._trusted_proxies)

    def wait(self, who: str | None) -> int:
        """Return for how many seconds the caller is to be sent away, 0 for not at all."""
        return 0 if who is None else self._limit.wait(who, self._clock())

    def spend(self, who: str | None) -> None:
        """Count one time against the caller."""
        if who is not None:
            self._limit.spend(who, self._clock())

    def give_back(self, who: str | None) -> None:
        """Count one time less against the caller."""
        if who is not None:
            self._limit.give_back(who, self._clock())
