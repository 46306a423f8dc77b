"""Takes conversions in the log's place: each once, in memory; and what comes before its time."""

import asyncio
from collections import defaultdict
from datetime import UTC, datetime

from chassis.log import LogUnavailableError
from clicks.domain.stripe_events import Sale
from contracts.envelope import Envelope
from contracts.events import ConversionRecorded
from contracts.ids import DeliveryId


class Taker:
    """What clicks' journal does with conversions; `away` makes it acknowledge nothing."""

    def __init__(self) -> None:
        self.stored: dict[str, ConversionRecorded] = {}
        self.away = False

    @property
    def events(self) -> list[ConversionRecorded]:
        """Return what was taken, in order."""
        return list(self.stored.values())

    async def due(self, _: DeliveryId) -> Envelope | None:
        """Know of no delivery."""
        return None

    async def conversion(self, subject: str) -> ConversionRecorded | None:
        return self.stored.get(subject)

    async def record_once(
        self, conversion: ConversionRecorded, due: Envelope | None = None
    ) -> ConversionRecorded | None:
        await asyncio.sleep(0)
        if self.away:
            raise LogUnavailableError("away")
        before = self.stored.setdefault(conversion.once_over, conversion)
        return None if before is conversion else before


class Shelf:
    """What clicks' early sales wait on; `away` makes it answer nothing."""

    def __init__(self) -> None:
        self.kept: dict[str, tuple[Sale, ...]] = defaultdict(tuple)
        self.away = False

    async def keep(self, sale: Sale, *, until: str) -> None:
        self._answer()
        self.kept[until] += (sale,)

    async def followers(self, id_: str) -> tuple[Sale, ...]:
        self._answer()
        return self.kept[id_]

    def _answer(self) -> None:
        if self.away:
            raise LogUnavailableError("away")


def now() -> datetime:
    """Return the present: the libraries that check signatures look at the clock themselves."""
    return datetime.now(UTC)
