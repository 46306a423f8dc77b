"""Records the conversions that other systems tell us of, each answered by itself."""

import asyncio
from collections.abc import Sequence

from chassis.clock import Clock
from chassis.logs import logger
from clicks.domain.conversions import Answer, Result, duplicate, read, recorded
from clicks.journal import Journal
from clicks.metrics import CONVERSIONS
from contracts.events import ConversionRecorded
from contracts.token import TokenSigner

log = logger(__name__)


class Conversions:
    """What is answered as recorded or duplicate stands in the log."""

    def __init__(self, signer: TokenSigner, journal: Journal, clock: Clock) -> None:
        self._signer = signer
        self._journal = journal
        self._clock = clock

    async def record(self, items: Sequence[object]) -> Answer:
        """Record all that can be; raises LogUnavailableError, and to say all again is safe."""
        said = [self._one(item) for item in items]
        results = []
        # All of them are waited for, also where one fails: none is left behind half said.
        for result in await asyncio.gather(*said, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result
            results.append(result)
        for result in results:
            CONVERSIONS.labels("api", result.status).inc()
        return Answer(results=tuple(results))

    async def _one(self, item: object) -> Result:
        asked = read(item, self._signer, self._clock())
        if isinstance(asked, Result):
            log.info("conversion refused", id=asked.id, field=asked.field, problem=asked.problem)
            return asked
        return await self._recorded(item, asked)

    async def _recorded(self, item: object, event: ConversionRecorded) -> Result:
        due = await self._journal.due(event.delivery) if event.delivery else None
        stored = await self._journal.record_once(event, due)
        if stored is None:
            return recorded(event)
        return duplicate(item, event, stored)
